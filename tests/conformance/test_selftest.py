"""The proof of the checks: what it demands, and that its record is that of the checks and faults there are."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lm_conformance import selftest
from lm_conformance.check import MIXED, checks
from lm_conformance.evaluate import Verdict
from lm_conformance.faults import faults, faults_of
from lm_conformance.selftest import Trial, survivors
from lm_reference.page import pages

PAGE = "gradients.global_norm_clipping"


def verdict(kind: str, reason: str = "") -> Verdict:
    """What a check said."""
    return Verdict(kind, 1, 1, 1.0, reason)


def fault_tried(**verdicts: str) -> Trial:
    """A trial of a fault of the clause (1), which `long_gradients` is about and `not_finite` is not."""
    return Trial(PAGE, "fault", "a fault", 1, {name: verdict(kind) for name, kind in verdicts.items()})


def test_every_clause_is_covered_by_a_check():
    assert selftest.uncovered() == []


def test_every_computed_clause_has_a_fault():
    assert selftest.without_fault(faults()) == []


def test_every_check_stands_by_clauses_of_its_page():
    assert [c.id for c in checks() if not c.clauses or not set(c.clauses) <= set(pages()[c.page].clauses)] == []


def test_a_clause_that_no_check_covers_is_named(monkeypatch):
    monkeypatch.setattr(selftest, "checks", lambda: [check for check in checks() if check.name != "not_finite"])

    assert selftest.uncovered() == [f"{PAGE}/6"]


def test_a_clause_that_no_check_covers_is_shown_with_its_page(main, monkeypatch):
    monkeypatch.setattr("lm_conformance.show.checks", lambda: [c for c in checks() if c.name != "not_finite"])

    assert f"\nNot covered:\n    {PAGE}/6\n" in main("show", PAGE).out


def test_a_computed_clause_without_a_fault_is_named():
    others = tuple(fault for fault in faults() if not fault.id.startswith(f"{PAGE}/2:"))

    assert selftest.without_fault(others) == [f"{PAGE}/2"]


def test_a_fault_that_a_check_of_its_clause_kills_is_no_problem():
    assert fault_tried(long_gradients="fail", not_finite="pass").problem is None


@pytest.mark.parametrize("kind", ["pass", "skip", "error"])
def test_a_fault_that_only_another_check_kills_survives(kind):
    problem = fault_tried(long_gradients=kind, not_finite="fail").problem

    assert problem is not None
    assert problem.startswith("survives the checks of clause 1 (")


@pytest.mark.parametrize("kind", ["fail", "error"])
def test_a_form_that_is_rejected_is_a_problem(kind):
    found = Trial(PAGE, "form", "a form", None, {"one_norm": verdict(kind, "too far"), "layouts": verdict("pass")})

    assert found.problem == "rejected by one_norm: too far"


@pytest.mark.parametrize("kind", ["pass", "skip"])
def test_a_side_of_a_fork_that_passes_or_is_skipped_is_no_problem(kind):
    assert Trial(PAGE, "fork", "a side", None, {"one_norm": verdict(kind)}).problem is None


def test_a_check_that_kills_no_fault_is_idle():
    trials = [
        fault_tried(long_gradients="fail", not_finite="pass"),
        fault_tried(long_gradients="pass", layouts="fail", not_finite="error"),
    ]

    assert selftest.idle_checks(trials) == [f"{PAGE}/not_finite"]


@pytest.mark.parametrize("page", pages())
def test_what_must_survive_is_every_form_and_every_side_that_has_lines(page):
    own = pages()[page]

    names = [(kind, name) for kind, name, _ in survivors(own)]

    assert names == [("form", form.name) for form in own.forms] + [
        ("fork", side.name) for fork in own.forks.values() for side in fork.sides.values() if side.lines
    ]


class InProcess:
    """A pool that works here."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, function: Callable[..., Any], tasks: Iterable[Any]) -> Iterator[Any]:
        return map(function, tasks)


