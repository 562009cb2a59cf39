"""The loss scalers, and the optimizer that keeps float32 weights beside those of the model in 16 bits."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import megatron.core
import torch
from lm_conformance.cases.tensors import copy
from lm_conformance.trainer import LossScaler, MixedPrecision, Precision, Trainer, offers
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig
from megatron.core.optimizer import OptimizerConfig, get_megatron_optimizer
from megatron.core.optimizer.grad_scaler import ConstantGradScaler, DynamicGradScaler, MegatronGradScaler
from megatron.core.optimizer.optimizer import Float16OptimizerWithFloat16Params
from megatron.core.transformer import MegatronModule, TransformerConfig
from torch import Tensor

from lm_conformance_megatron.cpu import cpu, world


class Scaler:
    """A loss scaler in the optimizer that uses it, which gets new parameters for every update."""

    def __init__(self, scaler: MegatronGradScaler) -> None:
        self.scaler = scaler

    def _optimizer(self, parameters: Sequence[Tensor]) -> Float16OptimizerWithFloat16Params:
        config = OptimizerConfig(fp16=True, clip_grad=0.0)
        optimizer = Float16OptimizerWithFloat16Params(torch.optim.SGD(parameters, lr=0.0), config, self.scaler, None)
        optimizer.grad_stats_parallel_group = world()
        return optimizer

    def scale(self, loss: Tensor) -> Tensor:
        """The optimizer's scaled loss, which has one dimension."""
        with cpu():
            return self._optimizer([torch.nn.Parameter(torch.zeros(()))]).scale_loss(loss)

    def step(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None] | None:
        """The optimizer's gradients before its update."""
        parameters = [torch.nn.Parameter(torch.zeros(()) if g is None else torch.empty_like(g)) for g in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.main_grad = None if gradient is None else copy(gradient)  # type: ignore[attr-defined]
        with cpu():
            updated, _, _ = self._optimizer(parameters).step()
        return [parameter.grad for parameter in parameters] if updated else None

    def save(self) -> bytes:
        """The scaler's state."""
        file = io.BytesIO()
        torch.save(self.scaler.state_dict(), file)
        return file.getvalue()

    def load(self, saved: bytes) -> None:
        """Continue from what was saved."""
        with cpu():
            self.scaler.load_state_dict(torch.load(io.BytesIO(saved), weights_only=True))


class Model(MegatronModule):
    """Nothing but parameters."""

    def __init__(self, config: TransformerConfig, weights: Sequence[Tensor]) -> None:
        super().__init__(config)
        self.weights = torch.nn.ParameterList([torch.nn.Parameter(weight) for weight in weights])


KINDS: Mapping[str, Mapping[str, bool]] = {"float16": {"fp16": True}, "bfloat16": {"bf16": True}, "float32": {}}


class Mixed:
    """A model with float32 gradients, and the optimizer that Megatron Core makes for it."""

    def __init__(self, weights: Sequence[Tensor], *, dtype: str, **settings: Any) -> None:
        world()
        narrow, kind = getattr(torch, dtype), KINDS[dtype]
        config = TransformerConfig(num_layers=1, hidden_size=1, num_attention_heads=1, params_dtype=narrow, **kind)
        with cpu():
            self.model = Model(config, [weight.to(narrow) for weight in weights])
            data_parallel = DistributedDataParallelConfig(grad_reduce_in_fp32=True)
            self.parallel = DistributedDataParallel(config, data_parallel, self.model)
            self.optimizer = get_megatron_optimizer(
                OptimizerConfig(
                    optimizer="adam",
                    decoupled_weight_decay=False,
                    weight_decay=0.0,
                    clip_grad=0.0,
                    **kind,
                    **settings,
                ),
                [self.parallel],
            )

    def scale(self, loss: Tensor) -> Tensor:
        """The optimizer's scaled loss, which has one dimension."""
        with cpu():
            return self.optimizer.scale_loss(loss)

    def step(self, gradients: Sequence[Tensor]) -> None:
        """One update, after a backward pass that ends with these gradients."""
        with cpu():
            self.parallel.zero_grad_buffer()
            self.optimizer.zero_grad()
            torch.autograd.backward(list(self.model.weights), list(gradients))
            self.parallel.finish_grad_sync()
            self.optimizer.step()

    def masters(self) -> list[Tensor]:
        """The optimizer's float32 weights, where they are not the model's."""
        return [weight.main_param for weight in self.model.weights if hasattr(weight, "main_param")]

    def gradients(self) -> list[Tensor]:
        """Where the backward pass adds its gradients."""
        return [weight.main_grad for weight in self.model.weights]

    def copies(self) -> list[Tensor]:
        """The parameters of the model."""
        return [weight.detach() for weight in self.model.weights]

    def state(self) -> list[Any]:
        """What Adam keeps, weight by weight."""
        kept = self.optimizer.optimizer.state
        return [value for master in self.masters() or self.model.weights for value in kept.get(master, {}).values()]

    def save(self) -> bytes:
        """The states of the model and of the optimizer."""
        file = io.BytesIO()
        with cpu():
            torch.save([self.model.state_dict(), self.optimizer.state_dict()], file)
        return file.getvalue()

    def load(self, saved: bytes) -> None:
        """Continue from what was saved."""
        with cpu():
            model, optimizer = torch.load(io.BytesIO(saved), weights_only=True)
            self.model.load_state_dict(model)
            self.optimizer.load_state_dict(optimizer)


class MixedPrecisionPages(Trainer):
    """All arithmetic is float32, as are gradients and moments."""

    version = megatron.core.__version__
    precisions: ClassVar[Mapping[str, Precision]] = {"float32": Precision(scalars="float64")}

    @offers("precision.loss_scaling", hysteresis="growth", floor="given")
    def loss_scaling(self, *, floor: float, **settings: Any) -> LossScaler:
        with cpu():
            return Scaler(DynamicGradScaler(min_scale=floor, **settings))

    @offers("precision.static_loss_scaling")
    def static_loss_scaling(self, *, scale: float) -> LossScaler:
        with cpu():
            return Scaler(ConstantGradScaler(scale))

    @offers("precision.master_weights", start="rounded")
    def master_weights(
        self,
        weights: Sequence[Tensor],
        *,
        beta1: float,
        beta2: float,
        eps: float,
        initial_scale: float | None,
        growth_interval: int | None,
        **settings: Any,
    ) -> MixedPrecision:
        scaling = {}
        if initial_scale is not None:
            scaling = {
                "initial_loss_scale": initial_scale,
                "loss_scale_window": growth_interval,
                "min_loss_scale": torch.finfo(torch.float32).tiny,
                "hysteresis": 1,
            }
        return Mixed(weights, adam_beta1=beta1, adam_beta2=beta2, adam_eps=eps, **scaling, **settings)

    @offers("precision.memory", gradients="wide")
    def memory(self, weights: Sequence[Tensor], gradients: Sequence[Tensor], *, dtype: str) -> dict[str, list[Tensor]]:
        mixed = Mixed(weights, dtype=dtype, lr=1e-3)
        mixed.step(gradients)
        return {
            "weights": mixed.copies(),
            "masters": mixed.masters(),
            "gradients": mixed.gradients(),
            "moments": [value for value in mixed.state() if value.dim() > 0],
        }
