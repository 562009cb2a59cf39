"""Checks of loss scalers: the scale before every update, and the gradients after it, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from hypothesis import strategies as st
from lm_reference.rounding import Arithmetic, Rounded
from torch import Tensor

from lm_conformance import exact, guard, judge
from lm_conformance.cases import loss_scaling as cases
from lm_conformance.cases.tensors import copy
from lm_conformance.check import ANY, Check, NotOffered, Outcome
from lm_conformance.errors import TrainerError
from lm_conformance.exact import Answer
from lm_conformance.trainer import Precision, Resumable

if TYPE_CHECKING:
    from lm_reference.page import Variant
    from lm_reference.rounding import Array

    from lm_conformance.cases.loss_scaling import Case, Gradients
    from lm_conformance.check import Target

DYNAMIC, STATIC = "precision.loss_scaling", "precision.static_loss_scaling"


def opened(target: Target, case: Case) -> Any:
    """The trainer's scaler for a case.

    Raises:
        TrainerError: it raised, or returned something else.

    """
    name = target.offer.method.__name__
    session = guard.call(name, target.offer.method, timeout=target.timeout, **case.settings)
    for method in ("scale", "step"):
        if not hasattr(session, method):
            raise TrainerError(f"{name} returned {type(session).__name__}, which has no {method}()")
    return session


def scaled(target: Target, session: Any, loss: float) -> float:
    """A loss as the scaler gives it to the backward pass."""
    return guard.number("scale()", guard.call("scale()", session.scale, torch.tensor(loss), timeout=target.timeout))


def unscaled(target: Target, session: Any, gradients: Gradients) -> list[Tensor | None] | None:
    """The gradients that the optimizer gets, or None where it gets none."""
    lent = [None if g is None else copy(g) for g in gradients]
    result = guard.call("step()", session.step, list(lent), timeout=target.timeout)
    guard.unchanged("step()", lent, list(gradients))
    if result is None:
        return None
    found = guard.listed("step()", result, len(gradients))
    present = [i for i, g in enumerate(gradients) if g is not None]
    tensors = guard.tensors("step()", [found[i] for i in present], [gradients[i] for i in present])
    for i, tensor in zip(present, tensors, strict=True):
        found[i] = tensor  # what stands for a missing gradient is judged, not refused
    return found


def answers(target: Target, case: Case) -> list[Answer]:
    """The scaled losses before each update, and what came of its gradients.

    Raises:
        NotOffered: the scaler cannot be saved, but the case says so.

    """
    session = opened(target, case)
    found: list[Answer] = []
    for number, gradients in enumerate(case.updates, start=1):
        found += _update(target, session, case, number, gradients)
        if number == case.resume:
            session = _continued(target, case, session)
    return [*found, *_scales(target, session, case, len(case.updates) + 1)]


def _scales(target: Target, session: Any, case: Case, number: int) -> list[Answer]:
    return [
        Answer(f"{'the scale' if loss == 1 else f'the loss {loss:g}, scaled'} before update {number}", value)
        for loss in case.losses
        for value in [scaled(target, session, loss)]
    ]


def _update(target: Target, session: Any, case: Case, number: int, gradients: Gradients) -> list[Answer]:
    before = _scales(target, session, case, number)
    result = unscaled(target, session, gradients)
    if result is None:
        return [*before, Answer(f"update {number}", "skipped")]
    made = [
        Answer(f"gradient {i} of update {number}", "missing" if g is None else "there" if like is None else g)
        for i, (g, like) in enumerate(zip(result, gradients, strict=True))
    ]
    return [*before, Answer(f"update {number}", "made"), *made]


def _continued(target: Target, case: Case, session: Any) -> Any:
    if not isinstance(session, Resumable):
        raise NotOffered("its scaler has no save() and load()")
    saved = guard.call("save()", session.save, timeout=target.timeout)
    another = opened(target, case)
    guard.call("load()", another.load, saved, timeout=target.timeout)
    return another


def _flushes(target: Target) -> bool:
    return target.offer.trainer.precisions.get("float32", Precision()).flush


def _same(target: Target) -> exact.Same:
    return partial(exact.same_numbers, flush=_flushes(target))


def same_answers(check: Check, target: Target, case: Case) -> Outcome:
    """The scales and the gradients are the page's."""
    return exact.compared(check, target, case, answers, _same(target))


