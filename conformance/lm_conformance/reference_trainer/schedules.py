"""Pages of schedules as schedules that can be asked, followed, saved and loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lm_conformance.schedule_runs import number

if TYPE_CHECKING:
    from types import ModuleType


def offered(page: str) -> Callable[..., Any]:
    """What makes the page's module and its settings a schedule."""
    return Ramp if page == "batch_ramp" else Curve


class Curve:
    """A schedule made of a page, followed from update to update."""

    def __init__(self, page: ModuleType, **settings: float) -> None:
        self.page = page
        self.settings = {name: number(value) for name, value in settings.items()}
        self.x = number(0)

    def rate(self, x: float) -> float:
        """The page's rate at x."""
        return float(self.page.rate(number(x), **self.settings))

    def step(self) -> float:
        """The rate of the next update."""
        rate = self.rate(float(self.x))
        self.x = self.x + 1
        return rate

    def save(self) -> Any:
        """Where it is."""
        return self.x

    def load(self, saved: Any) -> None:
        """Continue from there."""
        self.x = self.page.resumed(saved)


class Ramp(Curve):
    """A ramp, followed from batch to batch."""

    def step(self) -> float:
        """The size of the next batch."""
        size = self.rate(float(self.x))
        self.x = self.page.consumed(self.x, number(size), self.settings["full"])
        return size
