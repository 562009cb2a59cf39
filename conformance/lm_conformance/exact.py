"""What must be equal bit for bit: the answers of a trainer beside those that the page gives as a trainer.

The page's own answers come through the same door, with the same questions: `by_page` is the target with the page in the
place of the trainer, and with a fault in the page it is what a failure is compared with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from lm_reference.page import PageError
from torch import Tensor

from lm_conformance.check import Outcome
from lm_conformance.errors import TrainerError
from lm_conformance.faults import faults_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lm_reference.page import Variant

    from lm_conformance.check import Check, Target
    from lm_conformance.faults import Fault
    from lm_conformance.trainer import Trainer


@dataclass(frozen=True)
class Answer:
    """One thing that came back."""

    what: str  # where it belongs, in words
    value: Any  # a tensor, a number or a word
    given: Tensor | None = None  # what each element of the value was made of, where that says more


Ask = Callable[["Target", Any], list[Answer]]  # a target's answers for a case
Same = Callable[[Tensor, Tensor], Tensor]  # element by element, of what came back and what was wanted


def by_page(target: Target, *variants: Variant, **more: Any) -> Target:
    """The target with the page itself as the trainer, under the target's forks and with other lines in it."""
    page = target.page
    module = page.module(*page.sides(target.offer.forks), *variants)
    area, name = page.id.split(".")
    method: Any = partial(import_module(f"lm_conformance.reference_trainer.{area}").offered(name), module, **more)
    method.__name__ = name
    return replace(target, offer=replace(target.offer, method=method))


def declared(trainer: Trainer, page: str) -> Mapping[str, str]:
    """The sides of forks that a trainer declares for another page than the one in question."""
    found = (offer for offer in trainer.offered() if offer.page == page and offer.problem() is None)
    return next((offer.declared for offer in found), {})


def same_bits(got: Tensor, wanted: Tensor) -> Tensor:
    """Where numbers are the same, NaN and NaN included, and zeros with their signs."""
    return ((got == wanted) & (got.signbit() == wanted.signbit())) | (got.isnan() & wanted.isnan())


def same_numbers(got: Tensor, wanted: Tensor, *, flush: bool = False) -> Tensor:
    """Where numbers are the same, zeros of either sign included; with `flush`, zero stands for any subnormal number."""
    same = (got == wanted) | (got.isnan() & wanted.isnan())
    return same | ((got == 0) & (wanted.abs() < torch.finfo(wanted.dtype).smallest_normal)) if flush else same


def difference(obtained: Sequence[Answer], wanted: Sequence[Answer], same: Same = same_bits) -> str | None:
    """The first difference in words, or nothing."""
    for one, other in zip(obtained, wanted, strict=False):  # after a difference the rest may have another length
        found = _difference(one, other, same)
        if found is not None:
            return found
    return None


def _difference(one: Answer, other: Answer, same: Same) -> str | None:
    if not isinstance(other.value, Tensor) or not isinstance(one.value, Tensor):
        return None if one.value == other.value else f"{one.what} is {_said(one.value)}, expected {_said(other.value)}"
    wrong = ~same(one.value, other.value)
    if not bool(wrong.any()):
        return None
    place = tuple(int(i) for i in wrong.nonzero()[0])
    got, want = (float(answer.value[place]) for answer in (one, other))
    given = "" if one.given is None else f"{_number(float(one.given[place]))} became "
    count = int(wrong.sum())
    more = f", and {count - 1} other elements" if count > 1 else ""
    where = f", element {list(place)}" if place else ""
    return f"{given}{_number(got)}, expected {_number(want)} ({one.what}{where}{more})"


def _said(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    """A number in decimal, and exactly where that is not exact."""
    text = f"{value:.9g}"
    if not math.isfinite(value) or float(text) == value:
        return text
    return f"{text} ({value.hex()})"


def compared(check: Check, target: Target, case: Any, ask: Ask, same: Same = same_bits) -> Outcome:
    """The outcome of comparing a trainer's answers with the page's.

    Raises:
        TrainerError: the trainer raised, or gave something that is no answer.

    """
    obtained, wanted = ask(target, case), ask(by_page(target), case)
    found = difference(obtained, wanted, same)
    if found is None:
        return Outcome(0.0, conclusive(check, target, lambda faulty: differs(faulty, case, ask, wanted, same)))
    return Outcome(math.inf, conclusive=True, failure=found, obtained=obtained)


def differs(faulty: Target, case: Any, ask: Ask, wanted: Sequence[Answer], same: Same) -> bool:
    """Whether a faulty page would have been seen."""
    return difference(ask(faulty, case), wanted, same) is not None


def conclusive(check: Check, target: Target, seen: Callable[[Target], bool], **more: Any) -> bool:
    """Whether some fault of the check's clauses would have been seen; `seen` is asked of pages with a fault in them."""
    for fault in _own(check, target):
        try:
            if seen(by_page(target, fault.variant, **more)):
                _first[check.id] = fault
                return True
        except (PageError, TrainerError):
            continue  # the fault does not fit this case, or these forks
    return False


_first: dict[str, Fault] = {}  # the fault that was seen last, check by check, is the first to be tried


def _own(check: Check, target: Target) -> Iterator[Fault]:
    """The faults of the check's clauses that are faults under the target's forks."""
    forks = target.offer.forks
    found = [
        fault
        for fault in faults_of(check.page)
        if fault.clause in check.clauses and all(forks[name] == side for name, side in fault.forks.items())
    ]
    return iter(sorted(found, key=lambda fault: fault is not _first.get(check.id)))


def looks_like(check: Check, target: Target, same: Callable[[Target], bool], **more: Any) -> str | None:
    """The fault, or the other side of a fork, that answers the same; `same` is asked of pages with other lines."""
    for fault in sorted(faults_of(check.page), key=lambda fault: fault.clause not in check.clauses):
        if _agrees(target, fault.variant, same, more):
            return f"{fault.variant.name} (clause {fault.clause}; {fault.variant.source})"
    for name, fork in target.page.forks.items():
        for side, variant in fork.sides.items():
            if side != target.offer.forks[name] and variant.lines and _agrees(target, variant, same, more):
                return f"the fork {variant.name}, which the trainer does not declare"
    return None


def _agrees(target: Target, variant: Variant, same: Callable[[Target], bool], more: Mapping[str, Any]) -> bool:
    try:
        return same(by_page(target, variant, **more))
    except (PageError, TrainerError):
        return False


def explained(ask: Ask, same: Same = same_bits) -> Callable[[Check, Target, Any, Any], str | None]:
    """What `Check.explain` is for a check that compares answers."""

    def explain(check: Check, target: Target, case: Any, obtained: Any) -> str | None:
        def agrees(other: Target) -> bool:
            answers = ask(other, case)
            return len(answers) == len(obtained) and difference(obtained, answers, same) is None

        return looks_like(check, target, agrees)

    return explain
