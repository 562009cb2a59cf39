"""Tensors for cases: a few drawn numbers decide everything, a generator fills the elements in bulk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from hypothesis import strategies as st
from torch import Tensor

SMALL = ((3,), (1,), (2, 3), (5,))

# sizes around vector widths and blocks, no elements, one element, no dimensions, many dimensions
SHAPES = (
    (3,),
    (1,),
    (),
    (0,),
    (2, 3),
    (7,),
    (8,),
    (9,),
    (17,),
    (33,),
    (65,),
    (5, 1),
    (0, 3),
    (2, 3, 4),
    (16, 16),
    (257,),
)

# the exponents between which gradients are drawn: far enough from overflow to be squared and summed
EXPONENTS = {"float64": (-40, 40), "float32": (-16, 16), "bfloat16": (-16, 16), "float16": (-5, 3)}

LAYOUTS = ("contiguous", "transposed", "strided")


@dataclass(frozen=True)
class Style:
    """How magnitudes are spread: ±(1 + a fraction of `bits` - 1 bits) × 2^e with e in [scale - spread, scale]."""

    scale: int
    spread: int = 0
    bits: int = 1  # 1: powers of two, whose products and quotients are exact
    zeros: bool = False  # every fourth element is exactly zero


def fill(
    generator: torch.Generator, style: Style, shape: tuple[int, ...], dtype: torch.dtype, drift: int = 0
) -> Tensor:
    """A contiguous tensor of random elements in `style`, rounded to `dtype`.

    Along the first axis the exponents grow by `drift` from one index to the next.
    """

    def integers(low: int, high: int) -> Tensor:
        return torch.randint(low, high + 1, shape, generator=generator, dtype=torch.int64).double()

    exponent = integers(style.scale - style.spread, style.scale)
    if drift:
        exponent += drift * torch.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    fraction = integers(0, 2 ** (style.bits - 1) - 1) / 2 ** (style.bits - 1)
    sign = 2 * integers(0, 1) - 1
    values: Tensor = sign * (1 + fraction) * torch.exp2(exponent)
    if style.zeros:
        values = values * (integers(0, 3) > 0)
    return values.to(dtype)


def laid_out(tensor: Tensor, layout: str) -> Tensor:
    """The same elements in another memory layout; tensors that are too small for one keep theirs."""
    if layout == "transposed" and tensor.dim() > 1:
        return tensor.transpose(0, -1).contiguous().transpose(0, -1)
    if layout == "strided" and tensor.dim() > 0:
        return torch.stack([tensor, tensor], dim=-1)[..., 0]
    return tensor


def copy(tensor: Tensor) -> Tensor:
    """A copy in memory of its own and in the same layout."""
    if tensor.is_contiguous():
        return tensor.clone()
    like = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype)
    like.copy_(tensor)
    return like


@cache
def styles(dtype: str) -> st.SearchStrategy[Style]:
    """Styles whose scale lies in the range of `dtype`, every fourth at 0."""
    least, most = EXPONENTS[dtype]
    scales = st.sampled_from((0,) * ((most - least) // 3) + tuple(range(least, most + 1)))
    return st.builds(
        Style,
        scale=scales,
        spread=st.sampled_from((0, 1, 3)),
        bits=st.sampled_from((1, 2, 12)),
        zeros=st.booleans(),
    )