def turns(target: Target, case: Case) -> list[Answer]:
    """The answers of a scaler that takes turns with another, of which the updates come in the other order."""
    other = replace(case, updates=tuple(reversed(case.updates)))
    sessions = [opened(target, one) for one in (case, other)]
    found: list[Answer] = []
    for number in range(1, len(case.updates) + 1):
        for session, one in zip(sessions, (case, other), strict=True):
            found += _update(target, session, one, number, one.updates[number - 1])
    return found


def same_side_by_side(check: Check, target: Target, case: Case) -> Outcome:
    """Two scalers that take turns do not touch each other's scale and counts."""
    return exact.compared(check, target, case, turns, _same(target))


def within_bounds(check: Check, target: Target, case: Case) -> Outcome:
    """With a scale that is no power of two, the gradients are the page's within the rounding of one division."""
    obtained, wanted = answers(target, case), answers(exact.by_page(target), case)
    words = exact.difference(_words(obtained), _words(wanted))
    if words is not None:
        return judge.broken(words)
    found = [[one.value.double().numpy()] for one in obtained if isinstance(one.value, Tensor)]
    return judge.against_page(check, target, case, found, _expected, _faulty)


def _words(answers: Sequence[Answer]) -> list[Answer]:
    return [answer for answer in answers if not isinstance(answer.value, Tensor)]


def _divided(target: Target, case: Case, variants: Sequence[Variant], lift: Callable[[Any], Any]) -> list[list[Any]]:
    """The quotients, by the page's scales, which are exact numbers of float32."""
    page: Any = target.page.module(*target.page.sides(target.offer.forks), *variants)
    scales, made = _trace(target, case)
    return [
        [page.unscaled(lift(g), lift(scale))]
        for gradients, scale, was_made in zip(case.updates, scales, made, strict=False)
        for g in gradients
        if was_made and g is not None
    ]


def _trace(target: Target, case: Case) -> tuple[list[float], list[bool]]:
    """The page's scale before each update and after the last, and which updates it makes."""
    page = exact.by_page(target)
    session = opened(page, case)
    scales, made = [scaled(page, session, 1.0)], []
    for gradients in case.updates:
        made.append(unscaled(page, session, gradients) is not None)
        scales.append(scaled(page, session, 1.0))
    return scales, made


def _expected(target: Target, case: Case, *variants: Variant, forms: Sequence[Variant] = ()) -> list[list[Rounded]]:
    precision = target.offer.trainer.precisions.get("float32", Precision())
    arithmetic = Arithmetic(precision.compute or "float32", target.offer.trainer.scalars, precision.flush)

    def lift(value: Any) -> Rounded:
        return arithmetic.tensor(value) if isinstance(value, Tensor) else arithmetic.scalar(value)

    wanted = _divided(target, case, variants, lift)
    for form in forms:
        others = _divided(target, case, (*variants, form), lift)
        wanted = [
            [Rounded(one.value, one.error + other.error, arithmetic)]
            for (one,), (other,) in zip(wanted, others, strict=True)
        ]
    return wanted


def _faulty(target: Target, case: Case, *variants: Variant) -> list[list[Array]]:
    found = _divided(target, case, variants, lambda value: torch.as_tensor(value).double())
    return [[array.numpy() for array in row] for row in found]


