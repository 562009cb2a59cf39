"""Checks of master weights: copies are the masters, rounded, bit for bit; masters take Adam's updates in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from lm_reference.page import pages
from lm_reference.rounding import Rounded, evaluation
from torch import Tensor

from lm_conformance import exact, guard, judge
from lm_conformance import optimizer_runs as runs
from lm_conformance.cases import master_weights as cases
from lm_conformance.cases import optimizers
from lm_conformance.check import ANY, Check, NotOffered, Outcome, Target
from lm_conformance.compare import K, distance
from lm_conformance.errors import TrainerError
from lm_conformance.trainer import Offer, Precision, Resumable, Trainer

if TYPE_CHECKING:
    from types import ModuleType

    from lm_reference.page import Variant
    from lm_reference.rounding import Array

    from lm_conformance.cases.master_weights import Case

PAGE = "precision.master_weights"
ADAM = "optimizers.adam"
SHORT = 20  # updates of a run that is looked at after each


@dataclass(frozen=True)
class Snapshot:
    """What an optimizer holds before its first update, or after one."""

    scale: float  # of the next update
    masters: list[Tensor]
    copies: list[Tensor]
    state: list[Tensor]


def opened(target: Target, case: Case) -> Any:
    """The trainer's optimizer for a case.

    Raises:
        TrainerError: it raised, or returned something else.

    """
    name = target.offer.method.__name__
    weights = [weight.clone() for weight in case.weights]
    session = guard.call(name, target.offer.method, weights, dtype=case.dtype, timeout=target.timeout, **case.settings)
    for method in ("scale", "step", "masters", "copies", "state"):
        if not hasattr(session, method):
            raise TrainerError(f"{name} returned {type(session).__name__}, which has no {method}()")
    return session


def scale_of(target: Target, session: Any) -> float:
    """The loss scale of the next update."""
    return guard.number("scale()", guard.call("scale()", session.scale, torch.tensor(1.0), timeout=target.timeout))


def snapshot(target: Target, session: Any, case: Case) -> Snapshot:
    """What the optimizer holds now, in memory of its own."""
    call = partial(guard.call, timeout=target.timeout)
    found = {}
    for name, dtype in (("masters()", torch.float32), ("copies()", getattr(torch, case.dtype))):
        like: list[Tensor | None] = [weight.to(dtype) for weight in case.weights]
        results = guard.tensors(name, call(name, getattr(session, name[:-2])), like)
        found[name] = [result.clone() for result in results if result is not None]
    state = [guard.as_tensor("state()", part).clone() for part in call("state()", session.state)]
    return Snapshot(scale_of(target, session), found["masters()"], found["copies()"], state)


def snapshots(target: Target, case: Case) -> list[Snapshot]:
    """What the optimizer holds before the first update and after each.

    Raises:
        NotOffered: it cannot be saved, but the case says so.

    """
    session = opened(target, case)
    found = [snapshot(target, session, case)]
    for number, gradients in enumerate(case.gradients, start=1):
        scaled = [(g * found[-1].scale).to(getattr(torch, case.dtype)) for g in gradients]
        guard.call("step()", session.step, scaled, timeout=target.timeout)
        if number == case.resume:
            if not isinstance(session, Resumable):
                raise NotOffered("its optimizer has no save() and load()")
            saved = guard.call("save()", session.save, timeout=target.timeout)
            session = opened(target, case)
            guard.call("load()", session.load, saved, timeout=target.timeout)
        if number in case.watched or len(case.gradients) <= SHORT:
            found.append(snapshot(target, session, case))
        else:
            found.append(replace(found[-1], scale=scale_of(target, session)))
    return found


def rounded(target: Target, case: Case, weights: Sequence[Tensor]) -> list[Tensor]:
    """Float32 tensors in the format of the copies, under the forks that the trainer declares for it."""
    page = pages()[f"precision.{case.dtype}"]
    module: Any = page.module(*page.sides(exact.declared(target.offer.trainer, page.id)))
    return [module.cast(weight.double()).to(getattr(torch, case.dtype)) for weight in weights]


def first_masters(target: Target, case: Case) -> list[Tensor]:
    """The weights, or roundings of them, as declared."""
    if target.offer.forks["start"] == "given":
        return list(case.weights)
    return [weight.float() for weight in rounded(target, case, case.weights)]


def adam(target: Target) -> ModuleType:
    """The page of Adam under the forks that the trainer declares for it."""
    return pages()[ADAM].module(*pages()[ADAM].sides(exact.declared(target.offer.trainer, ADAM)))


def by_page(target: Target, *variants: Variant) -> Target:
    """The page as the trainer, with the trainer's Adam."""
    return exact.by_page(target, *variants, adam=adam(target))


