"""Cases for master weights: float32 weights, and the gradients that a backward pass would scale and narrow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from lm_conformance.cases.optimizers import shown
from lm_conformance.cases.tensors import Style, fill

if TYPE_CHECKING:
    from lm_conformance.check import Target

BITS = {"float16": 11, "bfloat16": 8}
SHAPES = (((3,),), ((2, 3), (1,)), ((5,), (5,), (2,)))


@dataclass(frozen=True, repr=False)
class Case:
    """What an optimizer with master weights is given."""

    dtype: str
    settings: Mapping[str, Any]
    weights: Sequence[Tensor]  # float32
    gradients: Sequence[Sequence[Tensor]]  # for each update those of the loss, in float32; infinite ones are skipped
    watched: frozenset[int]  # the updates after which weights are compared, counted from 1
    resume: int | None = None  # the update after which the run is saved, and continued by another optimizer

    @cached_property
    def skipped(self) -> list[int]:
        """The updates that are skipped, counted from 1."""
        finite = [all(bool(g.isfinite().all()) for g in gradients) for gradients in self.gradients]
        return [number for number, good in enumerate(finite, start=1) if not good]

    def describe(self) -> list[str]:
        """The case in words."""
        lines = [f"{self.dtype}; " + ", ".join(f"{name}={value}" for name, value in self.settings.items())]
        lines += [f"weight {i}: {shown(weight)}" for i, weight in enumerate(self.weights)]
        for number, gradients in enumerate(self.gradients[:4], start=1):
            lines.append(f"update {number}: gradients of the loss {'; '.join(map(shown, gradients))}")
        if len(self.gradients) > 4:
            lines.append(f"{len(self.gradients)} updates in all; skipped: {self.skipped or 'none'}")
        return lines if self.resume is None else [*lines, f"saved and loaded after update {self.resume}"]


def formats(target: Target) -> tuple[str, ...]:
    """The formats of copies that the trainer has."""
    declared = target.offer.forks["formats"]
    return ("float16", "bfloat16") if declared == "both" else (declared,)


def settings(dtype: str, **own: Any) -> dict[str, Any]:
    """Settings under which an update is exactly half the rate, against the gradient, unless others are given.

    With both β zero, and ε as large as every gradient, no step of Adam rounds, in whatever order it is computed.
    """
    found: dict[str, Any] = {"lr": 2.0**-6, "beta1": 0.0, "beta2": 0.0, "eps": 2.0**-6}
    found |= {"initial_scale": 1024.0, "growth_interval": 1000, **own}
    return found | ({"initial_scale": None, "growth_interval": None} if dtype == "bfloat16" else {})


def exact(
    dtype: str,
    *,
    updates: int = 3,
    shapes: Sequence[tuple[int, ...]] = ((3,), (2, 3)),
    skipped: Sequence[int] = (),
    seed: int = 0,
    resume: int | None = None,
    **own: Any,
) -> Case:
    """A run whose updates are exact but for the rounding of the masters; weights have all the bits of float32."""
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.rand(shape, generator=generator) * 2 - 1 for shape in shapes]
    chosen = settings(dtype, **own)
    step = Style(round(math.log2(chosen["eps"])))
    gradients = [[fill(generator, step, shape, torch.float32) for shape in shapes] for _ in range(updates)]
    case = Case(dtype, chosen, weights, gradients, frozenset(range(1, updates + 1)), resume)
    return with_overflows(case, skipped) if dtype == "float16" else case


def with_overflows(case: Case, skipped: Sequence[int]) -> Case:
    """The case with something that is not finite in some updates: infinities, negative ones and NaN in turn."""
    found = [[g.clone() for g in gradients] for gradients in case.gradients]
    for turn, number in enumerate(skipped):
        gradients = found[number - 1]
        which = gradients[turn % len(gradients)]
        which.view(-1)[-1 - turn % which.numel()] = (math.inf, -math.inf, math.nan)[turn % 3]
    return replace(case, gradients=found)


def cases(target: Target, *, overflows: bool = False, resume: bool = False) -> st.SearchStrategy[Case]:
    """Runs with any settings of Adam and of the loss scale; the scaled gradients are numbers of the format.

    With `overflows` some updates are skipped, in float16 alone.
    """
    values: dict[str, Sequence[Any]] = {
        "lr": (0.5, 2.0**-3, 2.0**-10, 1e-3),
        "beta1": (0.5, 0.9, 0.0),
        "beta2": (0.75, 0.96875, 0.999, 0.0),
        "eps": (2.0**-6, 2.0**-3, 1e-8),
        "initial_scale": (1024.0, 1.0, 8.0, 2.0**14),
        "growth_interval": (1000, 2, 1, 3),
    }
    fields = st.fixed_dictionaries({name: st.sampled_from(tuple(pool)) for name, pool in values.items()})
    seeds = st.integers(0, 2**32 - 1)

    @st.composite
    def draw_case(draw: st.DrawFn) -> Case:
        dtype, own = draw(st.sampled_from(("float16",) if overflows else formats(target))), draw(fields)
        if own["growth_interval"] < 1000:
            own["initial_scale"] = min(own["initial_scale"], 1024.0)
        updates, shapes = draw(st.sampled_from((2, 1, 3, 5))), draw(st.sampled_from(SHAPES))
        generator = torch.Generator().manual_seed(draw(seeds))
        style = Style(-4, spread=4, bits=BITS[dtype])
        zero = draw(st.booleans())  # weights that are zero show updates to the last bit
        weights = [fill(generator, Style(0, spread=2, bits=24), shape, torch.float32) * (not zero) for shape in shapes]
        gradients = [[fill(generator, style, shape, torch.float32) for shape in shapes] for _ in range(updates)]
        after = draw(st.integers(1, updates)) if resume else None
        case = Case(dtype, settings(dtype, **own), weights, gradients, frozenset(range(1, updates + 1)), after)
        if not overflows:
            return case
        return with_overflows(case, sorted(draw(st.sets(st.integers(1, updates), min_size=1, max_size=2))))

    return draw_case()


def tiny(dtype: str) -> Case:
    """Scaled gradients that are the smallest numbers of float16, and so become zero if they are divided in it."""
    return exact(dtype, updates=2, eps=2.0**-34)


def small_updates(dtype: str) -> Case:
    """A weight of 1 that takes 1,000 updates of 10^-5, of which none changes a number of 16 bits."""
    own = settings(dtype, lr=2e-5, eps=2.0**-6)
    gradients = [[torch.tensor([-(2.0**-6), 2.0**-6])]] * 1000
    return Case(dtype, own, [torch.ones(2)], gradients, frozenset({1, 1000}))


def sized(dtype: str) -> list[Case]:
    """Many tensors of many sizes, some of the same shape, and one without elements."""
    shapes = ((3,), (3,), (), (0,), (17, 5), (257,), (3,))
    return [exact(dtype, updates=2, shapes=shapes), exact(dtype, updates=2, shapes=((3,),) * 40, seed=1)]
