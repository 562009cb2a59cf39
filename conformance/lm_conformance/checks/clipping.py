"""Checks of clipping: the clipped gradients and the reported norm against the page's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lm_reference.page import Variant
from lm_reference.rounding import FORMATS, Array, Rounded
from torch import Tensor

from lm_conformance import guard, judge
from lm_conformance.cases.gradients import Case, build, cases
from lm_conformance.cases.tensors import LAYOUTS, SHAPES, Style, copy
from lm_conformance.check import MIXED, Check, NotOffered, Outcome, Target
from lm_conformance.errors import TrainerError

PAGE = "gradients.global_norm_clipping"


@dataclass(frozen=True)
class Clipped:
    """What a trainer returned."""

    gradients: list[Tensor | None]
    norm: float | None


def clipped(target: Target, case: Case) -> Clipped:
    """The trainer's result.

    Raises:
        TrainerError: it raised, or returned something else.

    """
    lent = [None if g is None else copy(g) for g in case.gradients]
    name = target.offer.method.__name__
    result = guard.call(name, target.offer.method, list(lent), max_norm=case.max_norm, timeout=target.timeout)
    guard.unchanged(name, lent, list(case.gradients))
    try:
        gradients, norm = result
    except Exception as error:
        raise TrainerError(f"{name} returned {type(result).__name__}, but must return (gradients, norm)") from error
    found = guard.tensors(name, gradients, list(case.gradients))
    return Clipped(found, None if norm is None else guard.number(name, norm))


def _page(target: Target, case: Case, variants: Sequence[Variant], lift: Callable[[Any], Any]) -> tuple[list[Any], Any]:
    page = target.page.module(*target.page.sides(target.offer.forks), *variants)
    gradients, norm = page.clip([None if g is None else lift(g) for g in case.gradients], max_norm=lift(case.max_norm))
    return gradients, norm


def _lifted(target: Target) -> Callable[[Any], Any]:
    coarsest = max((target.arithmetic(dtype) for dtype in target.dtypes), key=lambda a: a.roundoff)

    def lift(value: Any) -> Any:
        return target.arithmetic(value.dtype).tensor(value) if isinstance(value, Tensor) else coarsest.scalar(value)

    return lift


def expected(target: Target, case: Case, *variants: Variant, forms: Sequence[Variant] = ()) -> list[list[Rounded]]:
    """The page's clipped gradients, with their bounds, to which the largest of `forms` are added."""
    gradients, _ = _page(target, case, variants, _lifted(target))
    kept = []
    for i, (result, given) in enumerate(zip(gradients, case.gradients, strict=True)):
        if result is None or given is None:
            continue
        for form in forms:
            other = _page(target, case, (*variants, form), _lifted(target))[0][i]
            result = Rounded(result.value, result.error + other.error, result.arithmetic)
        own = str(given.dtype).removeprefix("torch.")
        compute = target.arithmetic(given.dtype).compute
        kept.append(result.stored(own) if FORMATS[compute].roundoff < FORMATS[own].roundoff else result)
    return [kept]


def faulty(target: Target, case: Case, *variants: Variant) -> list[list[Array]]:
    """The clipped gradients of a page with other lines, in float64 and without bounds."""
    gradients, _ = _page(target, case, variants, lambda x: x.double() if isinstance(x, Tensor) else x)
    return [[g.numpy() for g in gradients if g is not None]]


def expected_norm(
    target: Target,
    case: Case,
    *variants: Variant,
    forms: Sequence[Variant] = (),  # noqa: ARG001 none of them concerns the norm
) -> list[list[Rounded]]:
    """The page's reported norm, with its bound."""
    _, norm = _page(target, case, variants, _lifted(target))
    return [[norm if isinstance(norm, Rounded) else target.arithmetic(target.dtypes[0]).scalar(norm)]]


def faulty_norm(target: Target, case: Case, *variants: Variant) -> list[list[Array]]:
    """The norm that a page with other lines reports."""
    _, norm = _page(target, case, variants, lambda x: x.double() if isinstance(x, Tensor) else x)
    return [[float(norm)]]


def same_gradients(check: Check, target: Target, case: Case) -> Outcome:
    """The clipped gradients are the page's."""
    result = clipped(target, case)
    arrays = [[g.double().numpy() for g in result.gradients if g is not None]]
    return judge.against_page(check, target, case, arrays, expected, faulty)


def same_norm(check: Check, target: Target, case: Case) -> Outcome:
    """The reported norm is the page's."""
    norm = clipped(target, case).norm
    if norm is None:
        raise NotOffered("it reports no norm")
    return judge.against_page(check, target, case, [[norm]], expected_norm, faulty_norm)


