"""What the tests of schedules share."""

from collections.abc import Callable, Sequence

import pytest
import torch
from lm_reference.page import pages
from torch import Tensor


@pytest.fixture(scope="session")
def rates() -> Callable[..., Tensor]:
    """The rates of a page at some points, with some sides of its forks."""

    def ask(page: str, points: Sequence[float], forks: dict[str, str] | None = None, **settings: float) -> Tensor:
        module = pages()[page].module(*pages()[page].sides(forks or {}))
        numbers = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in settings.items()}
        return torch.stack([module.rate(torch.tensor(float(x), dtype=torch.float64), **numbers) for x in points])

    return ask
