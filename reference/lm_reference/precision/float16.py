"""float16: a sign, five bits of exponent, ten of fraction; numbers are rounded to the nearest.

    From 2^e to 2^(e+1), numbers lie 2^(e-10) apart: 2^-10 at 1.                             (1)
    Below 2^-14, the smallest normal number, they lie 2^-24 apart.                           (2)
    Between two numbers x becomes the nearer; halfway, the one whose last bit is zero.       (3)
    x becomes zero where |x| ≤ 2^-25, and nowhere else.                                      (4)
    x becomes infinite where |x| ≥ 65520, and nowhere else; 65504 is the largest number.     (5)
    NaN stays NaN, an infinity itself, and what becomes zero or infinite keeps its sign.     (6)
    A sum is the exact sum, rounded once: 1 + u = 1 for 0 ≤ u ≤ 2^-11, 1 - u = 1 for
    0 ≤ u ≤ 2^-12.                                                                           (7)
    Each element is rounded alone, whatever the size and the layout of the tensor.           (8)

Source: IEEE 754-2019, binary16 (section 3.6) and roundTiesToEven (section 4.3.1).
Differs: lecture notes, and Micikevicius et al., arXiv:1710.03740v3, section 3.1, let what is below 2^-24 become zero.
    Half of that becomes 2^-24: (4).
Forks:
    subnormals = kept | flushed
        flushed (4): y = torch.where(x.abs() < 2.0**-14, 0 * x, n * spacing)
        Accelerators that have no subnormal numbers. What (3) rounds up to 2^-14 may be either.
"""

import torch
from torch import Tensor


def cast(
    x: Tensor,  # any shape, float64: any numbers of float32
) -> Tensor:
    """The numbers of the format, as float64."""
    e = torch.frexp(x).exponent - 1
    spacing = torch.exp2(e.double() - 10)  # (1)
    spacing = spacing.clamp(min=2.0**-24)  # (2)
    n = (x / spacing).round()  # (3)
    y = n * spacing  # (4)
    y = torch.where(y.abs() > 65504, y.sign() * torch.inf, y)  # (5)
    return torch.where(x.isfinite(), y, x)  # (6)


def add(
    one: Tensor,  # any shape, float64: numbers of the format
    other: Tensor,  # the same shape
) -> Tensor:
    """The sums in the format, as float64."""
    return cast(one + other)  # (7)
