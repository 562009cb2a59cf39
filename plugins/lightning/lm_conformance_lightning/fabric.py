"""The plugin `MixedPrecision` of `lightning.fabric`, and its clipping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.precision import MixedPrecision
from lm_conformance.trainer import LossScaler, offers
from torch import Tensor

from lm_conformance_lightning.parameters import Counted, Lightning, packed, unpacked, with_gradients


class Module(torch.nn.Module):
    """Parameters."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList(parameters)


class Scaler:
    """The plugin's loss scaler, with a new module for every update."""

    def __init__(self, **settings: Any) -> None:
        self.plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", **settings))
        self.fabric = Fabric(accelerator="cpu", devices=1, plugins=[self.plugin])

    def scale(self, loss: Tensor) -> Tensor | None:
        """The derivative of the scaled loss, where the loss is in proportion to a weight that is 1."""
        weight = torch.ones((), requires_grad=True)
        self.fabric.backward(loss * weight)
        return weight.grad

    def step(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None] | None:
        """The gradients that the optimizer got."""
        parameters = with_gradients(gradients)
        optimizer = Counted(parameters)
        _, wrapped = self.fabric.setup(Module(parameters), optimizer)
        wrapped.step()
        return [parameter.grad for parameter in parameters] if optimizer.made else None

    def save(self) -> bytes:
        """The plugin's part of a checkpoint."""
        return packed(self.plugin.state_dict())

    def load(self, saved: bytes) -> None:
        """Continue from what was saved."""
        self.plugin.load_state_dict(unpacked(saved))


class FabricPages(Lightning):
    """What `lightning.Fabric` does on the CPU."""

    name = "lightning[fabric]"

    @offers("gradients.global_norm_clipping", epsilon="added", nonfinite="raised")
    def clip(self, gradients: Sequence[Tensor | None], *, max_norm: float) -> tuple[list[Tensor | None], Any]:
        parameters = with_gradients(gradients)
        fabric = Fabric(accelerator="cpu", devices=1)
        module, optimizer = fabric.setup(Module(parameters), Counted(parameters))
        norm = fabric.clip_gradients(module, optimizer, max_norm=max_norm)
        return [parameter.grad for parameter in parameters], norm

    @offers("precision.loss_scaling")
    def loss_scaling(self, *, initial_scale: float, **settings: Any) -> LossScaler:
        return Scaler(init_scale=initial_scale, **settings)
