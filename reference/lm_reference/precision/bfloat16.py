"""bfloat16: a sign, eight bits of exponent, seven of fraction; numbers are rounded to the nearest.

    From 2^e to 2^(e+1), numbers lie 2^(e-7) apart: 2^-7 at 1.                               (1)
    Below 2^-126, the smallest normal number, they lie 2^-133 apart.                         (2)
    Between two numbers x becomes the nearer; halfway, the one whose last bit is zero.       (3)
    x becomes zero where |x| ≤ 2^-134, and nowhere else.                                     (4)
    x becomes infinite where |x| ≥ 2^128 - 2^119, and nowhere else; the largest number is
    2^128 - 2^120, about 3.39 · 10^38.                                                       (5)
    NaN stays NaN, an infinity itself, and what becomes zero or infinite keeps its sign.     (6)
    A sum is the exact sum, rounded once: 1 + u = 1 for 0 ≤ u ≤ 2^-8, 1 - u = 1 for
    0 ≤ u ≤ 2^-9.                                                                            (7)
    Each element is rounded alone, whatever the size and the layout of the tensor.           (8)

Source: the first 16 bits of binary32, with the rounding of IEEE 754-2019, section 4.3.1: Intel, "BFLOAT16 - Hardware
    Numerics Definition", 2018, revision 1.0; Kalamkar et al., arXiv:1905.12322v3, section 3.
Differs: the hardware that Intel defines flushes subnormal numbers; libraries on the CPU keep them.
Forks:
    subnormals = kept | flushed
        flushed (4): y = torch.where(x.abs() < 2.0**-126, 0 * x, n * spacing)
        Intel's definition. What (3) rounds up to 2^-126 may be either.
"""

import torch
from torch import Tensor


def cast(
    x: Tensor,  # any shape, float64: any numbers of float32
) -> Tensor:
    """The numbers of the format, as float64."""
    e = torch.frexp(x).exponent - 1
    spacing = torch.exp2(e.double() - 7)  # (1)
    spacing = spacing.clamp(min=2.0**-133)  # (2)
    n = (x / spacing).round()  # (3)
    y = n * spacing  # (4)
    y = torch.where(y.abs() > 2.0**128 - 2.0**120, y.sign() * torch.inf, y)  # (5)
    return torch.where(x.isfinite(), y, x)  # (6)


def add(
    one: Tensor,  # any shape, float64: numbers of the format
    other: Tensor,  # the same shape
) -> Tensor:
    """The sums in the format, as float64."""
    return cast(one + other)  # (7)
