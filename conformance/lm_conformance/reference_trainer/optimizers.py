"""Pages of optimizers as optimizers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor


def offered(page: str) -> Callable[..., Any]:  # noqa: ARG001 all optimizers are made in one way
    """What makes the page's module and its settings an optimizer."""
    return Updates


def wide(tensor: Tensor) -> Tensor:
    """The tensor in the precision in which it is computed."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


class Updates:
    """An optimizer made of a page."""

    def __init__(self, page: ModuleType, parameters: Sequence[Tensor], *, lr: float | None, **settings: Any) -> None:
        self.page = page
        self.parameters = list(parameters)
        self.states = [page.init(wide(parameter)) for parameter in parameters]
        decayed = settings.pop("decayed", None)
        self.settings = [dict(settings) for _ in parameters]
        if decayed is not None:
            for own, listed in zip(self.settings, decayed, strict=True):
                own |= {"decayed": listed, "base_lr": lr}

    def step(self, gradients: Sequence[Tensor | None], *, lr: float | None) -> list[Tensor]:
        """One update of every parameter."""
        for i, gradient in enumerate(gradients):
            theta, g = self.parameters[i], None if gradient is None else wide(gradient)
            new, self.states[i] = self.page.step(wide(theta), g, self.states[i], lr=lr, **self.settings[i])
            self.parameters[i] = new.to(theta.dtype)
        return self.parameters

    def save(self) -> Any:
        """Parameters and states."""
        return self.parameters, self.states

    def load(self, saved: Any) -> None:
        """Continue from what was saved."""
        parameters, states = saved
        self.parameters = list(parameters)
        self.states = [self.page.restore(state) for state in states] if hasattr(self.page, "restore") else states

    def state(self, index: int) -> list[Tensor]:
        """The tensors of one parameter's state."""
        return [part for part in self.states[index] if hasattr(part, "numel")]
