"""What the tests of the suite share: trainers in files, the command line, and the rows of reports."""

import json
import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
from lm_conformance import cli, plan
from lm_conformance.check import Check, Target, checks
from lm_conformance.faults import Fault, faults
from lm_conformance.reference_trainer import Reference
from lm_reference.page import Variant

TRAINER = """\
import os
import sys
import time

import numpy as np
import torch
from lm_conformance.trainer import Precision, Trainer, hookimpl, offers


class Descent:
    def __init__(self, parameters):
        self.parameters = parameters

    def step(self, gradients, *, lr):
        for parameter, gradient in zip(self.parameters, gradients):
            if gradient is not None:
                parameter -= lr * gradient
        return self.parameters


class Conforming(Trainer):
    name = "mine"
    precisions = {"float32": Precision(scalars="float64")}

    @offers("optimizers.sgd", weight_decay="absent")
    def sgd(self, parameters, *, lr, weight_decay):
        return Descent(parameters)
"""

HOOK = """\


@hookimpl
def lm_conformance_trainers():
"""


@dataclass(frozen=True)
class Said:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def repository(pytestconfig: pytest.Config) -> Path:
    """The folder of README.md and reports/; the packages need not be there."""
    assert pytestconfig.inipath is not None
    return pytestconfig.inipath.parent


@pytest.fixture
def trainer_file(tmp_path: Path) -> Callable[..., str]:
    """Writes a file with a trainer that computes gradient descent as it should, and something else.

    `methods` are more lines of the trainer's class, `code` stands after it, `yields` in the hook.
    """

    def write(methods: str = "", code: str = "", yields: str = "yield Conforming()", name: str = "mine.py") -> str:
        parts = [TRAINER, indent(dedent(methods), "    "), dedent(code), HOOK, indent(dedent(yields), "    ")]
        (tmp_path / name).write_text("\n".join(parts) + "\n", encoding="utf-8")
        return name

    return write


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Runs the command line in this process, standing in an empty folder."""
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str) -> Said:
        plan.plugin_of.cache_clear()  # as in a new process
        code = cli.main(arguments)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def executable() -> str:
    """The installed command."""
    found = shutil.which("lm-conformance", path=sysconfig.get_path("scripts"))
    assert found is not None
    return found


@pytest.fixture
def command(tmp_path: Path, executable: str) -> Callable[..., Said]:
    """Runs the installed command in a process of its own, standing in an empty folder."""

    def run(*arguments: str, cwd: Path = tmp_path, environment: Mapping[str, str] | None = None) -> Said:
        done = subprocess.run(
            [executable, *arguments],
            cwd=cwd,
            env=os.environ | dict(environment or {}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def rows_of(tmp_path: Path) -> Callable[[str], list[dict[str, Any]]]:
    """The rows of a report without their times."""

    def read(name: str) -> list[dict[str, Any]]:
        document = json.loads((tmp_path / name).read_text(encoding="utf-8"))
        return [{key: value for key, value in row.items() if key != "seconds"} for row in document["results"]]

    return read


@pytest.fixture(scope="session")
def check_named() -> Callable[[str], Check]:
    """Finds a check by its name on the command line."""
    by_id = {check.id: check for check in checks()}
    return by_id.__getitem__


@pytest.fixture(scope="session")
def fault_named() -> Callable[[str], Fault]:
    """Finds a fault by its id."""
    by_id = {fault.id: fault for fault in faults()}
    return by_id.__getitem__


@pytest.fixture(scope="session")
def target() -> Callable[..., Target]:
    """What a check is asked about: a page of the reference trainer, perhaps with other lines in it."""

    def build(page: str, dtype: str = "float32", *variants: Variant, forks: Mapping[str, str] | None = None) -> Target:
        trainer = Reference(forks={page: dict(forks or {})}, variants=variants)
        return Target(next(offer for offer in trainer.offered() if offer.page == page), dtype)

    return build
