"""The plugins `MixedPrecision` and `HalfPrecision` of `lightning.pytorch`, and the clipping of its modules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.plugins.precision import HalfPrecision, MixedPrecision, Precision
from lightning.pytorch.strategies import Strategy
from lm_conformance.trainer import Casts, LossScaler, offers
from lm_conformance.trainer import MixedPrecision as Mixed
from torch import Tensor

from lm_conformance_lightning.parameters import Counted, Lightning, packed, unpacked, with_gradients

NAMES = {"float16": "16", "bfloat16": "bf16"}


class Module(LightningModule):
    """Parameters, each the weight of a linear layer with one input, which is always 1."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList(parameters)

    def forward(self) -> list[Tensor]:
        return outputs(self.weights, torch.ones(1, 1))


def outputs(weights: Iterable[Tensor], one: Tensor) -> list[Tensor]:
    """The outputs of layers with these weights."""
    return [torch.nn.functional.linear(one, weight.reshape(-1, 1)).reshape(weight.shape) for weight in weights]


class Loop:
    """Lightning's trainer before the first batch, with a plugin, and any module and optimizer."""

    def __init__(self, plugin: Precision) -> None:
        self.plugin = plugin
        self.trainer = Trainer(
            accelerator="cpu",
            devices=1,
            plugins=[plugin],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    def attach(self, module: Module, optimizer: torch.optim.Optimizer) -> Strategy:
        """What makes the updates of a module."""
        strategy: Strategy = self.trainer.strategy
        strategy.connect(module)
        strategy.optimizers = [optimizer]
        module.trainer = self.trainer
        return strategy


def chosen(dtype: str, **settings: Any) -> Precision:
    """The plugin for a format, with a loss scaler of its own for float16."""
    if dtype == "float32":
        return Precision()
    scaler = torch.amp.GradScaler("cpu", **settings) if dtype == "float16" else None
    return MixedPrecision(f"{NAMES[dtype]}-mixed", "cpu", scaler)


class Scaler:
    """The plugin's loss scaler, with a new module for every update."""

    def __init__(self, **settings: Any) -> None:
        self.plugin = chosen("float16", **settings)
        self.loop = Loop(self.plugin)

    def scale(self, loss: Tensor) -> Tensor:
        """The loss before the backward pass."""
        module = Module(with_gradients([None]))
        self.loop.attach(module, Counted(list(module.weights)))
        return self.plugin.pre_backward(loss, module)

    def step(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None] | None:
        """The gradients that the optimizer got."""
        module = Module(with_gradients(gradients))
        optimizer = Counted(list(module.weights))
        self.loop.attach(module, optimizer).optimizer_step(optimizer, lambda: torch.zeros(()), module)
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
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        initial_scale: float | None = None,
        growth_interval: int | None = None,
    ) -> None:
        settings = {} if initial_scale is None else {"init_scale": initial_scale, "growth_interval": growth_interval}
        self.plugin = chosen(dtype, **settings)
        self.module = Module([torch.nn.Parameter(weight) for weight in weights])
        self.optimizer = torch.optim.Adam(self.module.parameters(), lr=lr, betas=(beta1, beta2), eps=eps)
        self.strategy = Loop(self.plugin).attach(self.module, self.optimizer)

    def scale(self, loss: Tensor) -> Tensor:
        """The loss before the backward pass."""
        return self.plugin.pre_backward(loss, self.module)

    def step(self, gradients: Sequence[Tensor]) -> None:
        """One update, after a backward pass that begins with these gradients."""

        def closure() -> Tensor:
            self.module.zero_grad()
            with self.plugin.forward_context():
                computed = self.module()
            torch.autograd.backward(computed, list(gradients))
            return torch.zeros(())

        self.strategy.optimizer_step(self.optimizer, closure, self.module)

    def masters(self) -> list[Tensor]:
        """The module's parameters."""
        return [weight.detach() for weight in self.module.weights]

    def copies(self) -> list[Tensor]:
        """What autocast makes of them: a layer keeps its weight, as it computed with it, for the backward pass."""
        kept: list[Tensor] = []

        def keep(tensor: Tensor) -> Tensor:
            kept.append(tensor.detach())
            return tensor

        one = torch.ones(1, 1, requires_grad=True)
        with self.plugin.forward_context(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            outputs(self.masters(), one)
        return [copy.reshape(weight.shape) for copy, weight in zip(kept, self.module.weights, strict=True)]

    def gradients(self) -> list[Tensor]:
        """What the backward pass left."""
        return [weight.grad for weight in self.module.weights if weight.grad is not None]

    def state(self) -> list[Any]:
        """What Adam keeps, weight by weight."""
        return [value for weight in self.module.weights for value in self.optimizer.state[weight].values()]

    def save(self) -> bytes:
        """The parts of a checkpoint."""
        state = {
            "state_dict": self.strategy.lightning_module_state_dict(),
            "optimizer_states": [self.strategy.optimizer_state(self.optimizer)],
            "precision": self.plugin.state_dict(),
        }
        return packed(state)

    def load(self, saved: bytes) -> None:
        """Continue from what was saved."""
        state = unpacked(saved)
        self.strategy.load_model_state_dict(state)
        self.strategy.load_optimizer_state_dict(state)
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
        Loop(Precision()).attach(module, optimizer)
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

    @offers("precision.memory", gradients="wide")
    def memory(self, weights: Sequence[Tensor], gradients: Sequence[Tensor], *, dtype: str) -> dict[str, list[Tensor]]:
        model = AutocastAdam(weights, dtype=dtype)
        model.scale(torch.ones(()))
        model.step(gradients)
        return {
            "weights": model.copies(),
            "masters": [] if dtype == "float32" else model.masters(),
            "gradients": model.gradients(),
            "moments": [value for value in model.state() if value.dim() > 0],
        }
