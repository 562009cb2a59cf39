"""Reductions: sums over 16-bit numbers are taken in float32.

    s = Σ x_i                                                                                (1)
    x · y = Σ x_i y_i, of products in float32                                                (2)
    ‖x‖ = √(Σ x_i²), of squares in float32                                                   (3)
    The result is a float32 number.                                                          (4)

In 16 bits 2048 + 1 is 2048 (float16) and 256 + 1 is 256 (bfloat16): 4096 ones would add up to 2048 or 256. The square
of 300 is infinite in float16, that of 2^-13 is zero.

Source: Micikevicius et al., "Mixed Precision Training", arXiv:1710.03740v3, section 3.3.
Differs: lecture notes let everything but the master weights be computed in 16 bits.
Forks:
    result = wide | narrow
        narrow (4): return rounded(value)
        Rounded to 16 bits, once, at the end: section 3.3, PyTorch and JAX, unless float32 is asked for.
    formats = both | float16 | bfloat16
        float16: the implementation has no bfloat16.
        bfloat16: the implementation has no float16.
"""

from collections.abc import Callable

from torch import Tensor


def total(
    x: Tensor,  # any shape: 16-bit numbers, in float32
    *,
    rounded: Callable[[Tensor], Tensor],  # to 16 bits
) -> Tensor:
    """The sum of all elements."""
    value = x.sum()  # (1)
    return result(value, rounded=rounded)


def dot(x: Tensor, y: Tensor, *, rounded: Callable[[Tensor], Tensor]) -> Tensor:
    """The sum of the products of two tensors of one shape."""
    value = (x * y).sum()  # (2)
    return result(value, rounded=rounded)


def norm(x: Tensor, *, rounded: Callable[[Tensor], Tensor]) -> Tensor:
    """The root of the sum of squares."""
    value = x.square().sum().sqrt()  # (3)
    return result(value, rounded=rounded)


def result(value: Tensor, *, rounded: Callable[[Tensor], Tensor]) -> Tensor:
    """A sum as it is handed on."""
    return value  # (4)
