"""The suite in an author's own test file."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from lm_conformance.check import checks
from lm_conformance.errors import UsageError
from lm_conformance.pytest_plugin import conformance_tests
from lm_reference.page import pages

WRONG = """
@offers("optimizers.nesterov", weight_decay="absent")
def nesterov(self, parameters, *, lr, momentum, weight_decay):
    return Descent(parameters)
"""

SEVERAL = """\
from lm_conformance.pytest_plugin import conformance_tests

test_right = conformance_tests("mine.py", "optimizers.sgd/updates", "optimizers.sgd/penalty", examples=0.2)
test_wrong = conformance_tests("mine.py", "optimizers.nesterov/buffer", examples=0.2)
test_known = conformance_tests("mine.py", "optimizers.nesterov/updates", examples=0.2)
test_fixed = conformance_tests("mine.py", "optimizers.sgd/tensors", examples=0.2)
"""

ENTRY = """\
[[known]]
trainers = ["mine"]
check = "optimizers.{}"
dtypes = ["float32"]
shows = "got "
reason = "Momentum is left out."
link = "issue 12"
"""


@pytest.fixture
def collected(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs an author's pytest."""

    def run(text: str, *options: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_mine.py").write_text(text, encoding="utf-8")
        own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        arguments = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *options]
        environment: Mapping[str, str] = own | {"COLUMNS": "400", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
        )

    return run


def test_an_authors_own_tests_pass_fail_skip_and_fail_as_expected(collected, trainer_file, tmp_path: Path):
    trainer_file(WRONG)
    entries = ENTRY.format("nesterov/updates") + ENTRY.format("sgd/tensors")
    (tmp_path / "mine.known.toml").write_text(entries, encoding="utf-8")

    said = collected(SEVERAL)

    *_, last = said.stdout.splitlines()
    nesterov = pages()["optimizers.nesterov"]
    assert "2 failed, 1 passed, 1 skipped, 1 xfailed" in last
    for part in (
        "PASSED test_mine.py::test_right[mine optimizers.sgd/updates float32]",
        "declared: weight_decay = absent",
        "FAIL mine optimizers.nesterov/buffer float32 (MUST)",
        f"  clause 2: {nesterov.clauses[2].text}",
        f"  source: {nesterov.source}",
        "  got ",
        "    expected ",
        "  as if: ",
        "  repeat: lm-conformance run mine.py optimizers.nesterov/buffer --dtype float32 --seed 0 --examples 0.2",
        "XFAIL test_mine.py::test_known[mine optimizers.nesterov/updates float32] - Momentum is left out.",
        "mine optimizers.sgd/tensors float32 passes: remove it from the known deviations",
    ):
        assert part in said.stdout
    assert "Traceback" not in said.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.known.toml", "mine.py", "test_mine.py"]


@pytest.fixture
def author(trainer_file: Callable[..., str], tmp_path: Path) -> Callable[..., Any]:
    """Makes the tests of a trainer's file in this process; gives the function and its rows."""

    def make(methods: str = "", *selectors: str, **settings: Any) -> Any:
        path = str(tmp_path / trainer_file(methods))
        test = conformance_tests(path, *selectors, **settings)
        return test, test.pytestmark[0].args[1]

    return make


def test_there_is_a_case_for_each_row_of_what_is_offered(author):
    _, rows = author()

    assert [row.check for row in rows] == [
        check.id for check in checks() if check.page == "optimizers.sgd" and check.name != "mixed_dtypes"
    ]


def test_selectors_choose_cases(author):
    _, rows = author("", "optimizers.sgd/3", "optimizers.sgd/penalty")

    assert [row.check for row in rows] == ["optimizers.sgd/missing_gradient", "optimizers.sgd/penalty"]


def test_a_case_that_passes_says_nothing(author):
    test, (row,) = author("", "optimizers.sgd/updates", examples=0.1)

    assert test(row) is None


def test_a_case_that_fails_says_what_is_demanded_and_how_to_repeat_it(author):
    test, (row,) = author(WRONG, "optimizers.nesterov/buffer", seed=4, examples=0.2)

    with pytest.raises(pytest.fail.Exception, match=r"FAIL mine optimizers\.nesterov/buffer float32 \(MUST\)") as said:
        test(row)
    assert "optimizers.nesterov/buffer --dtype float32 --seed 4 --examples 0.2" in str(said.value)


def test_a_case_that_hangs_fails_when_its_time_is_over(author):
    hanging = WRONG.replace("return Descent(parameters)", "time.sleep(60)")
    test, (row,) = author(hanging, "optimizers.nesterov/buffer", timeout=2)

    with pytest.raises(pytest.fail.Exception, match=r"nesterov took longer than 2 seconds"):
        test(row)


@pytest.mark.parametrize(
    ("trainer", "selector", "words"),
    [
        ("refrence", "optimizers.sgd", "there is no trainer 'refrence'; the nearest is 'reference'"),
        ("reference", "optimizers.sdg", "there is no page 'optimizers.sdg'; the nearest is 'optimizers.sgd'"),
        ("no_such_file.py", "optimizers.sgd", "there is no file 'no_such_file.py'"),
    ],
)
def test_what_does_not_exist_is_refused_when_the_tests_are_made(trainer, selector, words):
    with pytest.raises(UsageError, match=words):
        conformance_tests(trainer, selector)


def test_a_trainer_that_offers_nothing_of_what_was_asked_is_refused(author):
    with pytest.raises(UsageError, match=r"mine\.py offers none of what was asked for"):
        author("", "optimizers.adam")
