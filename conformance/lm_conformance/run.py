"""Running a plan: pytest is the engine, in a world of its own.

The user's pytest.ini, conftest.py, plugins, PYTEST_ADDOPTS and Hypothesis database have no part in it, and it leaves no
file but the report.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lm_conformance.errors import SuiteError
from lm_conformance.results import Report, Result, with_known

if TYPE_CHECKING:
    from lm_conformance.known import Known
    from lm_conformance.plan import Plan

WRITE_EVERY = 2.0  # seconds between two writes of an unfinished report


@dataclass
class Collector:
    """A pytest plugin that takes each row's result as soon as it is there."""

    plan: Plan
    known: list[Known]
    report: Report
    output: Path | None
    on_result: Callable[[Result], None]
    found: dict[int, Result] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    written: float = 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for the set-up, the call and the tear-down of every row."""
        if report.failed:
            self.errors.append(_last_line(report.longreprtext))
        for name, value in report.user_properties:
            if name == "lm_conformance" and report.when == "call" and isinstance(value, (list, tuple)):
                number, row = value
                self.found[number] = with_known(Result(**row), self.known)
                self.on_result(self.found[number])
        if self.output is not None and time.monotonic() - self.written > WRITE_EVERY:
            self.save()

    def save(self) -> None:
        """Write the rows that are there, in the order of the plan."""
        self.report.results = [self.found[number] for number in sorted(self.found)]
        if self.output is not None:
            self.report.write(self.output)
        self.written = time.monotonic()


def run(
    plan: Plan,
    report: Report,
    *,
    seed: int,
    factor: float,
    timeout: float,
    jobs: int,
    output: Path | None,
    on_result: Callable[[Result], None],
) -> None:
    """Fill `report` with the rows of `plan`, and write it to `output` as it grows.

    Raises:
        SuiteError: a check or the engine failed, or the run was interrupted. What was found is in the report.
        UsageError: the report cannot be written.

    """
    collector = Collector(plan, plan.known, report, output, on_result)
    collector.save()
    with tempfile.TemporaryDirectory(prefix="lm-conformance-") as folder:
        file = Path(folder) / "plan.json"
        settings = {"seed": seed, "factor": factor, "timeout": timeout}
        file.write_text(
            json.dumps({"rows": [asdict(row) for row in plan.rows], "settings": settings}), encoding="utf-8"
        )
        code, said = _pytest(file, jobs, collector)
    report.complete = len(collector.found) == len(plan.rows)
    collector.save()
    if not report.complete:
        done = f"{len(collector.found)} of {len(plan.rows)} rows"
        if code == pytest.ExitCode.INTERRUPTED and not collector.errors:
            raise SuiteError(f"interrupted after {done}; the report is partial.")
        why = collector.errors[0] if collector.errors else _engine_error(said)
        raise SuiteError(f"only {done} ran: {why}")


def _pytest(plan_file: Path, jobs: int, collector: Collector) -> tuple[int, str]:
    """Run the row tests; the exit code and what pytest said."""
    folder = plan_file.parent
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    arguments = [
        str(Path(__file__).with_name("row_tests.py")),
        f"--config-file={folder / 'pytest.ini'}",
        f"--rootdir={folder}",
        f"--basetemp={folder / 'tmp'}",
        f"--lm-conformance-plan={plan_file}",
        *("--noconftest", "--import-mode=importlib", "--quiet", "--tb=short"),
        *("-p", "no:cacheprovider", "-p", "lm_conformance.engine_plugin"),
    ]
    if jobs > 1:
        # -P: modules of the folder where the user stands must not take the place of Python's own
        python = f"{shlex.quote(sys.executable)} -P"
        arguments += ["-p", "xdist", "--dist=load", f"--tx={jobs}*popen//python={python}", "--max-worker-restart=0"]
    said = io.StringIO()
    with _own_environment(), redirect_stdout(said), redirect_stderr(said):
        try:
            code = int(pytest.main(arguments, plugins=[collector]))
        except Exception as error:  # noqa: BLE001 whatever it is, the rows that are there must be written
            code = int(pytest.ExitCode.INTERNAL_ERROR)
            collector.errors.append(f"the engine failed: {type(error).__name__}: {error}")
    return code, said.getvalue()


@contextmanager
def _own_environment() -> Iterator[None]:
    """Without the user's settings of pytest and Hypothesis; workers inherit it."""
    before = dict(os.environ)
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_XDIST_AUTO_NUM_WORKERS", "HYPOTHESIS_STORAGE_DIRECTORY"):
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E ")]
    return (errors or lines or ["no message"])[-1].removeprefix("lm_conformance.errors.SuiteError: ")


def _engine_error(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line or "rror:" in line]
    return (errors or lines or ["pytest said nothing"])[-1].strip()
