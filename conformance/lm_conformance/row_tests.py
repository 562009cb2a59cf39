"""The tests that pytest runs: one for each row of the plan in the file that `--lm-conformance-plan` names."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lm_conformance.evaluate import evaluate
from lm_conformance.plan import Row, find
from lm_conformance.results import result

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

from lm_conformance.check import Target


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each row."""
    plan = json.loads(Path(metafunc.config.getoption("lm_conformance_plan")).read_text(encoding="utf-8"))
    metafunc.parametrize(
        ("number", "row", "settings"),
        [(number, Row(**row), plan["settings"]) for number, row in enumerate(plan["rows"])],
    )


def test_row(number: int, row: Row, settings: dict[str, float], record_property: Callable[[str, object], None]) -> None:
    """The row's verdict, handed to the run as a property."""
    check, offer = find(row)
    seed, factor = int(settings["seed"]), settings["factor"]
    verdict = evaluate(check, Target(offer, row.dtype, settings["timeout"]), seed=seed, factor=factor)
    record_property("lm_conformance", [number, asdict(result(row, check, verdict, seed=seed, factor=factor))])
