"""The plugins `MixedPrecision` and `HalfPrecision` of `lightning.pytorch`, and the clipping of its modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch import Trainer as Loop
from lightning.pytorch.plugins.precision import HalfPrecision, MixedPrecision, Precision
from lm_conformance.trainer import Casts, LossScaler, offers
from lm_conformance.trainer import MixedPrecision as Mixed
from torch import Tensor

from lm_conformance_lightning.parameters import Counted, Lightning, packed, unpacked, with_gradients

NAMES = {"float16": "16", "bfloat16": "bf16"}


class Module(LightningModule):
    """Parameters, each the weight of a linear layer with one input; the outputs for 1 are the weights themselves."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList(parameters)

    def forward(self) -> list[Tensor]:
        """The weights as the layers compute with them."""
        one = torch.ones(1, 1)
        outputs = [torch.nn.functional.linear(one, weight.reshape(-1, 1)) for weight in self.weights]
        return [output.reshape(weight.shape) for output, weight in zip(outputs, self.weights, strict=True)]


def attached(module: Module, plugin: Precision, optimizer: torch.optim.Optimizer) -> Loop:
    """Lightning's trainer for a module, before the first batch."""
    loop = Loop(
        accelerator="cpu",
        devices=1,
        plugins=[plugin],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loop.strategy.connect(module)
    loop.strategy.optimizers = [optimizer]
    module.trainer = loop
    return loop


def mixed(dtype: str, **settings: Any) -> MixedPrecision:
    """The plugin, with a loss scaler of its own for float16."""
    scaler = torch.amp.GradScaler("cpu", **settings) if dtype == "float16" else None
    return MixedPrecision(f"{NAMES[dtype]}-mixed", "cpu", scaler)


class Scaler:
    """The plugin's loss scaler, with a new module for every update."""

    def __init__(self, **settings: Any) -> None:
        self.plugin = mixed("float16", **settings)

    def _attached(self, gradients: Sequence[Tensor | None]) -> tuple[Module, Counted, Loop]:
        module = Module(with_gradients(gradients))
        optimizer = Counted(list(module.weights))
        return module, optimizer, attached(module, self.plugin, optimizer)

    def scale(self, loss: Tensor) -> Tensor:
        """The loss before the backward pass."""
        module, _, _ = self._attached([None])
        return self.plugin.pre_backward(loss, module)

    def step(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None] | None:
        """The gradients that the optimizer got."""
        module, optimizer, loop = self._attached(gradients)
        loop.strategy.optimizer_step(optimizer, lambda: torch.zeros(()), module)
        return [weight.grad for weight in module.weights] if optimizer.made else None

    def save(self) -> bytes:
        """The plugin's part of a checkpoint."""
        return packed(self.plugin.state_dict())

    def load(self, saved: bytes) -> None:
        """Continue from what was saved."""
        self.plugin.load_state_dict(unpacked(saved))


class AutocastAdam:
    """torch's Adam on float32 weights, of which autocast makes copies whenever the model computes."""

    def __init__(
        self,
        weights: Sequence[Tensor],
        *,
        dtype: str,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        initial_scale: float | None,
        growth_interval: int | None,
    ) -> None:
        settings = {} if initial_scale is None else {"init_scale": initial_scale, "growth_interval": growth_interval}
        self.plugin = mixed(dtype, **settings)
        self.module = Module([torch.nn.Parameter(weight) for weight in weights])
        self.optimizer = torch.optim.Adam(self.module.parameters(), lr=lr, betas=(beta1, beta2), eps=eps)
        self.loop = attached(self.module, self.plugin, self.optimizer)

    def _outputs(self) -> list[Tensor]:
        with self.plugin.forward_context():
            return self.module()

    def scale(self, loss: Tensor) -> Tensor:
        """The loss before the backward pass."""
        return self.plugin.pre_backward(loss, self.module)

    def step(self, gradients: Sequence[Tensor]) -> None:
        """One update, after a backward pass that begins with these gradients."""

        def closure() -> Tensor:
            self.module.zero_grad()
            torch.autograd.backward(self._outputs(), list(gradients))
            return torch.zeros(())

        self.loop.strategy.optimizer_step(self.optimizer, closure, self.module)

    def masters(self) -> list[Tensor]:
        """The module's parameters."""
        return [weight.detach() for weight in self.module.weights]

    def copies(self) -> list[Tensor]:
        """What autocast makes of them."""
        return [output.detach() for output in self._outputs()]

    def gradients(self) -> list[Tensor | None]:
        """What the backward pass left."""
        return [weight.grad for weight in self.module.weights]

    def state(self) -> list[Any]:
        """What Adam keeps, weight by weight."""
        return [value for weight in self.module.weights for value in self.optimizer.state[weight].values()]

    def save(self) -> bytes:
        """The parts of a checkpoint."""
        strategy = self.loop.strategy
        state = {
            "state_dict": strategy.lightning_module_state_dict(),
            "optimizer_states": [strategy.optimizer_state(self.optimizer)],
            "precision": self.plugin.state_dict(),
        }
        return packed(state)

    def load(self, saved: bytes) -> None:
        """Continue from what was saved."""
        state = unpacked(saved)
        self.loop.strategy.load_model_state_dict(state)
        self.loop.strategy.load_optimizer_state_dict(state)
        self.plugin.load_state_dict(state["precision"])


class Converted:
    """Numbers in 16 bits as the plugin for models of 16-bit weights makes them."""

    def __init__(self, dtype: str) -> None:
        self.plugin = HalfPrecision(f"{NAMES[dtype]}-true")

    def cast(self, values: Tensor) -> Tensor:
        """The plugin's numbers."""
        return self.plugin.convert_input(values)

    def add(self, one: Tensor, other: Tensor) -> Tensor:
        """Sums as a model computes them."""
        with self.plugin.forward_context():
            return one + other


class TrainerPages(Lightning):
    """What `lightning.pytorch.Trainer` does on the CPU."""

    name = "lightning"

    @offers("gradients.global_norm_clipping", epsilon="added")
    def clip(self, gradients: Sequence[Tensor | None], *, max_norm: float) -> tuple[list[Tensor | None], None]:
        module = Module(with_gradients(gradients))
        optimizer = Counted(list(module.weights))
        attached(module, Precision(), optimizer)
        module.clip_gradients(optimizer, gradient_clip_val=max_norm, gradient_clip_algorithm="norm")
        return [weight.grad for weight in module.weights], None

    @offers("precision.float16")
    def float16(self) -> Casts:
        return Converted("float16")

    @offers("precision.bfloat16")
    def bfloat16(self) -> Casts:
        return Converted("bfloat16")

    @offers("precision.loss_scaling")
    def loss_scaling(self, *, initial_scale: float, **settings: Any) -> LossScaler:
        return Scaler(init_scale=initial_scale, **settings)

    @offers("precision.master_weights")
    def master_weights(self, weights: Sequence[Tensor], **settings: Any) -> Mixed:
        return AutocastAdam(weights, **settings)
