"""How a case is judged: the trainer's results against the page's, and whether a fault would have been seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from lm_reference.page import PageError, Variant
from lm_reference.rounding import Array, Rounded, evaluation

from lm_conformance.check import Check, Outcome, Target
from lm_conformance.compare import K, distance
from lm_conformance.faults import faults_of

if TYPE_CHECKING:
    from lm_conformance.faults import Fault

Expected = Callable[..., list[list[Rounded]]]  # of target, case, variants and forms
Faulty = Callable[..., list[list[Array]]]  # of the same
Place = tuple[int, int, tuple[int, ...]]  # the result, the array in it, the element


def against_page(
    check: Check,
    target: Target,
    case: Any,
    results: Sequence[Sequence[Array]],
    expected: Expected,
    faulty: Faulty,
    place: Callable[[Place], str] | None = None,
) -> Outcome:
    """The outcome of comparing a trainer's results with the page's. `place` says in words where a result belongs.

    Where the page's own bound is exceeded, the bounds of its forms are added. So the margin of most of what passes is
    in units of the page's own bound.
    """
    with evaluation():
        wanted = expected(target, case)
        found = distance(results, wanted)
        if found.margin > K:
            wanted = expected(target, case, forms=tuple(forms(target)))
            found = distance(results, wanted)
        if found.margin <= K:
            return Outcome(found.margin, conclusive(check, target, case, wanted, faulty))
        return Outcome(found.margin, conclusive=True, obtained=results, **_failure(results, wanted, found.place, place))


def broken(reason: str, results: Any = None) -> Outcome:
    """The outcome where something exact is broken."""
    return Outcome(float("inf"), conclusive=True, failure=reason, obtained=results)


def _failure(results: Any, wanted: Any, place: Any, named: Callable[[Place], str] | None) -> dict[str, Any]:
    result, index, element = place
    number = wanted[result][index]
    value, error = float(np.asarray(number.value)[element]), float(np.broadcast_to(number.error, number.shape)[element])
    got = float(np.asarray(results[result][index])[element])
    where = f"array {index}, element {list(element)}" if element else f"array {index}"
    where = where if named is None else named(place)
    margin = abs(got - value) / error if error else float("inf")
    if np.isnan(got):
        reason = f"got NaN, expected {value:.9g}"
    elif np.isinf(margin):
        reason = f"got {got:.9g}, expected exactly {value:.9g}"
    else:
        reason = f"got {got:.9g}, expected {value:.9g} ± {error:.2g}"
    return {
        "failure": f"{reason} ({where}, {margin:.3g} times the bound)"
        if np.isfinite(margin)
        else f"{reason} ({where})",
        "details": (
            f"expected {value:.17g} ± {error:.3g}",
            f"obtained {got:.17g}",
            f"at {where}" if named else f"at result {result + 1}, {where}",
        ),
    }


def forms(target: Target) -> Iterator[Variant]:
    """The forms of lines that no declared fork replaces."""
    replaced = {number for side in target.page.sides(target.offer.forks) for number in side.lines}
    for form in target.page.forms:
        if not replaced & set(form.lines):
            yield form


TRIES = 10  # faults that are tried on one case; a case that shows none of these counts as inconclusive

_killers: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Fault]] = {}  # those that killed last stand in front


def conclusive(check: Check, target: Target, case: Any, wanted: list[list[Rounded]], faulty: Faulty) -> bool:
    """Whether some fault of the check's clauses would have been seen in this case."""
    key = (check.id, target.dtype, tuple(target.offer.forks.items()))
    candidates = _killers.setdefault(key, [f for f in faults_of(check.page) if f.clause in check.clauses])
    for position, fault in enumerate(candidates[:TRIES]):
        try:
            seen = distance(faulty(target, case, fault.variant), wanted).margin > K
        except (ArithmeticError, ValueError, TypeError, RuntimeError):
            continue  # the fault does not fit this case, or these forks
        if seen:
            candidates.insert(0, candidates.pop(position))
            return True
    return False


def looks_like(check: Check, target: Target, case: Any, results: Any, expected: Expected) -> str | None:
    """The fault, or the other side of a fork, that computes what the trainer computed. The check's clauses first."""
    known = sorted(faults_of(check.page), key=lambda fault: fault.clause not in check.clauses)
    declared = target.offer.forks
    others = [
        side
        for name, fork in target.page.forks.items()
        for side_name, side in fork.sides.items()
        if side_name != declared[name] and side.lines
    ]
    with evaluation():
        if _same(target, case, results, expected):
            return None  # what is broken is exact, and smaller than the tolerance, which many a fault would pass
        for fault in known:
            if _same(target, case, results, expected, fault.variant):
                return f"{fault.variant.name} (clause {fault.clause}; {fault.variant.source})"
        for side in others:
            if _same(target, case, results, expected, side):
                return f"the fork {side.name}, which the trainer does not declare"
    return None


def _same(target: Target, case: Any, results: Any, expected: Expected, *variants: Variant) -> bool:
    try:
        found = distance(results, expected(target, case, *variants))
    except (PageError, ArithmeticError, ValueError, TypeError, AttributeError):
        return False  # the variant does not fit this case, or these forks
    return found.margin <= K and found.known == sum(np.size(array) for row in results for array in row)
