"""Cases for what happens to gradients between the backward pass and the update rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from hypothesis import strategies as st
from torch import Tensor

from lm_conformance.cases.optimizers import shown
from lm_conformance.cases.tensors import SMALL, Style, fill, laid_out, styles

if TYPE_CHECKING:
    from lm_conformance.check import Target


@dataclass(frozen=True, repr=False)
class Case:
    """The gradients of all parameters, and the threshold."""

    gradients: Sequence[Tensor | None]
    max_norm: float

    def describe(self) -> list[str]:
        """The case in words."""
        lines = [f"max_norm: {self.max_norm}"]
        return lines + [f"gradient {i}: {'none' if g is None else shown(g)}" for i, g in enumerate(self.gradients)]


def cases(
    target: Target,
    *,
    relative: Sequence[float] = (0.5, 0.25, 0.3, 2.0, 0.999, 1.001),
    tensors: Sequence[int] = (1, 2, 3),
    shapes: Sequence[tuple[int, ...]] = SMALL,
    layouts: Sequence[str] = ("contiguous",),
    missing: bool = False,
) -> st.SearchStrategy[Case]:
    """Gradients whose norm is the threshold divided by one of `relative`."""
    number, shape, layout = (
        st.sampled_from(tuple(tensors)),
        st.sampled_from(tuple(shapes)),
        st.sampled_from(tuple(layouts)),
    )
    how, ratios, seeds = styles(target.narrowest), st.sampled_from(tuple(relative)), st.integers(0, 2**32 - 1)

    @st.composite
    def draw_case(draw: st.DrawFn) -> Case:
        sizes = [draw(shape) for _ in range(draw(number))]
        return build(
            target,
            shapes=sizes,
            style=draw(how),
            ratio=draw(ratios),
            seed=draw(seeds),
            missing=draw(st.sets(st.integers(0, len(sizes) - 1))) if missing else None,
            layouts=[draw(layout) for _ in sizes],
        )

    return draw_case()


def build(
    target: Target,
    *,
    shapes: Sequence[tuple[int, ...]] = ((3,),),
    style: Style | None = None,
    ratio: float = 0.5,
    seed: int = 0,
    missing: set[int] | None = None,
    layouts: Sequence[str] | None = None,
) -> Case:
    """One case; `ratio` is the threshold divided by the norm, or the threshold where the norm is 0."""
    generator = torch.Generator().manual_seed(seed)
    style = style or Style(scale=0, spread=1, bits=12)
    gradients: list[Tensor | None] = []
    for i, shape in enumerate(shapes):
        tensor = fill(generator, style, shape, target.dtypes[i % len(target.dtypes)])
        gradients.append(
            None if missing and i in missing else laid_out(tensor, layouts[i] if layouts else "contiguous")
        )
    return Case(tuple(gradients), ratio * (norm_of(gradients) or 1.0))


def norm_of(gradients: Sequence[Tensor | None]) -> float:
    """The norm of all gradients, to place the threshold; a number with few bits, so that every format holds it."""
    total = sum(float(g.double().square().sum()) for g in gradients if g is not None)
    return float(torch.tensor(total).sqrt().to(torch.bfloat16)) if total > 0 else 0.0
