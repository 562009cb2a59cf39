"""The one comparison between a trainer and a page: the distance in units of the rounding error's bound."""

from __future__ import annotations

from collections.abc import Sequence
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
    """The largest distance in units of the bound, and where it is."""

    margin: float  # 0 where both are the same
    place: tuple[int, int, tuple[int, ...]] | None  # of the results, of the arrays in it, of the element
    known: int  # elements with a finite bound


def distance(obtained: Sequence[Sequence[Array]], expected: Sequence[Sequence[Rounded]]) -> Distance:
    """How far arrays are from pages' results, in units of the bounds, at the element where it is farthest.

    An element whose bound is infinite says nothing. A NaN or an infinity is infinitely far from a known number.
    """
    margin, place, known_elements = 0.0, None, 0
    for result, (row, wanted) in enumerate(zip(obtained, expected, strict=True)):
        for index, (array, number) in enumerate(zip(row, wanted, strict=True)):
            value = np.asarray(number.value)
            known = np.isfinite(number.error) & np.isfinite(value)
            if not np.any(known):
                continue
            difference = np.abs(array - value)
            margins = np.where(difference == 0, 0.0, difference / number.error)
            margins = np.where(known, np.where(np.isnan(margins), np.inf, margins), 0.0)
            element = np.unravel_index(int(margins.argmax()), margins.shape)
            known_elements += int(np.sum(known))
            if place is None or margins[element] > margin:
                margin, place = float(margins[element]), (result, index, tuple(int(i) for i in element))
    return Distance(margin, place, known_elements)


def leaves(obtained: Sequence[Sequence[Array]], expected: Sequence[Sequence[Rounded]]) -> bool:
    """Whether arrays lie outside the tolerance."""
    return distance(obtained, expected).margin > K
