"""Trainers for transformers: Adafactor, the one optimizer that is left, schedules, and the weights of new models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import transformers
from lm_conformance.torch_optimizer import TorchOptimizer
from lm_conformance.torch_schedule import TorchSchedule
from lm_conformance.trainer import Optimizer, Precision, Stepped, Trainer, hookimpl, offers
from transformers import optimization

from lm_conformance_transformers.initialization import Models, UntiedT5

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


class Adafactor(Transformers):
    """How variants open Adafactor."""

    options: ClassVar[Mapping[str, Any]] = {}

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
            lambda groups: optimization.Adafactor(
                groups,
                lr=lr,
                eps=(eps1, eps2),
                clip_threshold=clipping_threshold,
                decay_rate=-decay_exponent,
                beta1=beta1,
                **self.options,
            ),
        )


class Default(Adafactor, Models):
    """Adafactor as the library makes it by default, the schedules that people use most, and models."""

    name = "transformers"

    @offers("optimizers.adafactor")
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(parameters, **settings)

    @offers("schedules.warmup_cosine", floor="zero")
    def cosine(self, *, peak: float, floor: float, warmup: int, horizon: int) -> Stepped:
        del floor  # declared: zero
        create = partial(
            optimization.get_cosine_schedule_with_warmup, num_warmup_steps=warmup, num_training_steps=horizon
        )
        return TorchSchedule(create, peak=peak)

    @offers("schedules.warmup_linear")
    def linear(self, *, peak: float, warmup: int, horizon: int) -> Stepped:
        create = partial(
            optimization.get_linear_schedule_with_warmup, num_warmup_steps=warmup, num_training_steps=horizon
        )
        return TorchSchedule(create, peak=peak)

    @offers("schedules.inverse_sqrt", warmup="zero")
    def inverse_sqrt(self, *, peak: float, warmup: int) -> Stepped:
        return TorchSchedule(partial(optimization.get_inverse_sqrt_schedule, num_warmup_steps=warmup), peak=peak)


class Momentum(Adafactor):
    """The default with momentum."""

    name = "transformers[momentum]"

    @offers("optimizers.adafactor", momentum="after_rate")
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(parameters, **settings)


class External(Adafactor):
    """With a rate from outside, in proportion to the parameters."""

    name = "transformers[external]"
    options: ClassVar[Mapping[str, Any]] = {"relative_step": False}

    @offers("optimizers.adafactor", rate="external")
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(parameters, **settings)


class Unscaled(Adafactor):
    """With a rate from outside alone, as the library recommends for T5, and as its `Trainer` sets it."""

    name = "transformers[unscaled]"
    options: ClassVar[Mapping[str, Any]] = {"relative_step": False, "scale_parameter": False}

    @offers("optimizers.adafactor", rate="external", scale="none")
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(parameters, **settings)


class UnscaledMomentum(Unscaled):
    """With a rate from outside alone, and momentum."""

    name = "transformers[unscaled,momentum]"

    @offers("optimizers.adafactor", rate="external", scale="none", momentum="after_rate")
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._open(parameters, **settings)


class MinLr(Transformers):
    """The cosine that falls to a floor."""

    name = "transformers[min_lr]"

    @offers("schedules.warmup_cosine")
    def cosine(self, *, peak: float, floor: float, warmup: int, horizon: int) -> Stepped:
        create = partial(
            optimization.get_cosine_with_min_lr_schedule_with_warmup,
            num_warmup_steps=warmup,
            num_training_steps=horizon,
            min_lr=floor,
        )
        return TorchSchedule(create, peak=peak)


class WarmupLrRate(Transformers):
    """The cosine that falls to a floor and counts the update itself."""

    name = "transformers[warmup_lr_rate]"

    @offers("schedules.warmup_cosine", counted="after")
    def cosine(self, *, peak: float, floor: float, warmup: int, horizon: int) -> Stepped:
        create = partial(
            optimization.get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
            num_warmup_steps=warmup,
            num_training_steps=horizon,
            min_lr=floor,
        )
        return TorchSchedule(create, peak=peak)


@hookimpl
def lm_conformance_trainers() -> Iterable[Trainer]:
    yield Default()
    yield Momentum()
    yield External()
    yield Unscaled()
    yield UnscaledMomentum()
    yield MinLr()
    yield WarmupLrRate()
    yield UntiedT5()
