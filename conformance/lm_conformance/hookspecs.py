"""The hooks of lm-conformance.

A plugin is a module. Installed, it is found under the entry point group `lm_conformance`, whose name is the name of
its trainers; uninstalled, its file is given on the command line. It needs one function:

    from lm_conformance.trainer import Trainer, hookimpl, offers

    class Mine(Trainer):
        name = "mine"

        @offers("optimizers.sgd", weight_decay="absent")
        def sgd(self, parameters, *, lr, weight_decay):
            ...

    @hookimpl
    def lm_conformance_trainers():
        yield Mine()
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from lm_conformance.trainer import Trainer

hookspec = pluggy.HookspecMarker("lm_conformance")
hookimpl = pluggy.HookimplMarker("lm_conformance")


@hookspec
def lm_conformance_trainers() -> Iterable[Trainer]:  # type: ignore[empty-body]
    """Trainers of this plugin: one for each variant of the library that its users meet.

    Called once, when the plugin is loaded. The first is named like the plugin, the others `name[variant]`.
    """
