"""Runs of optimizers: a case run by the trainer, by the page with bounds, and by a page with other lines in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lm_reference.rounding import FORMATS, Array, Rounded
from torch import Tensor

from lm_conformance import guard
from lm_conformance.cases.optimizers import Case
from lm_conformance.cases.tensors import copy
from lm_conformance.errors import TrainerError
from lm_conformance.trainer import Blockwise, Resumable

if TYPE_CHECKING:
    from types import ModuleType

    from lm_reference.page import Variant

    from lm_conformance.check import Target

Run = list[list[Any]]  # for each watched update one array for each parameter


def obtained(target: Target, case: Case, *, resumed: bool = True) -> Run:
    """The parameters after each watched update of the trainer, as float64 arrays.

    A parameter that gets no gradient must come back with the bits it had.

    Raises:
        TrainerError: the trainer raised, or returned something else than its parameters.

    """
    session = open_session(target, case)
    names: list[Tensor | None] = list(case.parameters)
    before: list[Tensor | None] = list(case.parameters)
    some_missing = any(g is None for gradients in case.gradients for g in gradients)
    run: Run = []
    for update, (gradients, rate) in enumerate(zip(case.gradients, case.rates, strict=True), start=1):
        results = take_step(target, session, gradients, rate, names)
        if some_missing:
            for i, g in enumerate(gradients):
                if g is None and not same_bits(results[i], before[i]):
                    raise Moved(i, update)
            before = [None if result is None else copy(result) for result in results]
        if update in case.watched:
            run.append([array(result) for result in results])
        if resumed and update == case.resume:
            session = continued(target, case, session)
    return run


class Moved(Exception):  # noqa: N818 it is no error of ours
    """A parameter without a gradient did not keep its value."""

    def __init__(self, index: int, update: int) -> None:
        super().__init__(f"parameter {index} got no gradient at update {update}, but its value changed")


def open_session(target: Target, case: Case) -> Any:
    """The trainer's optimizer for a case."""
    parameters = [copy(tensor) for tensor in case.parameters]
    method = target.offer.method
    return guard.call(
        method.__name__, method, parameters, lr=case.base_rate, timeout=target.timeout, **dict(case.settings)
    )


def take_step(
    target: Target,
    session: Any,
    gradients: Sequence[Tensor | None],
    rate: float | None,
    like: list[Tensor | None],
) -> list[Tensor | None]:
    """The parameters after one update by the trainer."""
    if session is None or not hasattr(session, "step"):
        raise TrainerError(f"{target.offer.method.__name__} returned {type(session).__name__}, which has no step()")
    lent = [None if g is None else copy(g) for g in gradients]
    results = guard.call("step()", session.step, list(lent), lr=rate, timeout=target.timeout)
    guard.unchanged("step()", lent, list(gradients))
    return guard.tensors("step()", results, like)


def continued(target: Target, case: Case, session: Resumable) -> Any:
    """Another optimizer that continues from what this one saves."""
    saved = guard.call("save()", session.save, timeout=target.timeout)
    another = open_session(target, case)
    guard.call("load()", another.load, saved, timeout=target.timeout)
    return another


def expected(target: Target, case: Case, *variants: Variant, forms: Sequence[Variant] = ()) -> list[list[Rounded]]:
    """The parameters after each watched update of the page with the trainer's forks, with their bounds.

    To the bound of every update the largest is added that one of `forms` has for this update alone. (To carry a
    form's bound from update to update would not do: where a form names the state twice, as in m + (1 - β)(g - m),
    running error analysis counts the same error twice and grows without limit.)
    """
    arithmetics = [target.arithmetic(tensor.dtype) for tensor in case.parameters]
    others = [target.page.module(*target.page.sides(target.offer.forks), *variants, form) for form in forms]

    def lift(index: int, value: Any) -> Any:
        if isinstance(value, Tensor):
            return arithmetics[index].tensor(value)
        return arithmetics[index].scalar(value) if isinstance(value, float) else value

    def step(page: ModuleType, index: int, theta: Rounded, gradient: Any, state: Any, keywords: Any) -> Any:
        after, new = page.step(theta, gradient, state, **keywords)
        for other in others:
            exact = type(state)(*map(_exact, state))
            local, own = other.step(_exact(theta), gradient, exact, **keywords)
            after, new = _widened(after, local), type(new)(*map(_widened, new, own))
        dtype = case.parameters[index].dtype
        format_name, precision = str(dtype).removeprefix("torch."), target.precision(dtype)
        if FORMATS[arithmetics[index].compute].roundoff < FORMATS[format_name].roundoff:
            after = after.stored(format_name)
        return after, type(new)(*(_kept(part, precision.state, arithmetics[index].compute) for part in new))

    return _run(target, case, variants, lift, step)


