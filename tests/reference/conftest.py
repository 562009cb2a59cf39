"""What the tests of the reference share: printed digits, runs of optimizers, distances in units of rounding errors."""

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from lm_reference.rounding import Arithmetic, Rounded, evaluation
from torch import Tensor


@pytest.fixture(scope="session")
def written_like() -> Callable[[str, Tensor], str]:
    """Writes numbers as published ones are printed.

    A published number says no more than its digits. So the numbers are rounded to as many digits as each word of
    `printed` has, and both texts must be the same: the tolerance is half a unit of the last digit that is printed.
    """

    def write(printed: str, numbers: Tensor) -> str:
        words = printed.split()
        styles = [f".{len(word.partition('e')[0].partition('.')[2])}{'e' if 'e' in word else 'f'}" for word in words]
        return " ".join(format(x, style) for x, style in zip(numbers.reshape(-1).tolist(), styles, strict=True))

    return write


@pytest.fixture(scope="session")
def updates() -> Callable[..., list[Any]]:
    """Runs the page of an optimizer, and gives the parameter after each update."""

    def run(page: ModuleType, theta: Any, gradients: Sequence[Any], *, lr: Any, **settings: Any) -> list[Any]:
        rates = lr if isinstance(lr, list) else [lr] * len(gradients)
        state, thetas = page.init(theta), []
        for g, rate in zip(gradients, rates, strict=True):
            theta, state = page.step(theta, g, state, lr=rate, **settings)
            thetas.append(theta)
        return thetas

    return run


@pytest.fixture
def rounded() -> Iterator[Callable[[Any], Any]]:
    """Lifts tensors, numbers, and lists of both to numbers that carry the bound of their rounding error in float64."""
    float64 = Arithmetic("float64", "float64")

    def lift(value: Any) -> Any:
        if isinstance(value, list):
            return [lift(part) for part in value]
        return float64.tensor(value) if isinstance(value, Tensor) else float64.scalar(value)

    with evaluation():
        yield lift


@pytest.fixture(scope="session")
def distance() -> Callable[[Rounded, Rounded], float]:
    """How far apart two computations are, in units of the rounding errors that both may have made.

    Up to 1 they may be the same number, computed in two ways; above 1 they are different numbers.
    """

    def measure(one: Rounded, other: Rounded) -> float:
        difference, bound = abs(one.value - other.value), one.error + other.error
        if not np.isfinite(bound).all():
            raise ValueError("a bound is infinite: every number is as near as any other")
        return float(np.max(np.divide(difference, bound, out=np.zeros_like(difference), where=difference > 0)))

    return measure