def _first(one: Sequence[Tensor], other: Sequence[Tensor], what: str) -> str | None:
    """The first difference in bits between what there is and what there should be."""
    if len(one) != len(other):
        return f"{what}s are {len(one)}, expected {len(other)}"
    obtained, wanted = ([exact.Answer(f"{what} {i}", tensor) for i, tensor in enumerate(side)] for side in (one, other))
    return exact.difference(obtained, wanted, exact.same_numbers)


Problem = Callable[[Target, "Case", list[Snapshot]], str | None]  # what is wrong with a run, or nothing


def starts_right(target: Target, case: Case, run: list[Snapshot]) -> str | None:
    """The masters are the weights, or roundings of them, as declared."""
    found = _first(run[0].masters, first_masters(target, case), "master")
    return found and f"before the first update {found}"


def copies_are_roundings(target: Target, case: Case, run: list[Snapshot]) -> str | None:
    """After every update the copies are the optimizer's own masters, rounded."""
    for number, now in enumerate(run):
        found = _first(now.copies, rounded(target, case, now.masters), "the copy of master")
        if found:
            return f"{f'after update {number}' if number else 'before the first update'} {found}"
    return None


def skips_are_no_updates(target: Target, case: Case, run: list[Snapshot]) -> str | None:  # noqa: ARG001
    """A skipped update leaves every bit."""
    for number in case.skipped:
        before, after = run[number - 1], run[number]
        for what in ("masters", "copies", "state"):
            name = "part of the state" if what == "state" else what.removesuffix("s").replace("copie", "copy")
            found = _first(getattr(after, what), getattr(before, what), name)
            if found:
                return f"update {number} is to be skipped, but {found}"
    return None


def continues(target: Target, case: Case, run: list[Snapshot]) -> str | None:
    """A run that is saved and continued by another has the bits of the uninterrupted one."""
    whole = snapshots(target, replace(case, resume=None))
    for number, (now, then) in enumerate(zip(run, whole, strict=True)):
        if now.scale != then.scale:
            return f"after update {number} of a continued run the scale is {now.scale:g}, expected {then.scale:g}"
        for what in ("masters", "copies"):
            found = _first(getattr(now, what), getattr(then, what), what.removesuffix("s").replace("copie", "copy"))
            if found:
                return f"after update {number} of a continued run {found}"
    return None


def is_free_of_scale(target: Target, case: Case, run: list[Snapshot]) -> str | None:
    """Another power of two as scale gives the same masters."""
    for scale in (1.0, 64.0):
        other = snapshots(target, replace(case, settings={**case.settings, "initial_scale": scale}))
        for number, (now, then) in enumerate(zip(run, other, strict=True)):
            found = _first(now.masters, then.masters, "master")
            if found:
                own = case.settings["initial_scale"]
                return f"after update {number}, with S = {own:g}, and expected as with S = {scale:g}: {found}"
    return None


