"""The one comparison between a trainer and a page: the distance in units of the rounding error's bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lm_reference.rounding import Array, Rounded

# |trainer - page| ≤ K × bound. The bound is that of one rounding after each operation of the page, or of one of its
# forms, to first order, so an implementation that does those operations stays below 1 (CONTRIBUTING.md has the measured
# margins). K leaves room for other orders of the same operations: a division as a product with a reciprocal, a
# rate that is multiplied in two steps. The smallest faults that must be seen (a rate that is wrong by 1e-5) reach 20.
K = 4.0


@dataclass(frozen=True)
class Distance:
    """The largest distance of one array, and where it is."""

    margin: float  # in units of the bound; 0 where both are the same
    index: tuple[int, ...]
    known: int  # elements with a finite bound


def distance(obtained: Array, expected: Rounded) -> Distance:
    """How far `obtained` is from `expected`, in units of its bound, at the element where it is farthest.

    An element whose bound is infinite says nothing. A NaN or an infinity is infinitely far from a known number.
    """
    value, error = np.asarray(expected.value), np.broadcast_to(expected.error, np.shape(expected.value))
    known = np.isfinite(error) & np.isfinite(value)
    if not known.any():
        return Distance(0.0, (), 0)
    difference = np.abs(np.asarray(obtained) - value)
    margins = np.where(difference == 0, 0.0, difference / error)
    margins = np.where(known, np.where(np.isnan(margins), np.inf, margins), 0.0)
    index = np.unravel_index(int(margins.argmax()), margins.shape)
    return Distance(float(margins[index]), tuple(int(i) for i in index), int(known.sum()))
