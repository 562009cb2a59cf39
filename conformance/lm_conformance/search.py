"""The search for a counter-example: Hypothesis, isolated from the user's own and the same in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.internal.constants_ast import Constants
from hypothesis.strategies import SearchStrategy

BACKEND = "lm-conformance"


class Repeatable(HypothesisProvider):
    """Hypothesis's own draws, without the constants that it collects from the modules that happen to be loaded.

    With them, the same seed would give other cases in a worker, or beside another trainer.
    """

    _local_constants: ClassVar[Constants] = Constants()


AVAILABLE_PROVIDERS[BACKEND] = Repeatable


def derived_seed(seed: int, *names: str) -> int:
    """A seed for one row: it depends on the run's seed and the row's names alone."""
    text = "\0".join((str(seed), *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def search(
    strategy: SearchStrategy[Any], test: Callable[[Any], None], *, seed: int, examples: int, shrink: bool = True
) -> None:
    """Call `test` with up to `examples` cases; if it raises, with smaller ones, and raise what the smallest does."""
    # without the phases `reuse` and `explain` nothing is read from or written to the user's own database
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]

    @seeded(seed)
    @settings(
        backend=BACKEND,
        database=None,
        deadline=None,
        derandomize=False,
        max_examples=examples,
        phases=phases,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(case: Any) -> None:
        test(case)

    run()
