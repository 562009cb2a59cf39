"""Trainers for torch: its optimizers, for-loop, foreach and fused, on the CPU and on CUDA, and what else it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from lm_conformance.trainer import Trainer, hookimpl

from lm_conformance_torch.initialization import Initialization, XavierNormal
from lm_conformance_torch.optimizers import Adafactor, Optimizers
from lm_conformance_torch.precision import MixedPrecisions
from lm_conformance_torch.schedules import Schedules


class Loop(Adafactor, Schedules, Initialization, MixedPrecisions):
    """One tensor after the other, and all that has one implementation only."""

    name = "torch"


class Foreach(Adafactor):
    """Many tensors in one call."""

    name = "torch[foreach]"
    implementation: ClassVar[Mapping[str, bool]] = {"foreach": True, "fused": False}


class Fused(Optimizers):
    """One kernel for the whole update; in 16 bits it computes in float32 and keeps its state in 16."""

    name = "torch[fused]"
    implementation: ClassVar[Mapping[str, bool]] = {"foreach": False, "fused": True}


class Cuda(Adafactor):
    """The for-loop on the GPU."""

    name = "torch[cuda]"
    device = "cuda"


class CudaForeach(Foreach):
    """Many tensors in one call, on the GPU."""

    name = "torch[cuda,foreach]"
    device = "cuda"


class CudaFused(Fused):
    """One kernel for the whole update, on the GPU."""

    name = "torch[cuda,fused]"
    device = "cuda"


@hookimpl
def lm_conformance_trainers() -> Iterable[Trainer]:
    yield Loop()
    yield Foreach()
    yield Fused()
    yield XavierNormal()
    if torch.cuda.is_available():
        yield Cuda()
        yield CudaForeach()
        yield CudaFused()
