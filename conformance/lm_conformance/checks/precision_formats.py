"""Checks of the formats of 16 bits: every number that can be asked for is the page's, bit for bit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lm_conformance import guard
from lm_conformance.cases import formats
from lm_conformance.cases.tensors import copy
from lm_conformance.check import ANY, Check
from lm_conformance.errors import TrainerError
from lm_conformance.exact import Answer, compared, explained

if TYPE_CHECKING:
    from lm_conformance.cases.formats import Case
    from lm_conformance.check import Outcome, Target


def answers(target: Target, case: Case) -> list[Answer]:
    """The numbers that the trainer makes of a case.

    Raises:
        TrainerError: it raised, or returned something else than numbers of the format.

    """
    name, dtype = target.offer.method.__name__, getattr(torch, formats.name_of(target))
    casts = guard.call(name, target.offer.method, timeout=target.timeout)
    for method in ("cast", "add"):
        if not hasattr(casts, method):
            raise TrainerError(f"{name} returned {type(casts).__name__}, which has no {method}()")
    if case.others is None:
        what, given, method = case.what, case.values, "cast"
        result = guard.call("cast()", casts.cast, copy(case.values), timeout=target.timeout)
    else:
        what, given, method = f"added to {case.what}", case.others, "add"
        result = guard.call("add()", casts.add, copy(case.values), copy(case.others), timeout=target.timeout)
    found = guard.tensors(f"{method}()", [result], [torch.empty(given.shape, dtype=dtype)])
    return [Answer(what, found[0], given)]


def same_numbers(check: Check, target: Target, case: Case) -> Outcome:
    """The numbers are the page's, bit for bit; a NaN may have any bits of a NaN."""
    return compared(check, target, case, answers)


def _every(target: Target) -> list[Case]:
    numbers = formats.every_number(formats.name_of(target)).float()
    return formats.chunks("every number of the format", formats.asked(target, numbers))


def _checks(page: str) -> list[Check]:
    check: Any = partial(Check, page, judge=same_numbers, at=ANY, explain=explained(answers))
    return [
        check(
            name="numbers",
            clauses=(1, 2),
            title="Every number of the format keeps its bits.",
            edges=_every,
        ),
        check(
            name="nearest",
            clauses=(3,),
            title="Below the midpoint of two normal numbers the lower, above it the upper, on it the even one.",
            edges=lambda target: formats.turning(
                target, lambda size: size >= formats.smallest_normal(target), "midpoints and their neighbours"
            ),
        ),
        check(
            name="underflow",
            clauses=(2, 4),
            title="Around every midpoint of two subnormal numbers, and around half of the smallest.",
            edges=lambda target: formats.turning(
                target, lambda size: size < formats.smallest_normal(target), "subnormal midpoints and their neighbours"
            ),
        ),
        check(
            name="overflow",
            clauses=(5,),
            title="The largest number, the first that is infinite, and all powers of two beyond.",
            edges=formats.limits,
        ),
        check(
            name="not_numbers",
            clauses=(6,),
            title="NaNs of any bits stay NaN, infinities and zeros stay what they are, with their signs.",
            edges=lambda target: [*formats.not_numbers(), *formats.signs(target)],
        ),
        check(
            name="any_bits",
            clauses=(1, 2, 3, 4, 5, 6),
            title="Any float32 number becomes the page's number.",
            search=formats.random_bits,
            examples=8,
        ),
        check(
            name="sums",
            clauses=(7,),
            title="1 + u and 1 - u for every u around the stagnation bound, and sums of any two numbers.",
            edges=formats.around_one,
            search=formats.random_pairs,
            examples=8,
        ),
        check(
            name="layouts",
            clauses=(8,),
            title="Tensors of any size and layout are rounded like single numbers.",
            edges=formats.sized,
        ),
    ]


CHECKS = [*_checks("precision.float16"), *_checks("precision.bfloat16")]
