"""`torch.amp`: 16-bit numbers, `GradScaler` on the CPU, and autocast with float32 weights."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lm_conformance.trainer import Casts, LossScaler, MixedPrecision, Reductions, Trainer, offers
from torch import Tensor

HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


class Numbers:
    """Casts and sums in one format."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def cast(self, values: Tensor) -> Tensor:
        return values.to(self.dtype)

    def add(self, one: Tensor, other: Tensor) -> Tensor:
        return one + other


class Sums:
    """Reductions of 16-bit tensors."""

    def sum(self, values: Tensor) -> Tensor:
        return values.sum()

    def dot(self, one: Tensor, other: Tensor) -> Tensor:
        return torch.dot(one, other)

    def norm(self, values: Tensor) -> Tensor:
        return torch.linalg.vector_norm(values)


class Recorder(torch.optim.SGD):
    """An optimizer that remembers whether it was asked for an update."""

    called = False

    def step(self, closure: Any = None) -> None:  # noqa: ARG002 the signature of every optimizer
        self.called = True


class Scaler:
    """`GradScaler` with an optimizer of its own for every update."""

    def __init__(self, **settings: Any) -> None:
        self.scaler = torch.amp.GradScaler("cpu", **settings)

    def scale(self, loss: Tensor) -> Tensor:
        return self.scaler.scale(loss)

    def step(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None] | None:
        parameters = [torch.nn.Parameter(torch.zeros(()) if g is None else torch.zeros_like(g)) for g in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        optimizer = Recorder(parameters)
        self.scaler.unscale_(optimizer)
        self.scaler.step(optimizer)
        self.scaler.update()
        return [parameter.grad for parameter in parameters] if optimizer.called else None

    def save(self) -> Mapping[str, Any]:
        return self.scaler.state_dict()

    def load(self, saved: Mapping[str, Any]) -> None:
        self.scaler.load_state_dict(dict(saved))


def read(parameters: Sequence[Tensor], dtype: torch.dtype | None) -> list[Tensor]:
    """The products of the identity with weights under autocast: the weights as a model reads them, with their graph."""
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        columns = [torch.mm(torch.eye(p.numel()), p.reshape(-1, 1)) for p in parameters]
    return [column.reshape(p.shape) for column, p in zip(columns, parameters, strict=True)]


class Autocast:
    """Float32 weights that a product under autocast reads as 16-bit numbers, Adam, and a scaler where there is one."""

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
        self.dtype = HALVES[dtype]
        self.parameters = [torch.nn.Parameter(weight.clone()) for weight in weights]
        self.optimizer = torch.optim.Adam(self.parameters, lr=lr, betas=(beta1, beta2), eps=eps, foreach=False)
        scaling = {} if initial_scale is None else {"init_scale": initial_scale, "growth_interval": growth_interval}
        self.scaler = torch.amp.GradScaler("cpu", enabled=initial_scale is not None, **scaling)

    def scale(self, loss: Tensor) -> Tensor:
        return self.scaler.scale(loss)

    def step(self, gradients: Sequence[Tensor]) -> None:
        self.optimizer.zero_grad()
        torch.autograd.backward(read(self.parameters, self.dtype), list(gradients))
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def masters(self) -> list[Tensor]:
        return [parameter.detach() for parameter in self.parameters]

    def copies(self) -> list[Tensor]:
        return [copy.detach() for copy in read(self.parameters, self.dtype)]

    def state(self) -> list[Tensor]:
        return [value for p in self.parameters for value in self.optimizer.state[p].values()]

    def save(self) -> bytes:
        file = io.BytesIO()
        torch.save([self.masters(), self.optimizer.state_dict(), self.scaler.state_dict()], file)
        return file.getvalue()

    def load(self, saved: bytes) -> None:
        masters, optimizer, scaler = torch.load(io.BytesIO(saved), weights_only=True)
        with torch.no_grad():
            for parameter, master in zip(self.parameters, masters, strict=True):
                parameter.copy_(master)
        self.optimizer.load_state_dict(optimizer)
        self.scaler.load_state_dict(scaler)


class MixedPrecisions(Trainer):
    """What `torch.amp` has."""

    @offers("precision.float16")
    def float16(self) -> Casts:
        return Numbers(torch.float16)

    @offers("precision.bfloat16")
    def bfloat16(self) -> Casts:
        return Numbers(torch.bfloat16)

    @offers("precision.reductions", result="narrow")
    def reductions(self) -> Reductions:
        return Sums()

    @offers("precision.loss_scaling")
    def loss_scaling(self, *, initial_scale: float, **settings: Any) -> LossScaler:
        return Scaler(init_scale=initial_scale, **settings)

    @offers("precision.master_weights")
    def master_weights(self, weights: Sequence[Tensor], **settings: Any) -> MixedPrecision:
        return Autocast(weights, **settings)

    @offers("precision.memory", gradients="wide")
    def memory(
        self, weights: Sequence[Tensor], gradients: Sequence[Tensor], *, dtype: str
    ) -> Mapping[str, Sequence[Tensor]]:
        parameters = [torch.nn.Parameter(weight.float()) for weight in weights]
        optimizer = torch.optim.Adam(parameters, foreach=False)
        copies = read(parameters, HALVES.get(dtype))
        torch.autograd.backward(copies, list(gradients))
        optimizer.step()
        states = [optimizer.state[parameter] for parameter in parameters]
        return {
            "weights": copies if dtype in HALVES else parameters,
            "masters": parameters if dtype in HALVES else [],
            "gradients": [parameter.grad for parameter in parameters],
            "moments": [state[name] for state in states for name in ("exp_avg", "exp_avg_sq")],
        }
