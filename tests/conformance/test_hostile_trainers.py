"""Trainers that do what no trainer should: each gets its own verdict in one line, and nothing else is harmed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

METHOD = """
@offers("optimizers.momentum", weight_decay="absent", dampening="absent")
def momentum(self, parameters, *, lr, momentum, dampening, weight_decay):
    return Hostile(parameters)
"""

STEP = """


class Mute(Exception):
    def __str__(self):
        return 1 / 0


class Hostile(Descent):
    def step(self, gradients, *, lr):
        {}
        return self.parameters
"""

STUBBORN = """while True:
            try:
                time.sleep(60)
            except Exception:
                pass"""

ROWS = ("optimizers.momentum/buffer", "optimizers.sgd/updates", "optimizers.sgd/tensors")
PATIENT = ("--timeout", "2")  # seconds: nothing else takes so long, however busy the machine is
QUICK = ("--seed", "3", "--examples", "0.2", "--output", "report.json")

ERRORS = {
    "raises": ("raise ValueError('out of order')", "step() raised ValueError: out of order"),
    "raises many lines": (
        "raise ValueError('first line\\n  File \"x.py\"\\nlast line')",
        "step() raised ValueError: first line",
    ),
    "raises what cannot be printed": (
        "raise Mute",
        "step() raised Mute: no message",
    ),
    "raises what is no exception": ("raise GeneratorExit", "step() raised GeneratorExit: no message"),
    "skips itself": ("import pytest; pytest.skip('not today')", "step() raised Skipped: not today"),
    "returns nothing": ("return None", "step() returned NoneType, but must return a list of 1 tensors"),
    "returns text": ("return ['[1, 2]']", "step() returned str, which is no array"),
    "returns no tensors": ("return []", "step() returned 0 tensors, but must return 1"),
    "returns too many": ("return [*self.parameters] * 3", "step() returned 3 tensors, but must return 1"),
    "returns a missing tensor": ("return [None]", "step() returned None at position 0"),
    "returns another shape": (
        "return [p.reshape(1, -1) for p in self.parameters]",
        "step() returned a tensor of float32 and shape (1, ",
    ),
    "returns another dtype": (
        "return [p.double() for p in self.parameters]",
        "step() returned a tensor of float64 and shape ",
    ),
    "breaks off while it returns": (
        "return (1 / 0 for p in self.parameters)",
        "step() returned generator, but must return a list of 1 tensors",
    ),
    "changes gradients": (
        "super().step(gradients, lr=lr); gradients[0] += 1",
        "step() changed the gradient of parameter 0, which was only lent",
    ),
    "empties gradients": (
        "gradients[0].resize_(0)",
        "step() changed the gradient of parameter 0, which was only lent",
    ),
    "ends the program": ("sys.exit(0)", "step() called exit(0)"),
    "asks a question": ("input('continue? ')", "step() raised OSError"),
    "hangs": ("time.sleep(60)", "step() took longer than 2 seconds"),
}

HARMLESS = {
    "prints": "print('hello from the trainer'); print('hello from the trainer', file=sys.stderr)",
    "prints past Python": "os.write(1, b'hello from the trainer\\n'); os.system('echo hello from the trainer')",
    "goes to another folder": "os.chdir('/')",
    "changes torch's defaults": "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)",
    "draws random numbers": "torch.manual_seed(1); np.random.seed(1); import random; random.seed(1)",
    "makes NumPy raise": "np.seterr(all='raise')",
    "makes warnings errors": "import warnings; warnings.simplefilter('error')",
    "clears the environment": "os.environ.clear()",
}


@pytest.fixture(autouse=True)
def global_state() -> Any:
    """Puts back what these trainers change in this process."""
    errors, dtype = np.geterr(), torch.get_default_dtype()
    yield
    np.seterr(**errors)
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(True)


@pytest.fixture
def run(main: Callable[..., Any], trainer_file: Callable[..., str], rows_of: Callable[[str], list[Any]]) -> Any:
    """Runs a trainer beside a conforming page; gives what was said, the row of the first, and those of the second."""

    def run(step: str, *options: str) -> Any:
        file = trainer_file(METHOD, STEP.format(step))
        said = main("run", file, *ROWS, *QUICK, *options)
        hostile, *others = rows_of("report.json")
        return said, hostile, others

    return run


KEPT: list[Any] = []


@pytest.fixture
def wrong(run: Callable[..., Any]) -> Any:
    """The same of a trainer that is only wrong: its momentum is plain descent."""
    if not KEPT:
        KEPT.append(run("pass"))
    return KEPT[0]


@pytest.fixture
def unharmed(wrong: Any) -> list[Any]:
    """The rows of the conforming page beside a trainer that is only wrong."""
    said, hostile, others = wrong
    assert (said.code, hostile["verdict"], len(others)) == (1, "fail", 2)
    return others


@pytest.mark.parametrize("name", ERRORS)
def test_a_broken_contract_is_an_error_in_one_line_and_harms_no_other_row(run, unharmed, name):
    step, words = ERRORS[name]

    said, hostile, others = run(step, *PATIENT)

    assert (said.code, hostile["verdict"]) == (1, "error")
    assert hostile["reason"].startswith(words)
    assert "\n" not in hostile["reason"]
    assert others == unharmed


def test_nan_is_a_failure_and_no_error(run, unharmed):
    said, hostile, others = run("return [p * float('nan') for p in self.parameters]")

    assert (said.code, hostile["verdict"], others) == (1, "fail", unharmed)
    assert "got NaN, expected" in hostile["reason"]


@pytest.mark.parametrize("name", HARMLESS)
def test_what_a_trainer_does_besides_changes_neither_rows_nor_output(run, wrong, name):
    assert run(HARMLESS[name]) == wrong


def test_a_trainer_that_hangs_and_catches_exceptions_is_still_interrupted(run, unharmed):
    said, hostile, others = run(STUBBORN, *PATIENT)

    assert (said.code, hostile["verdict"], others) == (1, "error", unharmed)


@pytest.mark.parametrize(
    ("opens", "reason"),
    [
        ("return None", "momentum returned NoneType, which has no step()"),
        ("raise MemoryError", "momentum raised MemoryError: no message"),
        ("sys.exit('no licence')", "momentum called exit('no licence')"),
        ("time.sleep(60)", "momentum took longer than 2 seconds"),
    ],
)
def test_an_optimizer_that_does_not_open_is_an_error(main, trainer_file, rows_of, opens, reason):
    file = trainer_file(METHOD.replace("return Hostile(parameters)", opens))

    said = main("run", file, *ROWS, *QUICK, *PATIENT)

    hostile, *others = rows_of("report.json")
    assert (said.code, hostile["verdict"], hostile["reason"]) == (1, "error", reason)
    assert {row["verdict"] for row in others} == {"pass"}


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("None", "clip returned NoneType, but must return (gradients, norm)"),
        ("gradients", "clip returned list, but must return (gradients, norm)"),
        ("(1 / 0 for x in (1, 2))", "clip returned generator, but must return (gradients, norm)"),
        ("(gradients, 'long')", "clip returned str, but must return a number"),
        ("(gradients, torch.ones(2))", "clip returned Tensor, but must return a number"),
        ("(gradients[1:], None)", "clip returned 0 tensors, but must return 1"),
    ],
)
def test_clipping_that_returns_something_else_is_an_error(main, trainer_file, rows_of, result, reason):
    file = trainer_file(f"""
        @offers("gradients.global_norm_clipping")
        def clip(self, gradients, *, max_norm):
            return {result}
    """)

    said = main("run", file, "gradients.global_norm_clipping/long_gradients", *QUICK)

    (row,) = rows_of("report.json")
    assert (said.code, row["verdict"], row["reason"]) == (1, "error", reason)


def test_a_process_that_dies_leaves_a_partial_report(main, trainer_file, rows_of, tmp_path: Path):
    file = trainer_file(METHOD, STEP.format("os._exit(0)"))

    said = main("run", file, *ROWS, *QUICK, "--jobs", "2")

    assert said.code == 3
    assert "crashed" in said.err.splitlines()[-1]
    assert ROWS[0] not in [row["check"] for row in rows_of("report.json")]
    assert not json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["complete"]
