"""Runs of schedules: asked of the trainer, of the page with bounds, and of a page with other lines in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lm_reference.rounding import Rounded

from lm_conformance import guard
from lm_conformance.cases.schedules import STEPS, Case, end
from lm_conformance.check import NotOffered, Picture
from lm_conformance.errors import TrainerError

if TYPE_CHECKING:
    from lm_reference.page import Variant
    from lm_reference.rounding import Array

    from lm_conformance.check import Target


def open_schedule(target: Target, settings: Mapping[str, float]) -> Any:
    """The trainer's schedule for some settings.

    Raises:
        TrainerError: it raised, or returned nothing that is a schedule.

    """
    method = target.offer.method
    session = guard.call(method.__name__, method, timeout=target.timeout, **settings)
    if not hasattr(session, "rate") and not hasattr(session, "step"):
        raise TrainerError(f"{method.__name__} returned {type(session).__name__}, which has neither rate() nor step()")
    return session


def obtained(target: Target, case: Case, *, followed: bool = False) -> Array:
    """The trainer's rates at the points of a case.

    A schedule that has `rate` is asked in the order of the points, unless it must be `followed` from update to update.

    Raises:
        TrainerError: it raised, or returned something else than numbers.
        NotOffered: it cannot be followed.

    """
    session = open_schedule(target, case.settings)
    if hasattr(session, "rate") and not followed:
        return np.array([ask(target, session, x) for x in case.points])
    rates = follow(target, session, case, max(case.points) + 1)
    return np.array([rates[x] for x in case.points])


def ask(target: Target, session: Any, x: float) -> float:
    """The rate at one point."""
    return guard.number("rate()", guard.call("rate()", session.rate, x, timeout=target.timeout))


def follow(target: Target, session: Any, case: Case, updates: int) -> list[float]:
    """The rates of the first updates, saved and continued by another schedule where the case says so."""
    if not hasattr(session, "step"):
        raise NotOffered("its schedule has no step(): it keeps nothing from update to update")
    rates: list[float] = []
    for update in range(updates):
        if update == case.resume:
            session = continued(target, case, session)
        rates.append(guard.number("step()", guard.call("step()", session.step, timeout=target.timeout)))
    return rates


def continued(target: Target, case: Case, session: Any) -> Any:
    """Another schedule that continues from what this one saves."""
    if not hasattr(session, "save") or not hasattr(session, "load"):
        raise NotOffered("its schedule has no save() and load()")
    saved = guard.call("save()", session.save, timeout=target.timeout)
    another = open_schedule(target, case.settings)
    guard.call("load()", another.load, saved, timeout=target.timeout)
    return another


def has_random_access(target: Target, settings: Mapping[str, float]) -> bool:
    """Whether the trainer's schedule can be asked at any point; one that cannot be opened will be found out later."""
    try:
        return hasattr(open_schedule(target, settings), "rate")
    except TrainerError:
        return True


def expected(
    target: Target, case: Case, *variants: Variant, forms: Sequence[Variant] = (), followed: bool = False
) -> list[list[Rounded]]:
    """The page's rates, with their bounds, to which the largest of `forms` are added.

    A schedule that is followed may compute each rate from the one before it, and gather a rounding at every update: its
    bound is that of one rate for each update that it made.
    """
    numbers = target.scalars.scalar

    def rates(*lines: Variant) -> list[Any]:
        page = target.page.module(*target.page.sides(target.offer.forks), *lines)
        settings = {name: numbers(value) for name, value in case.settings.items()}
        return [page.rate(numbers(float(x)), **settings) for x in case.points]

    own = rates(*variants)
    others = [rates(*variants, form) for form in forms]
    steps = [x + 1 for x in case.points] if followed else [1] * len(case.points)
    errors = [
        (rate.error + sum(other[i].error for other in others)) * steps[i] if isinstance(rate, Rounded) else 0.0
        for i, rate in enumerate(own)
    ]
    values = [rate.value if isinstance(rate, Rounded) else float(rate) for rate in own]
    return [[Rounded(np.array(values, dtype=float), np.array(errors, dtype=float), target.scalars)]]


def faulty(target: Target, case: Case, *variants: Variant) -> list[list[Array]]:
    """The rates of a page with other lines, in float64 and without bounds."""
    page = target.page.module(*target.page.sides(target.offer.forks), *variants)
    settings = {name: number(value) for name, value in case.settings.items()}
    return [[np.array([float(page.rate(number(x), **settings)) for x in case.points])]]


def faulty_batches(target: Target, case: Case, *variants: Variant) -> list[list[Array]]:
    """As many batches of a page with other lines, each at the tokens that this page has counted by then."""
    page = target.page.module(*target.page.sides(target.offer.forks), *variants)
    settings = {name: number(value) for name, value in case.settings.items()}
    n, sizes = number(0), []
    for _ in case.points:
        sizes.append(page.rate(n, **settings))
        n = page.consumed(n, sizes[-1], settings["full"])
    return [[np.array([float(size) for size in sizes])]]


def number(value: float) -> torch.Tensor:
    """A number as the pages take it."""
    return torch.tensor(float(value), dtype=torch.float64)


def picture(target: Target, case: Case) -> Picture | None:
    """The whole curve of the trainer beside the page's; nothing where it cannot be had."""
    last = end(target, case.settings)
    last += last // 4 + 2
    points = tuple(sorted({round(last * i / _ACROSS) for i in range(_ACROSS + 1)}))
    curve = replace(case, points=points, resume=None)
    if last >= STEPS and not has_random_access(target, case.settings):
        return None
    try:
        found = obtained(target, curve)
    except TrainerError:
        return None
    wanted = np.asarray(expected(target, curve)[0][0].value)
    if not (np.isfinite(found).all() and np.isfinite(wanted).all()):
        return None
    up = "tokens in a batch" if target.offer.page == "schedules.batch_ramp" else "learning rate"
    return Picture("x", up, tuple(map(float, points)), tuple(wanted.tolist()), tuple(found.tolist()))


_ACROSS = 120  # points of a picture
