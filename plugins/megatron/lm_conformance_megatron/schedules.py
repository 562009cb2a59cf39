"""`OptimizerParamScheduler`, which sets the rate of every update, and the calculator of the size of a batch."""

from __future__ import annotations

import io
import sys
from typing import Any

import torch
from lm_conformance.trainer import Schedule, Trainer, offers
from megatron.core.num_microbatches_calculator import RampupBatchsizeNumMicroBatchesCalculator
from megatron.core.optimizer_param_scheduler import OptimizerParamScheduler


class Curve:
    """A scheduler and the optimizer whose rate it sets; it is followed, or asked through a fresh one."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=0.0)
        self.scheduler = OptimizerParamScheduler(
            self.optimizer,
            init_lr=0.0,
            start_wd=0.0,
            end_wd=0.0,
            wd_incr_steps=0,
            wd_incr_style="constant",
            **settings,
        )

    def _rate(self) -> float:
        rate: float = self.optimizer.param_groups[0]["lr"]
        return rate

    def rate(self, x: float) -> float:
        """The rate after x units, which a scheduler takes in one step when a checkpoint is loaded."""
        fresh = Curve(**self.settings)
        fresh.scheduler.step(increment=x)
        return fresh._rate()

    def step(self) -> float:
        """The rate of the next update."""
        rate = self._rate()
        self.scheduler.step(increment=1)
        return rate

    def save(self) -> bytes:
        """The scheduler's state, as a checkpoint has it."""
        file = io.BytesIO()
        torch.save(self.scheduler.state_dict(), file)
        return file.getvalue()

    def load(self, saved: bytes) -> None:
        """Continue from what was saved."""
        self.scheduler.load_state_dict(torch.load(io.BytesIO(saved), weights_only=True))


class Ramp:
    """The size of a batch in rows, of one micro-batch for each row and one process."""

    def __init__(self, *, first: int, full: int, ramp: int) -> None:
        self.calculator = RampupBatchsizeNumMicroBatchesCalculator(
            global_batch_size=full,
            micro_batch_size=1,
            data_parallel_size=1,
            decrease_batch_size_if_needed=False,
            rank=0,
            start_global_batch_size=first,
            batch_size_increment=1,
            ramup_samples=ramp,
        )

    def rate(self, x: float) -> float:
        """The size after x rows."""
        self.calculator.update(x, consistency_check=True)
        return float(self.calculator.get_current_global_batch_size())


class Schedules(Trainer):
    """Schedules that count whatever their steps are: updates or samples."""

    @offers("schedules.warmup_cosine")
    def warmup_cosine(self, *, peak: float, floor: float, warmup: int, horizon: int) -> Schedule:
        return Curve(max_lr=peak, min_lr=floor, lr_warmup_steps=warmup, lr_decay_steps=horizon, lr_decay_style="cosine")

    @offers("schedules.warmup_linear")
    def warmup_linear(self, *, peak: float, warmup: int, horizon: int) -> Schedule:
        return Curve(max_lr=peak, min_lr=0.0, lr_warmup_steps=warmup, lr_decay_steps=horizon, lr_decay_style="linear")

    @offers("schedules.inverse_sqrt", warmup="zero")
    def inverse_sqrt(self, *, peak: float, warmup: int) -> Schedule:
        # past its last step the scheduler has the smallest rate: a run without an end is as long as can be
        return Curve(
            max_lr=peak,
            min_lr=0.0,
            lr_warmup_steps=warmup,
            lr_decay_steps=sys.maxsize,
            lr_decay_style="inverse-square-root",
        )

    @offers("schedules.batch_ramp", rounding="down", unit="rows")
    def batch_ramp(self, *, first: int, full: int, ramp: int, row: int) -> Schedule:
        del row  # declared: unit = rows
        return Ramp(first=first, full=full, ramp=ramp)