def stays_above_zero(check: Check, target: Target, case: Case) -> Outcome:  # noqa: ARG001 the signature of judges
    """The scale stays above zero under overflows that do not end, or training ends with an error."""
    wanted, _ = _trace(target, case)
    session = opened(target, case)
    for number, gradients in enumerate(case.updates, start=1):
        scale = scaled(target, session, 1.0)
        if not scale > 0:
            return judge.broken(f"after {number - 1} skipped updates in a row the scale is {scale:g}, must be above 0")
        if target.offer.forks["floor"] == "given" and scale != wanted[number - 1]:
            return judge.broken(
                f"the scale before update {number} is {scale:g}, expected {wanted[number - 1]:g}: "
                f"the floor is {case.settings['floor']:g}"
            )
        try:
            unscaled(target, session, gradients)
        except TrainerError:
            if wanted[number] < scale:
                raise  # it could have shrunk
            break
    return Outcome(0.0, conclusive=True)


def refuses(check: Check, target: Target, case: Case) -> Outcome:  # noqa: ARG001 the signature of judges
    """A gradient that is not finite ends with an error, as declared."""
    session = opened(target, case)
    scaled(target, session, 1.0)
    try:
        unscaled(target, session, case.updates[0])
    except TrainerError:
        return Outcome(0.0, conclusive=True)
    return judge.broken("declared: nonfinite = raised, but nothing was raised")


def skips_as_declared(check: Check, target: Target, case: Case) -> Outcome:
    """A gradient that is not finite is skipped, passed on or refused, as declared."""
    how = refuses if target.offer.forks["nonfinite"] == "raised" else same_answers
    return how(check, target, case)


def _explain(ask: exact.Ask) -> Callable[[Check, Target, Any, Any], str | None]:
    def explain(check: Check, target: Target, case: Case, obtained: Any) -> str | None:
        return exact.explained(ask, _same(target))(check, target, case, obtained)

    return explain


def _undeclared(fork: str, *sides: str) -> Callable[[Target], str | None]:
    """A check does not apply to trainers that declare one of some sides."""

    def skip(target: Target) -> str | None:
        declared = target.offer.forks[fork]
        return f"declared: {fork} = {declared}" if declared in sides else None

    return skip


def _common(page: str, *, unscaling: int, detection: int, missing: int) -> list[Check]:
    """What both scalers have in common."""
    check: Any = partial(Check, page, judge=same_answers, at=ANY, explain=_explain(answers))
    return [
        check(
            name="scaled_loss",
            clauses=(1,),
            title="A loss of any sign and size is multiplied by the scale, as often as it is asked.",
            edges=cases.losses,
        ),
        check(
            name="powers_of_two",
            clauses=(unscaling,),
            title="Divided by a power of two, gradients of every magnitude are exact; what is subnormal is rounded.",
            edges=cases.magnitudes,
        ),
        check(
            name="finite",
            clauses=(detection,),
            title="Finite gradients are no reason to skip: huge ones, zeros, and tensors without elements.",
            edges=cases.finite,
        ),
        check(
            name="not_finite",
            clauses=(detection,),
            title="One infinity or NaN is found in any tensor, at any place, in any layout.",
            edges=cases.spots,
            judge=same_answers if page == DYNAMIC else skips_as_declared,
        ),
        check(
            name="missing",
            clauses=(missing,),
            title="Parameters without a gradient stay without one, beside good and bad ones.",
            edges=cases.missing,
            skip=_undeclared("missing", "refused"),
        ),
    ]


