"""Trainers for Lightning: the precision plugins of its `Trainer` and of `Fabric`, on the CPU."""

from __future__ import annotations

from collections.abc import Iterable

from lm_conformance.trainer import Trainer, hookimpl

from lm_conformance_lightning.fabric import FabricPages
from lm_conformance_lightning.trainer import TrainerPages


@hookimpl
def lm_conformance_trainers() -> Iterable[Trainer]:
    yield TrainerPages()
    yield FabricPages()
