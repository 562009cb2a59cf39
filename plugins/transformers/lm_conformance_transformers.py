"""Trainers for `transformers.optimization.Adafactor`, the one optimizer that the library still brings itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import transformers
from lm_conformance.torch_optimizer import TorchOptimizer
from lm_conformance.trainer import Optimizer, Precision, Trainer, hookimpl, offers
from transformers.optimization import Adafactor

if TYPE_CHECKING:
    from torch import Tensor


class Transformers(Trainer):
    """What all variants share. 16-bit parameters are updated in float32, in which the state stays between updates."""

    version = transformers.__version__
    precisions: ClassVar[Mapping[str, Precision]] = {
        "float64": Precision(scalars="float64"),
        "float32": Precision(scalars="float64"),
        "bfloat16": Precision(compute="float32", scalars="float64"),
        "float16": Precision(compute="float32", scalars="float64"),
    }
    options: ClassVar[Mapping[str, Any]]

    def _open(
        self,
        parameters: Sequence[Tensor],
        *,
        lr: float | None,
        eps1: float,
        eps2: float,
        clipping_threshold: float,
        decay_exponent: float,
        beta1: float | None,
    ) -> Optimizer:
        return TorchOptimizer(
            parameters,
            lambda groups: Adafactor(
                groups,
                lr=lr,
                eps=(eps1, eps2),
                clip_threshold=clipping_threshold,
                decay_rate=-decay_exponent,
                beta1=beta1,
                **self.options,
            ),
        )


class Relative(Transformers):
    """As the library makes it by default: the rate of the paper, in proportion to the parameters."""

    name = "transformers"
    options: ClassVar[Mapping[str, Any]] = {}

    @offers("optimizers.adafactor")
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(parameters, **settings)


class RelativeMomentum(Transformers):
    """The default with momentum."""

    name = "transformers[momentum]"
    options: ClassVar[Mapping[str, Any]] = {}

    @offers("optimizers.adafactor", momentum="after_rate")
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(parameters, **settings)


class External(Transformers):
    """With a rate from outside, in proportion to the parameters."""

    name = "transformers[external]"
    options: ClassVar[Mapping[str, Any]] = {"relative_step": False}

    @offers("optimizers.adafactor", rate="external")
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(parameters, **settings)


class Unscaled(Transformers):
    """With a rate from outside alone, as the library recommends for T5, and as its `Trainer` sets it."""

    name = "transformers[unscaled]"
    options: ClassVar[Mapping[str, Any]] = {"relative_step": False, "scale_parameter": False}

    @offers("optimizers.adafactor", rate="external", scale="none")
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(parameters, **settings)


class UnscaledMomentum(Transformers):
    """With a rate from outside alone, and momentum."""

    name = "transformers[unscaled,momentum]"
    options: ClassVar[Mapping[str, Any]] = {"relative_step": False, "scale_parameter": False}

    @offers("optimizers.adafactor", rate="external", scale="none", momentum="after_rate")
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(parameters, **settings)


@hookimpl
def lm_conformance_trainers() -> Iterable[Trainer]:
    yield Relative()
    yield RelativeMomentum()
    yield External()
    yield Unscaled()
    yield UnscaledMomentum()
