"""Pages of initialization as functions that draw weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor

LEAST = 2.0**-54  # below every multiple of 2^-53 but 0, which is no number that a law can take


def offered(page: str) -> Callable[..., Any]:
    """What makes of the page's module the function that draws."""
    return matrix if page in {"fan_in", "glorot"} else model


def matrix(page: ModuleType, fan_out: int, fan_in: int, *, seed: int) -> Tensor:
    """One matrix in float32."""
    drawn: Tensor = page.weights(partial(noise, seed), fan_out=fan_out, fan_in=fan_in)
    return drawn.float()


def model(page: ModuleType, *, seed: int, **sizes: int) -> dict[str, list[Tensor]]:
    """All weights of a model in float32."""
    drawn = page.weights(partial(noise, seed), **sizes)
    return {role: [tensor.float() for tensor in tensors] for role, tensors in drawn.items()}


def noise(seed: int, number: int, shape: tuple[int, ...]) -> Tensor:
    """Uniform draws in (0, 1) for the tensor of that number."""
    drawn = np.random.default_rng((seed, number)).random(shape)
    return torch.from_numpy(np.maximum(drawn, LEAST))
