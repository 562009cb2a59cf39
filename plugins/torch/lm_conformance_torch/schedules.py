"""`torch.optim.lr_scheduler`: what its users chain for language models.

`LinearLR` cannot start at zero, so a warm-up starts at 1/W, the setting of those who count the first update.
"""

from __future__ import annotations

from lm_conformance.torch_schedule import TorchSchedule
from lm_conformance.trainer import Stepped, Trainer, offers
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    LinearLR,
    LRScheduler,
    PolynomialLR,
    SequentialLR,
)


def after_warm_up(optimizer: Optimizer, warmup: int, decay: LRScheduler) -> LRScheduler:
    """The scheduler after a straight rise, or alone where there is none."""
    if warmup == 0:
        return decay
    rise = LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
    return SequentialLR(optimizer, [rise, decay], milestones=[warmup])


class Schedules(Trainer):
    """Schedulers that are followed update by update."""

    @offers("schedules.warmup_cosine", start="one", horizon="after_warmup")
    def warmup_cosine(self, *, peak: float, floor: float, warmup: int, horizon: int) -> Stepped:
        def create(optimizer: Optimizer) -> LRScheduler:
            return after_warm_up(optimizer, warmup, CosineAnnealingLR(optimizer, T_max=horizon, eta_min=floor))

        return TorchSchedule(create, peak=peak)

    @offers("schedules.warmup_linear", start="one")
    def warmup_linear(self, *, peak: float, warmup: int, horizon: int) -> Stepped:
        def create(optimizer: Optimizer) -> LRScheduler:
            return after_warm_up(optimizer, warmup, PolynomialLR(optimizer, total_iters=horizon - warmup))

        return TorchSchedule(create, peak=peak)

    @offers("schedules.cosine_restarts")
    def cosine_restarts(self, *, peak: float, floor: float, period: int, factor: int) -> Stepped:
        def create(optimizer: Optimizer) -> LRScheduler:
            return CosineAnnealingWarmRestarts(optimizer, T_0=period, T_mult=factor, eta_min=floor)

        return TorchSchedule(create, peak=peak)
