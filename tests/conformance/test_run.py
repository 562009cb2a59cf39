"""A run: alone with its trainer, the same for the same seed, and honest about how far it came."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lm_conformance
import lm_reference
import pytest
from lm_conformance import results
from lm_conformance.errors import UsageError

HANGING = """
@offers("optimizers.momentum", weight_decay="absent", dampening="absent")
def momentum(self, parameters, *, lr, momentum, dampening, weight_decay):
    print("hello from the trainer")
    time.sleep(60)
"""
WRONG = """
@offers("optimizers.nesterov", weight_decay="absent")
def nesterov(self, parameters, *, lr, momentum, weight_decay):
    return Descent(parameters)
"""
ROWS = ("optimizers.momentum/buffer", "optimizers.nesterov/buffer", "optimizers.sgd/updates", "optimizers.sgd/tensors")
QUICK = ("--examples", "0.3", "--timeout", "2")

TAKES_OVER = """
import hypothesis

hypothesis.settings.register_profile("mine", max_examples=1, phases=(), verbosity=hypothesis.Verbosity.debug)
hypothesis.settings.load_profile("mine")
"""


def lines_of(path: Path) -> str:
    """A report as text, without what tells the time."""
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if '"seconds"' not in line]
    return "\n".join(line for line in kept if '"started"' not in line)


@pytest.fixture
def mixed_file(trainer_file: Callable[..., str]) -> str:
    """A trainer that is right, wrong and hanging, each on a page of its own."""
    return trainer_file(f"{HANGING}\n{WRONG}")


def test_the_same_seed_gives_the_same_report_whatever_the_number_of_processes(main, mixed_file, tmp_path: Path):
    one = main("run", mixed_file, *ROWS, *QUICK, "--seed", "5", "--jobs", "1", "--output", "one.json")
    two = main("run", mixed_file, *ROWS, *QUICK, "--seed", "5", "--jobs", "2", "--output", "two.json")

    assert one == two
    assert lines_of(tmp_path / "one.json") == lines_of(tmp_path / "two.json")


def test_a_report_has_rows_of_every_verdict_in_the_order_of_the_plan(main, mixed_file, rows_of):
    said = main("run", mixed_file, *reversed(ROWS), *QUICK, "--seed", "5", "--output", "report.json")

    rows = rows_of("report.json")
    assert [(row["check"], row["verdict"]) for row in rows] == list(
        zip(ROWS, ("error", "fail", "pass", "pass"), strict=True)
    )
    assert (said.code, "hello" in said.out + said.err) == (1, False)


def test_another_seed_gives_other_cases(main, trainer_file, rows_of):
    file = trainer_file()
    for seed in ("1", "2"):
        main("run", file, *ROWS[2:], *QUICK, "--seed", seed, "--output", f"{seed}.json")

    one, two = rows_of("1.json"), rows_of("2.json")
    assert [row["check"] for row in one] == [row["check"] for row in two]
    assert [row["margin"] for row in one] != [row["margin"] for row in two]


def test_a_run_without_a_seed_draws_one_and_prints_it(main, trainer_file, tmp_path: Path):
    file, seeds = trainer_file(), set()
    for _ in range(2):
        said = main("run", file, "optimizers.sgd/penalty", "--output", "report.json")
        seed = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["seed"]
        assert f"seed {seed}; 1 of 1 rows" in said.out
        seeds.add(seed)

    assert len(seeds) == 2


def test_the_command_of_a_failure_repeats_its_row(main, trainer_file, rows_of):
    main("run", trainer_file(WRONG), *ROWS[1:3], *QUICK, "--seed", "8", "--output", "report.json")
    row = next(row for row in rows_of("report.json") if row["verdict"] == "fail")

    _, *arguments = row["repeat"].split()
    said = main(*arguments, "--output", "again.json")

    assert said.code == 1
    assert rows_of("again.json") == [row]


def test_examples_multiply_the_search(main, trainer_file, rows_of):
    for factor in ("0.25", "0.5"):
        main("run", trainer_file(), "optimizers.sgd/updates", "--examples", factor, "--output", f"{factor}.json")

    few, many = (rows_of(f"{factor}.json")[0]["examples"] for factor in ("0.25", "0.5"))
    assert many == 2 * few


def test_a_report_follows_the_schema(main, mixed_file, tmp_path: Path):
    main("run", mixed_file, *ROWS, *QUICK, "--output", "report.json")

    document = results.read(tmp_path / "report.json")
    assert document["complete"]
    assert (document["planned"], len(document["results"])) == (4, 4)
    assert [one["name"] for one in document["trainers"]] == ["mine"]
    assert set(document["trainers"][0]["forks"]) == {"optimizers.momentum", "optimizers.nesterov", "optimizers.sgd"}


@pytest.fixture
def hostile_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and an environment that would change every other use of pytest, Hypothesis and Python.

    The packages are installed below it, as in the virtual environment of a project that has a conftest.py.
    """
    folder = tmp_path / "hostile"
    (folder / ".hypothesis" / "examples").mkdir(parents=True)
    (folder / "installed").mkdir()
    for package in (lm_conformance, lm_reference):
        (folder / "installed" / package.__name__).symlink_to(Path(package.__file__).parent)
    for name, text in {
        "pytest.ini": "[pytest]\naddopts = --no-such-option\nfilterwarnings = error\npython_functions = nothing\n",
        "tox.ini": "[pytest]\naddopts = --no-such-option\n",
        "setup.cfg": "[tool:pytest]\naddopts = --no-such-option\n",
        "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--no-such-option'\n",
        "conftest.py": "raise RuntimeError('a conftest.py that has no part in this')\n",
        "tabulate.py": "raise RuntimeError('a module that has no part in this')\n",
        "random.py": "raise RuntimeError('a module that has no part in this')\n",
        "hypothesis.py": "raise RuntimeError('a module that has no part in this')\n",
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, value in {
        "PYTEST_ADDOPTS": "--no-such-option",
        "PYTEST_PLUGINS": "no_such_plugin",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "examples"),
        "CI": "true",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPATH": str(folder / "installed"),
    }.items():
        monkeypatch.setenv(name, value)
    return folder


