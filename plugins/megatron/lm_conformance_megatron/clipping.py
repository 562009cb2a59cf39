"""`megatron.core.optimizer.clip_grads`: one norm over all parameters and all processes, in float32."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from lm_conformance.trainer import Trainer, offers
from megatron.core.optimizer import OptimizerConfig
from megatron.core.optimizer.optimizer import FP32Optimizer
from torch import Tensor

from lm_conformance_megatron.cpu import cpu, world


class Clipping(Trainer):
    """Clipping as the float32 optimizer does it before an update."""

    @offers("gradients.global_norm_clipping", epsilon="added")
    def clip(self, gradients: Sequence[Tensor | None], *, max_norm: float) -> tuple[list[Tensor | None], float]:
        parameters = [torch.nn.Parameter(torch.zeros(()) if g is None else torch.empty_like(g)) for g in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        with cpu():
            optimizer = FP32Optimizer(torch.optim.SGD(parameters, lr=0.0), OptimizerConfig(), None)
            optimizer.grad_stats_parallel_group = world()
            norm = optimizer.clip_grad_norm(max_norm)
        return [parameter.grad for parameter in parameters], norm
