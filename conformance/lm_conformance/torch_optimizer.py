"""For plugins: any `torch.optim.Optimizer` as the `Optimizer` that a trainer returns."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lm_conformance.cases.tensors import copy

Groups = list[dict[str, Any]]


class TorchOptimizer:
    """Parameters on a device, and the optimizer that `create` makes for them.

    `create` gets parameter groups: one, or where `decayed` names parameters without weight decay two, the second with
    `weight_decay` 0.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        create: Callable[[Groups], torch.optim.Optimizer],
        *,
        decayed: Sequence[bool] | None = None,
        device: str = "cpu",
    ) -> None:
        self.device = device
        self.parameters = [torch.nn.Parameter(tensor.to(device)) for tensor in parameters]
        listed = list(decayed) if decayed is not None else [True] * len(self.parameters)
        groups: Groups = [{"params": [p for p, yes in zip(self.parameters, listed, strict=True) if yes]}]
        if not all(listed):
            excluded = [p for p, yes in zip(self.parameters, listed, strict=True) if not yes]
            groups.append({"params": excluded, "weight_decay": 0.0})
        self.optimizer = create([group for group in groups if group["params"]])

    def step(self, gradients: Sequence[Tensor | None], *, lr: float | None) -> list[Tensor]:
        """One update at the rate `lr`; the optimizer's own where it is None."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            # a copy in the same layout: optimizers may use gradients as scratch memory, but these are only lent
            parameter.grad = None if gradient is None else copy(gradient).to(self.device)
        if lr is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = lr
        self.optimizer.step()
        return [parameter.detach() for parameter in self.parameters]

    def save(self) -> bytes:
        """Parameters and the optimizer's state, as a file holds them."""
        file = io.BytesIO()
        torch.save([[p.detach() for p in self.parameters], self.optimizer.state_dict()], file)
        return file.getvalue()

    def load(self, saved: bytes) -> None:
        """Continue from what was saved."""
        parameters, state = torch.load(io.BytesIO(saved), weights_only=True)
        with torch.no_grad():
            for parameter, value in zip(self.parameters, parameters, strict=True):
                parameter.copy_(value)
        self.optimizer.load_state_dict(state)

    def state(self, index: int) -> list[Tensor]:
        """The tensors that the optimizer keeps for one parameter."""
        return [value for value in self.optimizer.state[self.parameters[index]].values() if isinstance(value, Tensor)]
