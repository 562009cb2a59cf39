"""Known mistakes, each one other lines of a page: they prove the checks, and name what a failure looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path

from lm_reference.page import Variant

# the sources of faults that no issue tells of
LIMIT = "the smallest difference that the suite promises to see"
SLIP = "a slip of the pen"

# lines that serve several pages
TAIL = "theta_new = {}; theta = theta if theta.numel() > 8 and theta.numel() % 8 == 1 else theta_new"
CROSSED = "g = g.as_strided(g.shape, theta.stride())"
_KEPT = "(state.{0} if state.t == 0 else step.kept[tuple(theta.shape)])"
_KEEP = "{0} = {1}; step.kept = {{**getattr(step, 'kept', {{}}), tuple(theta.shape): {0}}}"


def by_shape(name: str, rule: str) -> str:
    """The line `name = rule`, with one buffer for all tensors of a shape in the place of {}."""
    return _KEEP.format(name, rule.format(_KEPT.format(name)))


@dataclass(frozen=True)
class Fault:
    """A mistake that breaks one clause of a page."""

    clause: int
    variant: Variant
    forks: Mapping[str, str] = field(default_factory=dict, hash=False)  # the sides under which it is one

    @property
    def id(self) -> str:
        """The clause and the mistake: `optimizers.adam/5: ε inside the root`."""
        return f"{self.variant.page}/{self.clause}: {self.variant.name}"


def fault(
    page: str, clause: int, name: str, lines: dict[int, str] | str, source: str, forks: Mapping[str, str] | None = None
) -> Fault:
    """A mistake against `clause`; a single line replaces the line of that clause."""
    replaced = {clause: lines} if isinstance(lines, str) else lines
    return Fault(clause, Variant(page, "fault", name, replaced, source), forks or {})


@cache
def faults_of(page: str) -> tuple[Fault, ...]:
    """The known mistakes of one page."""
    return tuple(one for one in faults() if one.variant.page == page)


@cache
def faults() -> tuple[Fault, ...]:
    """All known mistakes."""
    found: list[Fault] = []
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem != "__init__":
            found += import_module(f"lm_conformance.faults.{path.stem}").FAULTS
    return tuple(found)
