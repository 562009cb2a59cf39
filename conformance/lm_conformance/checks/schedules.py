"""Checks of schedules: a new page adds a line to `ROLES`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lm_conformance import judge
from lm_conformance import schedule_runs as runs
from lm_conformance.cases.schedules import Case, cases, end, fixed
from lm_conformance.check import ANY, Check, NotOffered, Outcome
from lm_conformance.judge import broken

if TYPE_CHECKING:
    from hypothesis import strategies as st
    from lm_reference.rounding import Array

    from lm_conformance.cases.schedules import Region
    from lm_conformance.check import Target


@dataclass(frozen=True)
class Role:
    """Which clauses of a page say what the pages of schedules say."""

    example: Mapping[str, float]  # settings with which any trainer can be opened
    decay: tuple[int, ...]
    alone: tuple[int, ...]  # a function of x alone
    first: tuple[int, ...] = ()  # what the first update has
    warm_up: tuple[int, ...] = ()
    no_warm_up: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    counted: tuple[int, ...] = ()  # what a batch is counted as


_RATES = {"peak": 1.0, "floor": 0.0}

ROLES = {
    "schedules.warmup_cosine": Role(
        {**_RATES, "warmup": 4, "horizon": 8},
        decay=(2, 3),
        alone=(7,),
        first=(5,),
        warm_up=(1,),
        no_warm_up=(6,),
        after=(4,),
    ),
    "schedules.warmup_linear": Role(
        {"peak": 1.0, "warmup": 4, "horizon": 8},
        decay=(2,),
        alone=(6,),
        first=(4,),
        warm_up=(1,),
        no_warm_up=(5,),
        after=(3,),
    ),
    "schedules.cosine_restarts": Role({**_RATES, "period": 4, "factor": 1}, decay=(1, 2, 3), alone=(5,), first=(4,)),
    "schedules.inverse_sqrt": Role({"peak": 1.0, "warmup": 4}, decay=(2,), alone=(4,), first=(3,), warm_up=(1,)),
    "schedules.batch_ramp": Role(
        {"first": 1, "full": 4, "ramp": 16, "row": 1}, decay=(1, 3), alone=(5,), after=(2,), counted=(4,)
    ),
}


def same_curve(check: Check, target: Target, case: Case) -> Outcome:
    """The rates at all points are the page's."""
    followed = not runs.has_random_access(target, case.settings)
    return _compared(check, target, case, runs.obtained(target, case), followed=followed)


def same_after_resume(check: Check, target: Target, case: Case) -> Outcome:
    """A schedule that is saved and continued by another has the numbers of the one that was not interrupted."""
    found = runs.obtained(target, case, followed=True)
    whole = runs.obtained(target, replace(case, resume=None), followed=True)
    if target.offer.page != "schedules.batch_ramp":
        outcome = _compared(check, target, case, whole, followed=True)
        if outcome.failure:
            return outcome
    if not np.array_equal(found, whole, equal_nan=True):
        i = int(np.argmax(found != whole))
        return broken(
            f"saved before update {(case.resume or 0) + 1} and continued, the schedule has {found[i]:.9g} "
            f"at x = {case.points[i]}, but {whole[i]:.9g} where it was not interrupted"
        )
    return Outcome(0.0, conclusive=True)


def same_in_any_order(check: Check, target: Target, case: Case) -> Outcome:
    """Whole numbers and floats, earlier and later points, asked once or again: each x has its rate."""
    session = runs.open_schedule(target, case.settings)
    if not hasattr(session, "rate"):
        raise NotOffered("its schedule has no rate(): it can only be followed")
    rates = [runs.ask(target, session, x) for x in case.points]
    again = [runs.ask(target, session, float(x)) for x in case.points]
    for x, one, other in zip(case.points, rates, again, strict=True):
        if one != other:
            return broken(f"at x = {x} the schedule has {one:.9g}, and asked again with {float(x)} it has {other:.9g}")
    return _compared(check, target, case, np.array(rates), followed=False)


def same_side_by_side(check: Check, target: Target, case: Case) -> Outcome:
    """Two schedules that take turns do not touch each other."""
    settings = {
        name: 2 * value if name in {"peak", "floor", "first", "full"} else value
        for name, value in case.settings.items()
    }
    other = replace(case, settings=settings)
    sessions = [runs.open_schedule(target, one.settings) for one in (case, other)]
    if hasattr(sessions[0], "rate"):
        rates = [[runs.ask(target, session, x) for session in sessions] for x in case.points]
    else:
        steps = [
            [runs.follow(target, session, case, 1)[0] for session in sessions] for _ in range(max(case.points) + 1)
        ]
        rates = [steps[x] for x in case.points]
    followed = not hasattr(sessions[0], "rate")
    outcomes = [
        _compared(check, target, one, np.array(found), followed=followed)
        for one, found in zip((case, other), zip(*rates, strict=True), strict=True)
    ]
    return max(outcomes, key=lambda outcome: outcome.margin)


def same_batches(check: Check, target: Target, case: Case) -> Outcome:
    """Followed from batch to batch, each is as large as the tokens of all batches before it make it."""
    session = runs.open_schedule(target, case.settings)
    sizes = runs.follow(target, session, case, _BATCHES)
    before = [int(sum(sizes[:k])) for k in range(len(sizes))]
    asked = replace(case, points=tuple(before))
    return _compared(check, target, asked, np.array(sizes), followed=False, faulty=runs.faulty_batches)