def _dynamic() -> list[Check]:
    check: Any = partial(Check, DYNAMIC, judge=same_answers, at=ANY, explain=_explain(answers))
    return [
        *_common(DYNAMIC, unscaling=2, detection=3, missing=12),
        check(
            name="any_scale",
            clauses=(2,),
            title="Divided by a scale that is no power of two, gradients are right within one rounding.",
            search=lambda target: cases.runs(target, exact=False),
            judge=within_bounds,
            explain=lambda check, target, case, results: judge.looks_like(check, target, case, results, _expected),
        ),
        check(
            name="below_one",
            clauses=(3,),
            title="Where the division overflows, the update is made or skipped as declared.",
            edges=cases.below_one,
            skip=_undeclared("detection", "sums"),
        ),
        check(
            name="phases",
            clauses=(4, 5, 6, 7),
            title="One skipped update, or two, at every place of an interval.",
            edges=cases.phases,
        ),
        check(
            name="growth",
            clauses=(6, 7),
            title="Without overflows the scale grows as often as it should, after 1 to 300 updates.",
            edges=cases.growing,
        ),
        check(
            name="any_run",
            clauses=(1, 2, 3, 4, 5, 6, 7),
            title="Any order of good and skipped updates, with any interval and factors.",
            search=cases.runs,
            examples=40,
        ),
        check(
            name="not_infinite",
            clauses=(8,),
            title="At the end of float32 the scale stays finite.",
            edges=_ceilings,
        ),
        check(
            name="above_zero",
            clauses=(9,),
            title="Under overflows that do not end the scale stays above zero, or training ends with an error.",
            edges=_floors,
            judge=stays_above_zero,
            explain=None,
        ),
        check(
            name="hysteresis",
            clauses=(10,),
            title="The scale shrinks after as many skipped updates as it should, and not before.",
            edges=lambda target: [
                cases.run(target, pattern, hysteresis=h, growth_interval=3)
                for h in (1, 2, 3)
                for pattern in ("i.i.i..", "ii.ii...i", "i.....i.", "iiii...iiii", "i..i..i...ii")
            ],
            search=lambda target: cases.runs(target, hysteresis=(2, 3, 1)),
            examples=20,
            skip=_undeclared("hysteresis", "none"),
        ),
        check(
            name="resume",
            clauses=(11,),
            title="Saved at any place of an interval, and continued by another, the run is the same.",
            edges=partial(cases.phases, resume=True),
            search=_resumed,
            examples=12,
        ),
        check(
            name="two_scalers",
            clauses=(11,),
            title="Two scalers that take turns share nothing.",
            judge=same_side_by_side,
            explain=_explain(turns),
            search=cases.runs,
            examples=6,
        ),
    ]


def _resumed(target: Target) -> st.SearchStrategy[Case]:
    waits: dict[str, Any] = {} if target.offer.forks["hysteresis"] == "none" else {"hysteresis": (2, 1, 3)}
    return cases.runs(target, resume=True, **waits)


def _ceilings(target: Target) -> list[Case]:
    start = 2.0**22 if target.offer.forks["ceiling"] == "two_to_24" else 2.0**125
    zeros: Iterable[Gradients] = [(torch.zeros(2),)] * 5
    return [
        cases.Case(
            cases.settings(target, initial_scale=start, growth_interval=1, growth_factor=a, backoff_factor=b), [*zeros]
        )
        for a, b in cases.factors(target, exact=True)
    ]


def _floors(target: Target) -> list[Case]:
    own: dict[str, Any] = {"initial_scale": 2.0**-100}
    if target.offer.forks["floor"] == "given":
        own |= {"initial_scale": 2.0**4, "floor": 1.0}
    return [cases.run(target, "i" * 60, **own)]


def _static() -> list[Check]:
    check: Any = partial(Check, STATIC, judge=same_answers, at=ANY, explain=_explain(answers))
    return [
        *_common(STATIC, unscaling=2, detection=4, missing=5),
        check(
            name="any_scale",
            clauses=(2,),
            title="Divided by a scale that is no power of two, gradients are right within one rounding.",
            search=lambda target: st.sampled_from((100.0, 3.0, 1000.0)).map(
                lambda scale: cases.run(target, "..", initial_scale=scale, shapes=((65,),))
            ),
            judge=within_bounds,
            explain=lambda check, target, case, results: judge.looks_like(check, target, case, results, _expected),
            examples=3,
        ),
        check(
            name="constant",
            clauses=(3,),
            title="Neither 2,000 good updates nor one that is not finite change the scale.",
            edges=lambda target: [cases.run(target, _long(target), shapes=((1,),), initial_scale=1024.0)],
        ),
    ]


def _long(target: Target) -> str:
    """A run with an overflow, if the trainer does not end at one."""
    return "." * 2001 if target.offer.forks["nonfinite"] == "raised" else "..i." + "." * 2001


CHECKS = [*_dynamic(), *_static()]
