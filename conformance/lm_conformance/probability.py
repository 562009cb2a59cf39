"""Exact tail probabilities, as far out as a level of 5·10^-7 needs them. SciPy is imported when one is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def normal(z: float) -> float:
    """P(|Z| ≥ |z|) for a standard normal Z."""
    return math.erfc(abs(z) / math.sqrt(2))


def normal_cdf(z: float) -> float:
    """P(Z ≤ z) for a standard normal Z."""
    return math.erfc(-z / math.sqrt(2)) / 2


def normal_quantile(p: float) -> float:
    """The z with P(Z ≤ z) = p for a standard normal Z."""
    from scipy import special

    return float(special.ndtri(p))


def chi_square(squares: float, n: int) -> float:
    """The two-sided probability of the sum of the squares of n standard normal numbers: twice the smaller tail."""
    from scipy import special

    return min(1.0, 2 * min(float(special.chdtr(n, squares)), float(special.chdtrc(n, squares))))


def chi_square_cdf(squares: float, n: int) -> float:
    """The probability of at most such a sum."""
    from scipy import special

    return float(special.chdtr(n, squares))


def share(shares: NDArray[np.float64], part: int, whole: int) -> NDArray[np.float64]:
    """The two-sided probability of the share that `part` of `whole` normal numbers of mean 0 have in their squares.

    It has the beta distribution of part/2 and (whole - part)/2, whatever the numbers' variance.
    """
    import numpy as np
    from scipy import special

    a, b = part / 2, (whole - part) / 2
    tails = np.minimum(special.betainc(a, b, shares), special.betainc(b, a, np.maximum(0, 1 - shares)))
    return np.asarray(np.minimum(1, 2 * tails))


def chi_square_limits(level: float, n: int) -> tuple[float, float]:
    """The sums of n squares between which the two-sided probability is at least `level`."""
    from scipy import special

    return float(special.chdtri(n, 1 - level / 2)), float(special.chdtri(n, level / 2))


def binomial(count: int, n: int, rate: float) -> float:
    """The two-sided probability of `count` of n draws where each counts with probability `rate`."""
    from scipy import special

    below = float(special.bdtr(count, n, rate))
    above = float(special.bdtrc(count - 1, n, rate)) if count > 0 else 1.0
    return min(1.0, 2 * min(below, above))


def cosine(r: float, n: int) -> float:
    """P(|R| ≥ |r|) for the cosine R of the angle between two vectors of n independent normal numbers of mean 0.

    The correlation with known means; R² has the beta distribution of 1/2 and (n - 1)/2.
    """
    from scipy import special

    return float(special.betainc((n - 1) / 2, 0.5, max(0.0, 1 - r * r)))


def cosine_limit(level: float, n: int) -> float:
    """The r with P(|R| ≥ r) = level, see `cosine`."""
    from scipy import special

    return math.sqrt(1 - float(special.betaincinv((n - 1) / 2, 0.5, level)))


def distance(d: float, n: int) -> float:
    """A bound of the probability that an empirical distribution function of n draws is d away from the true one.

    The inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant. It holds for every n and every
    distribution, and all the more for the largest distance at some points only.
    """
    return min(1.0, 2 * math.exp(-2 * n * d * d))


def distance_limit(level: float, n: int) -> float:
    """The d at which the bound of `distance` is `level`."""
    return math.sqrt(math.log(2 / level) / (2 * n))


def least(passes: Callable[[float], bool], high: float) -> float:
    """The smallest number in (0, high] that passes, where all above it do; `high` if none below does."""
    low = 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high