def holds(*problems: Problem, updates: bool = False) -> Callable[[Check, Target, Any], Outcome]:
    """A judge of what must hold exactly; with `updates` the masters must also be the page's, within the bounds."""

    def judged(check: Check, target: Target, case: Case) -> Outcome:
        run = snapshots(target, case)
        for problem in problems:
            found = problem(target, case, run)
            if found is not None:
                return judge.broken(found, run)
        outcome = same_masters(check, target, case, run) if updates else Outcome(0.0, conclusive=False)
        if outcome.failure is not None or outcome.conclusive:
            return outcome

        def seen(faulty: Target) -> bool:
            other = snapshots(faulty, case)
            return any(problem(faulty, case, other) is not None for problem in problems)

        return replace(outcome, conclusive=exact.conclusive(check, target, seen, adam=adam(target)))

    return judged


def same_masters(check: Check, target: Target, case: Case, run: list[Snapshot]) -> Outcome:
    """The masters after each watched update are those of Adam's page, within the bounds of float32."""
    outcome = judge.against_page(check, target, case, _arrays(case, run), expected, faulty, _place(case))
    return outcome if outcome.failure is None else replace(outcome, obtained=run)


def _place(case: Case) -> Callable[[judge.Place], str]:
    def place(where: judge.Place) -> str:
        result, index, element = where
        return f"master {index}, element {list(element)} after update {sorted(case.watched)[result]}"

    return place


def _arrays(case: Case, run: Sequence[Snapshot]) -> list[list[Array]]:
    return [[runs.array(master) for master in run[number].masters] for number in sorted(case.watched)]


def expected(
    target: Target, case: Case, *variants: Variant, forms: Sequence[Variant] | None = None
) -> list[list[Rounded]]:
    """Adam's masters after each watched update, with their bounds; asked with forms, those of Adam widen them.

    The scaled gradients are numbers of the format, and the scale is a power of two: what Adam gets is exact.
    """
    assert not variants, "a fault of this page is run, not evaluated"
    inside = _adam_target(target)
    weights = first_masters(target, case)
    made = [number for number in range(1, len(case.gradients) + 1) if number not in case.skipped]
    before = {number: sum(one <= number for one in made) for number in case.watched}  # updates that were made by then
    settings = {name: case.settings[name] for name in ("beta1", "beta2", "eps")}
    rate = case.settings["lr"]
    adam_case = optimizers.Case(
        settings=settings,
        base_rate=rate,
        parameters=weights,
        gradients=[case.gradients[number - 1] for number in made],
        rates=[rate] * len(made),
        watched=frozenset(before.values()) - {0},
    )
    rows = iter(runs.expected(inside, adam_case, forms=() if forms is None else tuple(judge.forms(inside))))
    after = {0: [inside.arithmetic(weight.dtype).tensor(weight) for weight in weights]}
    after |= {count: next(rows) for count in sorted(adam_case.watched)}
    return [after[before[number]] for number in sorted(case.watched)]


def _adam_target(target: Target) -> Target:
    """The trainer's Adam, as a target with float32 parameters."""
    precision = target.offer.trainer.precisions.get("float32", Precision())
    inside = type("Inside", (Trainer,), {"name": target.offer.trainer.name, "precisions": {"float32": precision}})()
    return Target(Offer(inside, ADAM, exact.declared(target.offer.trainer, ADAM), target.offer.method), "float32")


def faulty(target: Target, case: Case, *variants: Variant) -> list[list[Array]]:
    """The masters of a page with other lines in it."""
    try:
        return _arrays(case, snapshots(by_page(target, *variants), case))
    except TrainerError as error:
        raise ValueError(str(error)) from None  # it does not fit this case


def explain(check: Check, target: Target, case: Case, run: Any) -> str | None:
    """The fault, or the other side of a fork, with the same masters within the bounds, and the same copies."""
    with evaluation():
        wanted = expected(target, case, forms=())

    def same(other: Target) -> bool:
        found = snapshots(other, case)
        near = [
            [Rounded(array, bound.error, bound.arithmetic) for array, bound in zip(*row, strict=True)]
            for row in zip(_arrays(case, found), wanted, strict=True)
        ]
        with evaluation():
            far = distance(_arrays(case, run), near).margin > K
        if far:
            return False
        return all(_first(one.copies, two.copies, "") is None for one, two in zip(run, found, strict=True))

    return exact.looks_like(check, target, same, adam=adam(target))


