"""What a check is, what it is asked about, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lm_reference.page import Page, pages
from lm_reference.rounding import Arithmetic

from lm_conformance.trainer import Offer, Precision

if TYPE_CHECKING:
    import torch
    from hypothesis.strategies import SearchStrategy

MIXED = "mixed"  # in the place of a dtype: parameters of all the dtypes that a trainer takes, in one call
ANY = "any"  # in the place of a dtype: asked once, because no parameters are handed over


@dataclass(frozen=True)
class Target:
    """One trainer's offer of one page, at parameters of one dtype: what a check is asked about."""

    offer: Offer
    dtype: str  # a format, MIXED or ANY
    timeout: float = 30.0  # seconds that one call of the trainer may take
    seed: int = 0  # of the run, for checks that draw samples

    @property
    def page(self) -> Page:
        """The page that is offered."""
        return pages()[self.offer.page]

    @cached_property
    def formats(self) -> tuple[str, ...]:
        """The names of the dtypes of parameters."""
        if self.dtype == ANY:
            return ()
        return tuple(self.offer.trainer.precisions) if self.dtype == MIXED else (self.dtype,)

    @cached_property
    def dtypes(self) -> tuple[torch.dtype, ...]:
        """The dtypes of parameters; cases take them in turn."""
        import torch

        return tuple(getattr(torch, name) for name in self.formats)

    @property
    def narrowest(self) -> str:
        """The format that limits magnitudes."""
        return next(name for name in ("float16", "bfloat16", "float32", "float64") if name in self.formats)

    @property
    def scalars(self) -> Arithmetic:
        """The arithmetic of numbers that belong to no tensor, such as learning rates."""
        return Arithmetic(self.offer.trainer.scalars, self.offer.trainer.scalars)

    def precision(self, dtype: torch.dtype) -> Precision:
        """How the trainer rounds parameters of `dtype`."""
        return self.offer.trainer.precisions[str(dtype).removeprefix("torch.")]

    def arithmetic(self, dtype: torch.dtype) -> Arithmetic:
        """The arithmetic of the trainer for parameters of `dtype`, for the bounds."""
        precision, own = self.precision(dtype), str(dtype).removeprefix("torch.")
        return Arithmetic(precision.compute or own, precision.scalars or own, precision.flush)


class NotOffered(Exception):  # noqa: N818 the trainer owes nothing here
    """The trainer lacks what a check needs, such as `save` and `load`: the row is skipped, with this reason."""


class Case(Protocol):
    """An input of a check."""

    def describe(self) -> list[str]:
        """The input in words, a line for each part."""


@dataclass(frozen=True)
class Statistic:
    """One test of a hypothesis: what a trainer drew follows the page's law."""

    test: str  # what was asked, of which sample
    draws: int
    p: float  # the probability of a sample as unlikely as this one, or less likely
    level: float  # the hypothesis is rejected where p is below
    detects: str  # the smallest effect that is promised to be seen, and with what power


@dataclass(frozen=True)
class Picture:
    """A curve of the trainer beside the page's, for a reader who would rather look."""

    across: str  # what x is
    up: str  # what the curves are
    x: tuple[float, ...]
    expected: tuple[float, ...]
    obtained: tuple[float, ...]


@dataclass(frozen=True)
class Outcome:
    """What one case showed.

    `margin` is the largest distance in units of the bound; infinite where something exact is broken. A case is
    `conclusive` where a known fault of the check's clauses would have been seen.
    """

    margin: float
    conclusive: bool
    failure: str | None = None  # one line: what is wrong
    details: tuple[str, ...] = ()  # expected, obtained, where
    obtained: Any = field(default=None, repr=False, compare=False)  # the results, to compare with faults
    statistics: tuple[Statistic, ...] = ()
    picture: Picture | None = None  # of a failure


@dataclass(frozen=True)
class Check:
    """A property that must hold between a trainer and a page."""

    page: str
    name: str
    clauses: tuple[int, ...]
    title: str  # the property, as a sentence
    judge: Callable[[Check, Target, Any], Outcome]
    search: Callable[[Target], SearchStrategy[Any]] | None = None
    edges: Callable[[Target], Iterable[Any]] = lambda target: ()  # noqa: ARG005 cases that are always tried
    examples: int = 8  # of the search
    at: str = ""  # MIXED or ANY: asked once, at this, instead of once for each dtype
    slow: bool = False  # the selftest asks it only of what survives the others
    skip: Callable[[Target], str | None] = lambda target: None  # noqa: ARG005 why it does not apply
    explain: Callable[[Check, Target, Any, Any], str | None] | None = None  # the fault that a failure looks like

    @property
    def id(self) -> str:
        """The name of the check everywhere: `optimizers.adam/epsilon`."""
        return f"{self.page}/{self.name}"

    @property
    def level(self) -> str:
        """MUST, if one of its clauses is."""
        levels = {pages()[self.page].clauses[number].level for number in self.clauses}
        return next(level for level in ("MUST", "SHOULD", "MAY") if level in levels)


@cache
def checks() -> tuple[Check, ...]:
    """All checks, page by page in alphabetical order, each page's in the order in which they are written."""
    folder = Path(__file__).parent / "checks"
    found: list[Check] = []
    for path in sorted(folder.glob("*.py")):
        if path.stem != "__init__":
            found += import_module(f"lm_conformance.checks.{path.stem}").CHECKS
    return tuple(sorted(found, key=lambda check: check.page))
