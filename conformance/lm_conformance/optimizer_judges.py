"""How runs of optimizers are judged, and what their checks have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lm_conformance import judge
from lm_conformance import optimizer_runs as runs
from lm_conformance.check import Check, NotOffered, Outcome, Target
from lm_conformance.judge import broken
from lm_conformance.trainer import Resumable

if TYPE_CHECKING:
    from lm_reference.rounding import Array

    from lm_conformance.cases.optimizers import Case


def same_updates(check: Check, target: Target, case: Case) -> Outcome:
    """The parameters after each watched update are the page's."""
    try:
        results = runs.obtained(target, case)
    except runs.Moved as moved:
        return broken(str(moved))
    return judge.against_page(check, target, case, results, runs.expected, runs.faulty)


def same_and_still(check: Check, target: Target, case: Case) -> Outcome:
    """The updates are the page's, and elements at zero that only had gradients of zero are still zero.

    The bounds of a state in 8 bits do not show the second: in them zero is off by half a gap, as all of its block.
    """
    results = runs.obtained(target, case)
    for update, row in zip(sorted(case.watched), results, strict=True):
        for index, (start, after) in enumerate(zip(case.parameters, row, strict=True)):
            silent = np.all([runs.array(gradients[index]) == 0 for gradients in case.gradients[:update]], axis=0)
            moved = np.where((runs.array(start) == 0) & silent, after, 0.0)
            if np.any(moved != 0):
                return broken(
                    f"parameter {index} has an element at zero that only had gradients of zero, "
                    f"but after update {update} it is {moved[moved != 0][0]:.3g}",
                    results,
                )
    return judge.against_page(check, target, case, results, runs.expected, runs.faulty)


def same_after_resume(check: Check, target: Target, case: Case) -> Outcome:
    """A run that is saved, loaded by another optimizer and continued has the bits of the uninterrupted run."""
    session = runs.open_session(target, case)
    if not isinstance(session, Resumable):
        raise NotOffered("its optimizer has no save() and load()")
    whole = runs.obtained(target, case, resumed=False)
    results = runs.obtained(target, case)
    for update, row, continued in zip(sorted(case.watched), whole, results, strict=True):
        for index, (one, other) in enumerate(zip(row, continued, strict=True)):
            if not np.array_equal(one, other, equal_nan=True):
                difference = float(np.max(np.abs(one - other)))
                return broken(
                    f"saved after update {case.resume} and continued, parameter {index} differs by {difference:.3g} "
                    f"after update {update} from the run that was not interrupted, but must be equal bit for bit",
                    results,
                )
    return judge.against_page(check, target, case, results, runs.expected, runs.faulty)


def same_side_by_side(check: Check, target: Target, case: Case) -> Outcome:
    """Two optimizers that take turns do not touch each other's parameters and state."""
    other = replace(case, gradients=tuple(reversed(case.gradients)))
    sessions = [runs.open_session(target, case), runs.open_session(target, other)]
    like = list(case.parameters)
    results: list[list[list[Array]]] = [[], []]
    for update, rate in enumerate(case.rates):
        for which, one in enumerate((case, other)):
            row = runs.take_step(target, sessions[which], one.gradients[update], rate, list(like))
            results[which].append([runs.array(result) for result in row])
    outcomes = [
        judge.against_page(check, target, one, result, runs.expected, runs.faulty)
        for one, result in zip((case, other), results, strict=True)
    ]
    return max(outcomes, key=lambda outcome: outcome.margin)


def explain(check: Check, target: Target, case: Any, results: Any) -> str | None:
    """The fault, or the other side of a fork, that a failure looks like."""
    return judge.looks_like(check, target, case, results, runs.expected)


def side(fork: str, *sides: str) -> Callable[[Target], str | None]:
    """A condition of a check: it applies to trainers that declare one of some sides of a fork."""

    def skip(target: Target) -> str | None:
        declared = target.offer.forks[fork]
        return None if declared in sides else f"declared: {fork} = {declared}"

    return skip


def checks_of(page: str) -> Callable[..., Check]:
    """Checks of one page that compare the parameters after each update, unless they say otherwise."""
    return partial(Check, page, judge=same_updates, explain=explain)
