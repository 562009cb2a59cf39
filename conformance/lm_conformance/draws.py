"""What the tests need of draws: carried over to the standard normal distribution by their law, and summed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from lm_reference.laws import Constant, Law, Normal
from lm_reference.rounding import FORMATS
from torch import Tensor

from lm_conformance.compare import K

if TYPE_CHECKING:
    from numpy.typing import NDArray

# the points at which distribution functions are compared: 31 quantiles, and where tails are counted
TAILS = (2.0, 3.0)
_QUANTILES = torch.special.ndtri(torch.arange(1, 32, dtype=torch.float64) / 32).tolist()
GRID = torch.tensor(sorted([*_QUANTILES, *TAILS, *(-tail for tail in TAILS)]), dtype=torch.float64)

CHUNK = 1 << 16  # elements that are summed at once: they stay in the processor's cache
EDGE = 2.0**-26  # how near to 0 and 1 a probability may come; float32 has no draws between


def standard(weights: Tensor, law: Law) -> Tensor:
    """The draws as numbers that are standard normal if the law is theirs, in float64: the quantile of cdf(w).

    Numbers of 16 bits stand for all that are rounded to them, which matters at the ends of a bounded law. There a
    uniform draw between the distribution function's values at both ends of that interval takes the place of cdf(w).
    """
    w = weights.double()
    if isinstance(law, Normal):
        return w / law.std
    u = law.cdf(w)
    if weights.element_size() == 2:
        low, high = _neighbour(weights, -math.inf), _neighbour(weights, math.inf)
        below, above = law.cdf((w + low) / 2), law.cdf((w + high) / 2)
        noise = torch.rand(w.shape, dtype=w.dtype, generator=torch.Generator().manual_seed(w.numel()))
        u = below + noise * (above - below)
    z: Tensor = torch.special.ndtri(u.clamp(EDGE, 1 - EDGE))
    return z


def _neighbour(numbers: Tensor, towards: float) -> Tensor:
    """The next numbers of the same format, in float64."""
    return torch.nextafter(numbers, torch.full_like(numbers, towards)).double()


def outside(weights: Tensor, law: Law) -> Tensor:
    """The draws that the law cannot give.

    The last operations of an honest draw may carry it over the bound by some roundoffs of its format.
    """
    limit = law.support[1]
    if math.isinf(limit):
        return weights[:0]
    roundoff = FORMATS[str(weights.dtype).removeprefix("torch.")].roundoff
    return weights[weights.double().abs() > limit * (1 + K * roundoff)]


@dataclass(frozen=True)
class Sums:
    """Draws, summed up; z is their carried over value."""

    name: str
    law: Law
    draws: int
    total: float  # Σ z
    squares: float  # Σ z²
    largest: float  # max |z|
    power: float  # Σ w², of the draws themselves
    below: NDArray[np.int64]  # at each point of the grid, how many draws are at most there
    expected: NDArray[np.float64]  # how many the law lets expect
    strays: int  # draws outside of the support
    farthest: float  # of these the farthest

    @property
    def std(self) -> float:
        """The standard deviation of the draws around 0."""
        return math.sqrt(self.power / self.draws)


def sums(name: str, weights: Tensor, law: Law) -> Sums:
    """The sums of a tensor of any shape and floating-point format."""
    if isinstance(law, Constant):
        raise TypeError(f"{name} is constant: nothing of it is drawn.")
    flat = weights.detach().reshape(-1)
    # Draws are compared in their own format with points that it holds. What is rounded to such a point or below lies
    # below the middle between it and the next number: there the law is asked.
    points = law.from_uniform(torch.special.ndtr(GRID)).to(flat.dtype)
    expected = flat.numel() * law.cdf((points.double() + _neighbour(points, math.inf)) / 2).numpy()
    comparable = (flat.float() if flat.element_size() == 2 else flat).numpy()
    limits = points.to(torch.promote_types(points.dtype, torch.float32)).numpy()
    below = np.zeros(len(limits), dtype=np.int64)
    moments = np.zeros(3)
    for start in range(0, len(comparable), CHUNK):
        chunk = comparable[start : start + CHUNK]
        below += [np.count_nonzero(chunk <= limit) for limit in limits]
        moments = _added(moments, chunk)
    total, power, largest = moments.tolist()
    if isinstance(law, Normal):
        carried = (total / law.std, power / law.std**2, largest / law.std)
    else:
        carried = tuple(_added(np.zeros(3), standard(flat, law).numpy()).tolist())
    strays = outside(flat, law)
    farthest = float(strays[strays.abs().argmax()]) if len(strays) else 0.0
    return Sums(name, law, flat.numel(), *carried, power, below, expected, len(strays), farthest)


def _added(moments: NDArray[np.float64], numbers: NDArray[np.floating]) -> NDArray[np.float64]:
    """Sum, sum of squares and largest magnitude, with those of some numbers."""
    wide = numbers.astype(np.float64)
    largest = max(float(moments[2]), float(wide.max(initial=0.0)), -float(wide.min(initial=0.0)))
    return np.array([moments[0] + wide.sum(), moments[1] + np.square(wide).sum(), largest])


def together(name: str, parts: Sequence[Sums]) -> Sums:
    """The sums of several tensors as one pool."""
    return Sums(
        name,
        parts[0].law,
        sum(part.draws for part in parts),
        sum(part.total for part in parts),
        sum(part.squares for part in parts),
        max(part.largest for part in parts),
        sum(part.power for part in parts),
        np.sum([part.below for part in parts], axis=0),
        np.sum([part.expected for part in parts], axis=0),
        sum(part.strays for part in parts),
        max((part.farthest for part in parts), key=abs),
    )
