"""Trainers for `bitsandbytes.optim` on the CPU: with their state in 32 bits, and in 8."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import bitsandbytes
from bitsandbytes import optim
from bitsandbytes.functional import create_dynamic_map
from lm_conformance.torch_optimizer import TorchOptimizer
from lm_conformance.trainer import Blockwise, Optimizer, Precision, Trainer, hookimpl, offers

if TYPE_CHECKING:
    from torch import Tensor


class Bitsandbytes(Trainer):
    """All arithmetic is float32, whatever the parameters' dtype; what is kept is float32 as well."""

    name = "bitsandbytes"
    version = bitsandbytes.__version__
    precisions: ClassVar[Mapping[str, Precision]] = {
        "float32": Precision(scalars="float64"),
        "bfloat16": Precision(compute="float32", scalars="float64"),
        "float16": Precision(compute="float32", scalars="float64"),
    }
    classes: ClassVar[Mapping[str, Any]] = {"sgd": optim.SGD32bit, "adam": optim.Adam32bit, "adamw": optim.AdamW32bit}
    options: ClassVar[Mapping[str, Any]] = {}

    def _open(self, kind: str, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        decayed = settings.pop("decayed", None)
        return TorchOptimizer(
            parameters, lambda groups: self.classes[kind](groups, **settings, **self.options), decayed=decayed
        )

    @offers("optimizers.momentum", dampening="absent", without="refused")
    def momentum(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open("sgd", parameters, **settings)

    @offers("optimizers.nesterov")
    def nesterov(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open("sgd", parameters, nesterov=True, **settings)

    @offers("optimizers.adam")
    def adam(self, parameters: Sequence[Tensor], *, beta1: float, beta2: float, **settings: Any) -> Optimizer:
        return self._open("adam", parameters, betas=(beta1, beta2), **settings)

    @offers("optimizers.adamw")
    def adamw(self, parameters: Sequence[Tensor], *, beta1: float, beta2: float, **settings: Any) -> Optimizer:
        return self._open("adamw", parameters, betas=(beta1, beta2), **settings)


def half_gap(*, signed: bool) -> float:
    """Half the widest distance between two neighbouring codes of the library's dynamic map."""
    return create_dynamic_map(signed=signed).diff().max().item() / 2


# One block has one scale. The map of numbers of either sign, of m and b, is the coarser one: 0.0070 against 0.0035.
STATE = Blockwise(block=256, half_gap=max(half_gap(signed=True), half_gap(signed=False)))


class EightBits(Bitsandbytes):
    """The state is kept in 8 bits, for tensors of every size: by default those below 4,096 elements keep 32."""

    name = "bitsandbytes[8bit]"
    precisions: ClassVar[Mapping[str, Precision]] = {
        "float32": Precision(scalars="float64", state=STATE),
        "bfloat16": Precision(compute="float32", scalars="float64", state=STATE),
        "float16": Precision(compute="float32", scalars="float64", state=STATE),
    }
    classes: ClassVar[Mapping[str, Any]] = {"sgd": optim.SGD8bit, "adam": optim.Adam8bit, "adamw": optim.AdamW8bit}
    options: ClassVar[Mapping[str, Any]] = {"min_8bit_size": 1}


@hookimpl
def lm_conformance_trainers() -> Iterable[Trainer]:
    yield Bitsandbytes()
    yield EightBits()
