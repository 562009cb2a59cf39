"""For plugins: any scheduler of `torch.optim.lr_scheduler` as the schedule that a trainer returns."""

from __future__ import annotations

import io
from collections.abc import Callable

import torch
from torch.optim.lr_scheduler import LRScheduler


class TorchSchedule:
    """An optimizer of one parameter at the rate `peak`, and the scheduler that `create` makes for it."""

    def __init__(self, create: Callable[[torch.optim.Optimizer], LRScheduler], *, peak: float) -> None:
        self.optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=peak)
        self.scheduler = create(self.optimizer)
        self.begun = False

    def step(self) -> float:
        """The rate of the next update."""
        if self.begun:
            self.optimizer.step()
            self.scheduler.step()
        self.begun = True
        return float(self.optimizer.param_groups[0]["lr"])

    def save(self) -> bytes:
        """The scheduler's state, and the optimizer's, which holds the rate."""
        file = io.BytesIO()
        torch.save([self.begun, self.optimizer.state_dict(), self.scheduler.state_dict()], file)
        return file.getvalue()

    def load(self, saved: bytes) -> None:
        """Continue from what was saved."""
        self.begun, optimizer, scheduler = torch.load(io.BytesIO(saved), weights_only=False)
        self.optimizer.load_state_dict(optimizer)
        self.scheduler.load_state_dict(scheduler)