_BATCHES = 24  # that are followed


def _compared(
    check: Check,
    target: Target,
    case: Case,
    found: Any,
    *,
    followed: bool,
    faulty: Callable[..., list[list[Array]]] = runs.faulty,
) -> Outcome:
    outcome = judge.against_page(
        check,
        target,
        case,
        [[found]],
        partial(runs.expected, followed=followed),
        faulty,
        lambda place: f"x = {case.points[place[2][0]]}",
    )
    if outcome.failure is None:
        return outcome
    return replace(outcome, picture=runs.picture(target, case))


def _explain(check: Check, target: Target, case: Case, results: Any) -> str | None:
    return judge.looks_like(check, target, case, results, runs.expected)


def _search(role: Role, region: Region | None = None, **more: Any) -> Callable[[Target], st.SearchStrategy[Case]]:
    def search(target: Target) -> st.SearchStrategy[Case]:
        access = runs.has_random_access(target, role.example)
        return cases(target, *([] if region is None else [region]), random_access=access, **more)

    return search


def _edges(role: Role, target: Target) -> list[Case]:
    found = fixed(target, random_access=runs.has_random_access(target, role.example))
    return [replace(case, points=tuple(_whole(target, case.settings, case.points))) for case in found]


def _rise(target: Target, settings: Mapping[str, float], points: Sequence[int]) -> Iterable[int]:  # noqa: ARG001
    return [x for x in points if x <= settings["warmup"]]


def _fall(target: Target, settings: Mapping[str, float], points: Sequence[int]) -> Iterable[int]:
    return [x for x in _whole(target, settings, points) if x >= settings.get("warmup", 0)]


def _rest(target: Target, settings: Mapping[str, float], points: Sequence[int]) -> Iterable[int]:
    return [x for x in points if x >= end(target, settings)]


def _begin(target: Target, settings: Mapping[str, float], points: Sequence[int]) -> Iterable[int]:  # noqa: ARG001
    return [x for x in (0, 1, 2, 3) if x < end(target, settings)]


def _whole(target: Target, settings: Mapping[str, float], points: Sequence[int]) -> Iterable[int]:
    """All but what comes after the horizon, which has a check of its own: one deviation should make one row red.

    Where a ramp ends, it has ended.
    """
    last = end(target, settings) - (target.offer.page == "schedules.batch_ramp")
    return [x for x in points if x <= last]


# in floating point 7 / (7 / 1500) is below 1500: who also takes the end of the ramp from a division is a row short
_UNEVEN = Case({"first": 1, "full": 1501, "ramp": 7, "row": 1}, (7, 8, 14, 21))


def _checks(page: str, role: Role) -> list[Check]:
    check: Callable[..., Check] = partial(Check, page, judge=same_curve, explain=_explain, at=ANY)
    equations = tuple(sorted({*role.warm_up, *role.decay}))
    found = [
        check(
            name="curve",
            clauses=equations,
            title="The whole curve: both ends of every part, their neighbours, and points between.",
            edges=partial(_edges, role),
            search=_search(role, _whole),
            examples=24,
        ),
        check(
            name="decay" if page != "schedules.batch_ramp" else "ramp",
            clauses=role.decay,
            title="Between its ends the curve has the published form.",
            search=_search(role, _fall),
            examples=12,
        ),
        check(
            name="any_order",
            clauses=role.alone,
            title="The rate is a function of x alone: asked in any order, twice, as whole number or float.",
            judge=same_in_any_order,
            search=_search(role, _whole, shuffled=True),
            examples=6,
        ),
        check(
            name="resume",
            clauses=role.alone,
            title="Saved before any update and continued by another, the schedule goes on as if nothing had happened.",
            judge=same_after_resume,
            search=_search(role, _whole, resume=True),
            examples=10,
        ),
        check(
            name="two_schedules",
            clauses=role.alone,
            title="Two schedules that take turns share nothing.",
            judge=same_side_by_side,
            search=_search(role, _whole),
            examples=4,
        ),
    ]
    if role.first:
        found.append(
            check(
                name="first_update",
                clauses=role.first,
                title="The first updates have the rates of x = 0, 1, 2, 3.",
                search=_search(role, _begin, settings={"warmup": (1, 2)} if page == "schedules.inverse_sqrt" else {}),
            )
        )
    if role.warm_up:
        found.append(
            check(
                name="warm_up",
                clauses=role.warm_up,
                title="The first part of the curve, and the hand-over at its end, are as published.",
                search=_search(role, _rise),
                examples=12,
            )
        )
    if role.no_warm_up:
        found.append(
            check(
                name="no_warm_up",
                clauses=role.no_warm_up,
                title="Without warm-up the first update has the peak, and no rate is NaN.",
                search=_search(role, _begin, settings={"warmup": (0,), "horizon": (8, 1, 1000)}),
            )
        )
    if role.after:
        found.append(
            check(
                name="after_horizon",
                clauses=role.after,
                title="From the horizon on, also at one and a quarter, two and three of it, nothing changes any more.",
                edges=lambda target: [_UNEVEN] if target.offer.page == "schedules.batch_ramp" else [],
                search=_search(role, _rest),
            )
        )
    if role.counted:
        found.append(
            check(
                name="counted",
                clauses=role.counted,
                title="What a batch held is what it is counted as.",
                judge=same_batches,
                search=_search(role),
            )
        )
    return found


CHECKS = [check for page, role in ROLES.items() for check in _checks(page, role)]
