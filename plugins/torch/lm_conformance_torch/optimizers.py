"""`torch.optim` and `clip_grad_norm_`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from lm_conformance.torch_optimizer import TorchOptimizer
from lm_conformance.trainer import Optimizer, Precision, Trainer, offers
from torch import Tensor

DTYPES = ("float64", "float32", "bfloat16", "float16")


class Optimizers(Trainer):
    """What all implementations offer: each operation is rounded to the dtype of the parameters."""

    version = torch.__version__
    precisions: ClassVar[Mapping[str, Precision]] = {dtype: Precision(scalars="float64") for dtype in DTYPES}
    implementation: ClassVar[Mapping[str, bool]] = {"foreach": False, "fused": False}
    device = "cpu"

    def _open(self, kind: type[torch.optim.Optimizer], parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        decayed = settings.pop("decayed", None)
        return TorchOptimizer(
            parameters,
            lambda groups: kind(groups, **settings, **self.implementation),
            decayed=decayed,
            device=self.device,
        )

    @offers("optimizers.sgd")
    def sgd(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(torch.optim.SGD, parameters, **settings)

    @offers("optimizers.momentum")
    def momentum(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(torch.optim.SGD, parameters, **settings)

    @offers("optimizers.nesterov")
    def nesterov(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(torch.optim.SGD, parameters, nesterov=True, **settings)

    @offers("optimizers.adam", epsilon="after")
    def adam(self, parameters: Sequence[Tensor], *, beta1: float, beta2: float, **settings: Any) -> Optimizer:
        return self._open(torch.optim.Adam, parameters, betas=(beta1, beta2), **settings)

    @offers("optimizers.adamw", decay="rate")
    def adamw(self, parameters: Sequence[Tensor], *, beta1: float, beta2: float, **settings: Any) -> Optimizer:
        return self._open(torch.optim.AdamW, parameters, betas=(beta1, beta2), **settings)

    @offers("gradients.global_norm_clipping", epsilon="added")
    def clip(self, gradients: Sequence[Tensor | None], *, max_norm: float) -> tuple[list[Tensor | None], Tensor]:
        parameters = []
        for gradient in gradients:
            holder = torch.zeros((), device=self.device) if gradient is None else torch.empty_like(gradient)
            parameters.append(torch.nn.Parameter(holder.to(self.device)))
            parameters[-1].grad = None if gradient is None else gradient.to(self.device, copy=True)
        foreach = self.implementation["foreach"]
        norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm, foreach=foreach)
        return [parameter.grad for parameter in parameters], norm


class Adafactor(Optimizers):
    """With Adafactor, of which there is no fused implementation."""

    @offers("optimizers.adafactor", rate="capped", epsilon1="floor")
    def adafactor(
        self,
        parameters: Sequence[Tensor],
        *,
        eps1: float,
        eps2: float,
        clipping_threshold: float,
        decay_exponent: float,
        beta1: None,  # noqa: ARG002 declared: momentum = none
        lr: float,
    ) -> Optimizer:
        foreach = self.implementation["foreach"]
        return TorchOptimizer(
            parameters,
            lambda groups: torch.optim.Adafactor(
                groups,
                lr=lr,
                beta2_decay=-decay_exponent,
                eps=(eps1, eps2),
                d=clipping_threshold,
                weight_decay=0.0,
                foreach=foreach,
            ),
            device=self.device,
        )
