"""Pages of recipes as configurations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType


def offered(page: str) -> Callable[..., Any]:  # noqa: ARG001 all recipes are made in one way
    """What makes of the page's module the function that tells a configuration."""
    return configuration


def configuration(page: ModuleType, size: str) -> dict[str, Any]:
    """The page's configuration, with the least number where it leaves a choice."""
    return {
        name: value.unit * math.ceil(value.least / value.unit) if isinstance(value, page.Between) else value
        for name, value in page.configuration(size).items()
    }
