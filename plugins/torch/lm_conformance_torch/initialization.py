"""`torch.nn.init`, for matrices of shape (outputs, inputs)."""

from __future__ import annotations

import torch
from lm_conformance.trainer import Trainer, offers
from torch import Tensor
from torch.nn import init


class Initialization(Trainer):
    """The two scalings; the uniform one of Glorot's."""

    @offers("initialization.fan_in")
    def fan_in(self, fan_out: int, fan_in: int, *, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return init.kaiming_normal_(torch.empty(fan_out, fan_in), nonlinearity="linear", generator=generator)

    @offers("initialization.glorot", law="uniform")
    def glorot(self, fan_out: int, fan_in: int, *, seed: int) -> Tensor:
        return init.xavier_uniform_(torch.empty(fan_out, fan_in), generator=torch.Generator().manual_seed(seed))


class XavierNormal(Trainer):
    """The normal one of Glorot's."""

    name = "torch[xavier_normal]"
    version = torch.__version__

    @offers("initialization.glorot", law="normal")
    def glorot(self, fan_out: int, fan_in: int, *, seed: int) -> Tensor:
        return init.xavier_normal_(torch.empty(fan_out, fan_in), generator=torch.Generator().manual_seed(seed))