def _each(build: Callable[..., Case | list[Case]], **own: Any) -> Callable[[Target], list[Case]]:
    """A case for each format that the trainer has."""

    def edges(target: Target) -> list[Case]:
        found: list[Case] = []
        for dtype in cases.formats(target):
            built = build(dtype, **own)
            found += built if isinstance(built, list) else [built]
        return found

    return edges


def _overflows(target: Target) -> list[Case]:  # noqa: ARG001 the signature of edges
    """Skipped updates at the start, in the middle, at the end, and two in a row."""
    rows = ((1,), (2,), (5,), (1, 2), (3, 4), (2, 4))
    return [cases.exact("float16", updates=5, skipped=row, seed=seed) for seed, row in enumerate(rows)]


def _scales(target: Target) -> list[Case]:  # noqa: ARG001 the signature of edges
    pairs = [(scale, interval) for scale in (1024.0, 2.0**15) for interval in (1000, 2)]
    return [cases.exact("float16", initial_scale=scale, growth_interval=interval) for scale, interval in pairs]


def _tiny(target: Target) -> list[Case]:  # noqa: ARG001 the signature of edges
    return [cases.tiny("float16")]


def _without_float16(target: Target) -> str | None:
    return None if "float16" in cases.formats(target) else "declared: formats = bfloat16, which has no loss scale"


_check: Any = partial(Check, PAGE, at=ANY, explain=explain)

CHECKS = [
    _check(
        name="start",
        clauses=(1, 2),
        title="Before the first update the masters are the weights, and the copies their roundings.",
        judge=holds(starts_right, copies_are_roundings),
        edges=_each(cases.exact, updates=0, shapes=((1000,), (3, 5))),
    ),
    _check(
        name="copies",
        clauses=(2, 3),
        title="After every update the copies are the masters, rounded to the nearest, bit for bit.",
        judge=holds(copies_are_roundings),
        edges=_each(cases.exact, updates=4, shapes=((257,), (3, 5))),
        search=cases.cases,
        examples=10,
    ),
    _check(
        name="scales",
        clauses=(4,),
        title="Any power of two as loss scale gives the same masters, bit for bit.",
        judge=holds(is_free_of_scale),
        edges=_scales,
        skip=_without_float16,
    ),
    _check(
        name="small_gradients",
        clauses=(4,),
        title="Gradients that only the scale keeps from becoming zero are widened before they are divided.",
        judge=holds(updates=True),
        edges=_tiny,
        skip=_without_float16,
    ),
    _check(
        name="updates",
        clauses=(4, 5),
        title="For any settings, scales and gradients, the masters take Adam's updates in float32.",
        judge=holds(updates=True),
        search=cases.cases,
        examples=24,
    ),
    _check(
        name="small_updates",
        clauses=(6,),
        title="A thousand updates of 10^-5 take 1 to 1.01.",
        judge=holds(updates=True),
        edges=lambda target: [cases.small_updates(cases.formats(target)[0])],
    ),
    _check(
        name="skipped",
        clauses=(7,),
        title="Skipped updates leave every bit, and the next one is Adam's next.",
        judge=holds(skips_are_no_updates, updates=True),
        edges=_overflows,
        search=partial(cases.cases, overflows=True),
        examples=12,
        skip=_without_float16,
    ),
    _check(
        name="resume",
        clauses=(8,),
        title="Save, load and continue gives the bits of the run that was not interrupted.",
        judge=holds(continues),
        edges=_each(cases.exact, updates=4, resume=2, growth_interval=3, skipped=(1,)),
        search=partial(cases.cases, resume=True),
    ),
    _check(
        name="tensors",
        clauses=(9,),
        title="Many tensors of any sizes are updated and copied as if each came alone.",
        judge=holds(copies_are_roundings, updates=True),
        edges=_each(cases.sized),
        search=cases.cases,
    ),
]