def _exact(part: Any) -> Any:
    if not isinstance(part, Rounded):
        return part
    return Rounded(part.value, 0 * part.error, part.arithmetic, scalar=part.is_scalar)


def _widened(part: Any, by: Any) -> Any:
    if not isinstance(part, Rounded) or not isinstance(by, Rounded):
        return part
    return Rounded(part.value, part.error + by.error, part.arithmetic, scalar=part.is_scalar)


def _kept(part: Any, how: str | Blockwise | None, compute: str) -> Any:
    """A part of the state after it has been put away."""
    if not isinstance(part, Rounded) or part.is_scalar or how is None:
        return part
    if isinstance(how, Blockwise):
        flat = np.abs(np.ravel(part.value)) + np.ravel(part.error)
        starts = np.arange(0, flat.size, how.block)
        largest = np.repeat(np.maximum.reduceat(flat, starts), how.block)[: flat.size] if flat.size else flat
        return Rounded(part.value, part.error + how.half_gap * largest.reshape(part.shape), part.arithmetic)
    return part.stored(how) if FORMATS[how].roundoff > FORMATS[compute].roundoff else part


def faulty(target: Target, case: Case, *variants: Variant) -> list[list[Array]]:
    """The parameters after each watched update of the page with other lines, in float64 and without bounds."""

    def lift(index: int, value: Any) -> Any:  # noqa: ARG001
        return value.double() if isinstance(value, Tensor) else value

    def step(page: ModuleType, index: int, theta: Tensor, gradient: Any, state: Any, keywords: Any) -> Any:  # noqa: ARG001
        return page.step(theta, gradient, state, **keywords)

    return [[array(theta) for theta in row] for row in _run(target, case, variants, lift, step)]


def _run(
    target: Target,
    case: Case,
    variants: Iterable[Variant],
    lift: Callable[[int, Any], Any],
    step: Callable[..., Any],
) -> list[list[Any]]:
    page: ModuleType = target.page.module(*target.page.sides(target.offer.forks), *variants)
    thetas = [lift(i, tensor) for i, tensor in enumerate(case.parameters)]
    states = [page.init(theta) for theta in thetas]
    settings = [{k: lift(i, v) for k, v in _page_settings(case, i).items()} for i in range(len(thetas))]
    rates = [{rate: lift(i, rate) for rate in set(case.rates)} for i in range(len(thetas))]
    run = []
    for update, (gradients, rate) in enumerate(zip(case.gradients, case.rates, strict=True), start=1):
        for i, gradient in enumerate(gradients):
            keywords = {"lr": rates[i][rate], **settings[i]}
            thetas[i], states[i] = step(page, i, thetas[i], lift(i, gradient), states[i], keywords)
            if update == case.resume:
                states[i] = page.restore(states[i])
        if update in case.watched:
            run.append(list(thetas))
    return run


def _page_settings(case: Case, index: int) -> Mapping[str, Any]:
    """The keywords of the page's step for one parameter."""
    settings = dict(case.settings)
    if "decayed" in settings:
        settings |= {"decayed": settings["decayed"][index], "base_lr": case.base_rate}
    return settings


def array(result: Any) -> Array:
    """A result as a float64 array of its own."""
    return np.array(result.detach().double().numpy()) if isinstance(result, Tensor) else result


def same_bits(one: Tensor | None, other: Tensor | None) -> bool:
    """Whether two tensors hold the same bits, NaNs included; zeros of either sign are the same."""
    if one is None or other is None:
        return one is other
    return bool(torch.isclose(one, other, rtol=0, atol=0, equal_nan=True).all())