def not_hidden(check: Check, target: Target, case: Case) -> Outcome:  # noqa: ARG001 every judge has this signature
    """A gradient that is not finite leaves something that is not finite, or raises, as declared."""
    raises = target.offer.forks["nonfinite"] == "raised"
    try:
        result = clipped(target, case)
    except TrainerError as error:
        if raises:
            return Outcome(0.0, conclusive=True)
        return Outcome(math.inf, conclusive=True, failure=f"declared: nonfinite = shown, but {error}")
    shown = any(not bool(torch.isfinite(g).all()) for g in result.gradients if g is not None)
    if raises:
        return Outcome(math.inf, conclusive=True, failure="declared: nonfinite = raised, but nothing was raised")
    if not shown:
        return Outcome(math.inf, conclusive=True, failure="a gradient was not finite, but all that came back is finite")
    return Outcome(0.0, conclusive=True)


def _explain(check: Check, target: Target, case: Any, results: Any) -> str | None:
    how = expected_norm if check.name == "reported_norm" else expected
    return judge.looks_like(check, target, case, results, how)


def _infinite(target: Target) -> list[Case]:
    found = []
    for bad in (math.inf, -math.inf, math.nan):
        case = build(target, shapes=((3,), (2, 2)), seed=1)
        first = case.gradients[0]
        if first is not None:
            first[1] = bad
        found.append(case)
    return found


def _zero(target: Target) -> list[Case]:
    nothing = Style(scale=0)
    whole = build(target, shapes=((3,), (2, 2)), style=nothing)
    zeros = tuple(None if g is None else g * 0 for g in whole.gradients)
    return [
        Case(zeros, 1.0),
        Case(zeros[:1], 0.5),
        Case((zeros[0], whole.gradients[1]), 0.5),
        build(target, shapes=((0,), (3,))),
        build(target, shapes=((0,),)),
    ]


_check = partial(Check, PAGE, explain=_explain)
_LONG, _SHORT = (0.5, 0.25, 0.3, 0.01), (2.0, 64.0, 1.001)

CHECKS = [
    _check(
        name="long_gradients",
        clauses=(1, 2),
        title="Gradients that are longer than the threshold are scaled to it, in their direction.",
        judge=same_gradients,
        edges=lambda target: [build(target, shapes=((1,),), style=Style(0)), build(target, shapes=((700,),), seed=2)],
        search=lambda target: cases(target, relative=_LONG),
        examples=15,
    ),
    _check(
        name="short_gradients",
        clauses=(2,),
        title="Gradients that are no longer than the threshold keep every bit.",
        judge=same_gradients,
        edges=lambda target: [Case(build(target, shapes=((4,),), style=Style(0)).gradients, 2.0)],
        search=lambda target: cases(target, relative=_SHORT),
        examples=12,
    ),
    _check(
        name="zero_gradients",
        clauses=(2,),
        title="Gradients of norm zero stay zero, and tensors without elements do not disturb.",
        judge=same_gradients,
        edges=_zero,
    ),
    _check(
        name="one_norm",
        clauses=(3,),
        title="There is one norm: every tensor is scaled by the same factor, whatever its size.",
        judge=same_gradients,
        search=lambda target: cases(
            target, relative=(0.5, 0.25, 0.7), tensors=(2, 3, 7), shapes=[s for s in SHAPES if 0 not in s]
        ),
        examples=12,
    ),
    _check(
        name="layouts",
        clauses=(3,),
        title="Transposed and strided gradients count and are scaled like contiguous ones.",
        judge=same_gradients,
        search=lambda target: cases(
            target, relative=(0.5, 0.25), tensors=(1, 2), shapes=((2, 3), (5,), (2, 3, 4)), layouts=LAYOUTS[1:]
        ),
        examples=5,
    ),
    _check(
        name="mixed_dtypes",
        clauses=(3,),
        title="Gradients of different dtypes share the one norm, and each keeps its dtype.",
        judge=same_gradients,
        search=lambda target: cases(target, relative=(0.5, 0.25), tensors=(2, 4)),
        at=MIXED,
        examples=5,
    ),
    _check(
        name="missing_gradients",
        clauses=(4,),
        title="Parameters without a gradient do not count in the norm and stay without one.",
        judge=same_gradients,
        edges=lambda target: [Case((None, None), 1.0), build(target, shapes=((3,), (2,)), missing={0})],
        search=lambda target: cases(target, tensors=(2, 3), missing=True),
    ),
    _check(
        name="reported_norm",
        clauses=(5,),
        title="The reported norm is the one before clipping.",
        judge=same_norm,
        search=lambda target: cases(target, relative=(0.5, 0.25, 2.0)),
    ),
    _check(
        name="not_finite",
        clauses=(6,),
        title="An infinite or NaN gradient is not hidden.",
        judge=not_hidden,
        edges=_infinite,
    ),
]
