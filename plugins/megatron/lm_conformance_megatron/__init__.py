"""Trainers for Megatron Core, on the CPU with one process."""

from __future__ import annotations

from collections.abc import Iterable

from lm_conformance.trainer import Trainer, hookimpl

from lm_conformance_megatron.clipping import Clipping
from lm_conformance_megatron.initialization import Initialization
from lm_conformance_megatron.precision import MixedPrecisionPages
from lm_conformance_megatron.schedules import Schedules


class Megatron(Schedules, Initialization, MixedPrecisionPages, Clipping):
    """What Megatron Core has for one process."""

    name = "megatron"


@hookimpl
def lm_conformance_trainers() -> Iterable[Trainer]:
    yield Megatron()