def test_a_proof_that_fails_names_its_problems_and_has_code_3(main, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(selftest, "ProcessPoolExecutor", InProcess)
    monkeypatch.setattr(selftest, "_tasks", lambda: [(PAGE, "fault", "x"), (PAGE, "form", "y")])

    def work(task: tuple[str, str, str], **_: Any) -> Trial:
        return Trial(*task, 1 if task[1] == "fault" else None, {"layouts": verdict("fail", "far")})

    monkeypatch.setattr(selftest, "_work", work)

    said = main("selftest", PAGE, "--output", "matrix.md")

    *problems, last = said.out.splitlines()
    assert (said.code, len(problems)) == (3, 2)
    assert problems[0].startswith(f"{PAGE}: fault 'x' survives the checks of clause 1 (")
    assert problems[1] == f"{PAGE}: form 'y' rejected by layouts: far"
    assert last == "1 faults, 1 forms, 0 sides of forks; 2 problems"
    assert "- form `y`: rejected by layouts: far\n" in (tmp_path / "matrix.md").read_text(encoding="utf-8")


def test_a_proof_of_everything_names_what_is_not_covered(main, monkeypatch):
    monkeypatch.setattr(selftest, "ProcessPoolExecutor", InProcess)
    monkeypatch.setattr(selftest, "_work", lambda task, **_: Trial(task[0], "form", task[2], None, {}))
    monkeypatch.setattr(selftest, "checks", lambda: [check for check in checks() if check.name != "not_finite"])
    monkeypatch.setattr(selftest, "faults", lambda: [f for f in faults() if not f.id.startswith(f"{PAGE}/2:")])

    said = main("selftest")

    assert said.code == 3
    assert said.out.splitlines()[:-1] == [
        f"{PAGE}/6 is covered by no check",
        f"{PAGE}/2 is computed, but no fault breaks it",
    ]


def test_a_matrix_marks_kills_of_the_faults_own_clause_and_of_others():
    trial = Trial(PAGE, "fault", "a | b", 1, {"long_gradients": verdict("fail"), "layouts": verdict("fail")})

    *_, row = selftest.matrix([trial]).split(f"## {PAGE}")[1].strip().splitlines()

    names = [check.name for check in checks() if check.page == PAGE and check.at != MIXED]
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
    marks = dict(zip(names, cells[2:], strict=True))
    assert cells[:2] == ["1", r"a \| b"]
    assert {name: mark for name, mark in marks.items() if mark} == {"long_gradients": "●", "layouts": "○"}


@pytest.fixture
def record(repository: Path) -> dict[str, list[list[str]]]:
    """The published kill matrix: for each page the lines of its table, each a list of cells."""
    text = (repository / "reports" / "kill-matrix.md").read_text(encoding="utf-8")
    found = {}
    for part in text.split("\n## ")[1:]:
        page, _, rest = part.partition("\n")
        table = [line for line in rest.splitlines() if line.startswith("|")]
        lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]
        found[page] = [lines[0], *lines[2:]]
    return found


@pytest.mark.parametrize("page", pages())
def test_the_published_matrix_has_every_fault_and_every_check_of_a_page(record, page):
    faults_there = [(str(fault.clause), fault.variant.name.replace("|", "\\|")) for fault in faults_of(page)]
    checks_there = [check.name for check in checks() if check.page == page and check.at != MIXED]

    header, *lines = record[page]

    assert header == ["", "fault", *checks_there]
    assert [(line[0], line[1]) for line in lines] == faults_there


def test_in_the_published_matrix_every_fault_is_killed_by_a_check_of_its_clause(record):
    survived = [(page, line[1]) for page, (_, *lines) in record.items() for line in lines if "●" not in line[2:]]

    assert survived == []


def test_in_the_published_matrix_every_form_and_side_survives(repository: Path):
    text = (repository / "reports" / "kill-matrix.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("- ")]

    expected = [f"- {kind} `{name}`: passes" for page in pages().values() for kind, name, _ in survivors(page)]

    assert lines == expected
