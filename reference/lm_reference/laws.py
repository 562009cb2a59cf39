"""Laws: the distributions that pages draw from, each with its distribution function and the inverse of it.

Tensors of float64 in and out, of any shape. A law that `times` a factor is scaled, its support with it.

>>> round(TruncatedNormal(0.02).std, 5)
0.01759
>>> Normal(0.5).from_uniform(torch.tensor([0.5], dtype=torch.float64))
tensor([0.], dtype=torch.float64)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor


def _normal_cdf(z: Tensor) -> Tensor:
    probability: Tensor = torch.special.ndtr(z)
    return probability


def _normal_quantile(u: Tensor) -> Tensor:
    z: Tensor = torch.special.ndtri(u)
    return z


@dataclass(frozen=True)
class Normal:
    """The normal distribution N(0, std²)."""

    std: float  # σ, above 0

    @property
    def support(self) -> tuple[float, float]:
        """The interval outside of which nothing is drawn."""
        return -math.inf, math.inf

    def cdf(self, x: Tensor) -> Tensor:
        """The probability of a draw of at most x."""
        return _normal_cdf(x / self.std)

    def from_uniform(self, u: Tensor) -> Tensor:
        """Draws, made of uniform ones in (0, 1)."""
        return self.std * _normal_quantile(u)

    def times(self, factor: float) -> Normal:
        """The law of `factor` times a draw."""
        return Normal(factor * self.std)


@dataclass(frozen=True)
class TruncatedNormal:
    """The normal distribution N(0, nominal²), drawn again until the draw is within `cut` nominal deviations."""

    nominal: float  # above 0: the standard deviation before the cut
    cut: float = 2.0  # above 0

    @property
    def _inside(self) -> float:
        return math.erf(self.cut / math.sqrt(2))

    @property
    def std(self) -> float:
        """The standard deviation, which is below the nominal one."""
        density = math.exp(-self.cut * self.cut / 2) / math.sqrt(2 * math.pi)
        return self.nominal * math.sqrt(1 - 2 * self.cut * density / self._inside)

    @property
    def support(self) -> tuple[float, float]:
        """The interval outside of which nothing is drawn."""
        return -self.cut * self.nominal, self.cut * self.nominal

    def cdf(self, x: Tensor) -> Tensor:
        """The probability of a draw of at most x."""
        below = (1 - self._inside) / 2
        return ((_normal_cdf(x / self.nominal) - below) / self._inside).clamp(0, 1)

    def from_uniform(self, u: Tensor) -> Tensor:
        """Draws, made of uniform ones in (0, 1)."""
        below = (1 - self._inside) / 2
        return self.nominal * _normal_quantile(below + u * self._inside)

    def times(self, factor: float) -> TruncatedNormal:
        """The law of `factor` times a draw."""
        return TruncatedNormal(factor * self.nominal, self.cut)


@dataclass(frozen=True)
class Uniform:
    """The uniform distribution on [-bound, bound]."""

    bound: float  # above 0

    @property
    def std(self) -> float:
        """The standard deviation."""
        return self.bound / math.sqrt(3)

    @property
    def support(self) -> tuple[float, float]:
        """The interval outside of which nothing is drawn."""
        return -self.bound, self.bound

    def cdf(self, x: Tensor) -> Tensor:
        """The probability of a draw of at most x."""
        return ((x / self.bound + 1) / 2).clamp(0, 1)

    def from_uniform(self, u: Tensor) -> Tensor:
        """Draws, made of uniform ones in (0, 1)."""
        return self.bound * (2 * u - 1)

    def times(self, factor: float) -> Uniform:
        """The law of `factor` times a draw."""
        return Uniform(factor * self.bound)


@dataclass(frozen=True)
class Constant:
    """Always the same value."""

    value: float

    @property
    def std(self) -> float:
        """The standard deviation."""
        return 0.0

    @property
    def support(self) -> tuple[float, float]:
        """The interval outside of which nothing is drawn."""
        return self.value, self.value

    def cdf(self, x: Tensor) -> Tensor:
        """The probability of a draw of at most x."""
        return (x >= self.value).to(x.dtype)

    def from_uniform(self, u: Tensor) -> Tensor:
        """Draws, made of uniform ones in (0, 1)."""
        return torch.full_like(u, self.value)

    def times(self, factor: float) -> Constant:
        """The law of `factor` times a draw."""
        return Constant(factor * self.value)


Law: TypeAlias = Normal | TruncatedNormal | Uniform | Constant