def test_the_users_own_settings_have_no_part_in_a_run_and_it_leaves_no_file(
    main, command, trainer_file, hostile_folder: Path, tmp_path: Path, rows_of
):
    arguments = (*ROWS, *QUICK, "--seed", "5", "--jobs", "2", "--output", str(tmp_path / "hostile.json"))
    (tmp_path / trainer_file(f"{HANGING}\n{WRONG}", TAKES_OVER)).replace(hostile_folder / "mine.py")
    before = sorted(hostile_folder.rglob("*"))
    main("run", trainer_file(f"{HANGING}\n{WRONG}"), *ROWS, *QUICK, "--seed", "5", "--output", "alone.json")

    said = command("run", "mine.py", *arguments, cwd=hostile_folder)

    assert (said.code, said.err) == (1, "")
    assert rows_of("hostile.json") == rows_of("alone.json")
    assert sorted(hostile_folder.rglob("*")) == before


def test_a_run_in_one_process_leaves_no_file_either(main, trainer_file, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    (tmp_path / "other.py").write_text("", encoding="utf-8")
    file = trainer_file(code="import other")
    before = sorted(tmp_path.rglob("*"))

    main("run", file, "optimizers.sgd/updates", *QUICK)

    assert sorted(tmp_path.rglob("*")) == before


def test_an_environment_is_put_back_after_a_run(main, trainer_file, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    before = dict(os.environ)

    said = main("run", trainer_file(), "optimizers.sgd/updates", *QUICK)

    assert (said.code, dict(os.environ)) == (0, before)


@pytest.fixture
def unfinished(executable: str, trainer_file: Callable[..., str], tmp_path: Path) -> Callable[..., Any]:
    """Stops a run of a slow trainer when its first rows are in the report."""

    def stop(signal_: int, *options: str) -> tuple[int, str, dict[str, Any]]:
        file = trainer_file(
            code="quick = Descent.step\nDescent.step = lambda *a, **k: (time.sleep(0.03), quick(*a, **k))[1]"
        )
        path = tmp_path / "report.json"
        process = subprocess.Popen(
            [executable, "run", file, "optimizers.sgd", "--examples", "0.2", "--output", path.name, *options],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        while process.poll() is None and not (path.exists() and results.read(path)["results"]):
            time.sleep(0.05)
        process.send_signal(signal_)
        _, said = process.communicate()
        return process.returncode, said, results.read(path)

    return stop


@pytest.mark.parametrize(
    ("name", "options"), [("SIGINT", ()), ("SIGTERM", ()), ("SIGINT", ("--jobs", "2"))], ids=["INT", "TERM", "INT-2"]
)
def test_an_interrupted_run_keeps_its_rows_and_says_that_it_is_partial(unfinished, main, name, options):
    code, said, document = unfinished(getattr(signal, name), *options)

    found = len(document["results"])
    assert (code, document["complete"], document["planned"], 0 < found < 10) == (3, False, 10, True)
    assert said == f"lm-conformance: interrupted after {found} of 10 rows; the report is partial.\n"
    words = f"PARTIAL: the run was not finished; {found} of 10 rows are here."
    assert main("report", "report.json").out.startswith(words)
    assert f"**{words}** (mine)" in main("report", "report.json", "--format", "markdown").out


def test_a_run_that_is_killed_leaves_a_valid_partial_report(unfinished):
    code, _, document = unfinished(signal.SIGKILL)

    assert (code, document["complete"]) == (-signal.SIGKILL, False)
    assert 0 < len(document["results"]) < document["planned"] == 10


def test_rows_that_are_there_survive_a_failure_of_the_suite(main, trainer_file, monkeypatch, tmp_path: Path):
    from lm_conformance import evaluate

    search = evaluate.search

    def fail_second(*arguments: Any, **settings: Any) -> None:
        monkeypatch.setattr(evaluate, "search", lambda *_, **__: 1 / 0)
        search(*arguments, **settings)

    monkeypatch.setattr(evaluate, "search", fail_second)

    said = main("run", trainer_file(), "optimizers.sgd/2", *QUICK, "--output", "report.json")

    document = results.read(tmp_path / "report.json")
    assert said.code == 3
    assert (document["complete"], document["results"][0]["check"]) == (False, "optimizers.sgd/updates")
    assert said.err.startswith(f"lm-conformance: only {len(document['results'])} of {document['planned']} rows ran: ")


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)

    with pytest.raises(UsageError, match="cannot be written: No space left on device"):
        results.write_text(path, "new")
    assert [(file.name, file.read_text(encoding="utf-8")) for file in tmp_path.iterdir()] == [("report.json", "old")]
