"""Known mistakes: what each is, and that the smallest of them are seen."""

from collections import Counter

import pytest
from lm_conformance.check import ANY, MIXED, checks
from lm_conformance.evaluate import evaluate
from lm_conformance.faults import LIMIT, by_shape, faults, faults_of
from lm_conformance.selftest import fault_trial, survivors, trial
from lm_reference.page import pages

AREAS = ("gradients", "optimizers")  # where the smallest differences are rounding errors, and quick to see
SMALLEST = [f for f in faults() if f.variant.source == LIMIT and f.variant.page.partition(".")[0] in AREAS]
PROVED = ("gradients.global_norm_clipping", "optimizers.sgd")


def test_every_fault_has_an_id_of_its_own():
    assert [name for name, count in Counter(fault.id for fault in faults()).items() if count > 1] == []


@pytest.mark.parametrize("page", pages())
def test_every_fault_compiles_under_its_forks_and_changes_their_lines(page):
    own = pages()[page]
    code = {n: own.text.splitlines()[line - 1].partition("  # (")[0].strip() for n, line in own.tagged.items()}

    for fault in faults_of(page):
        sides = own.sides(fault.forks)
        before = code | {n: line for side in sides for n, line in side.lines.items()}
        assert own.module(*sides, fault.variant).__doc__ == own.module().__doc__, fault.id
        assert before | dict(fault.variant.lines) != before, fault.id
        assert fault.clause in own.clauses, fault.id


@pytest.mark.parametrize("page", pages())
def test_every_fault_says_where_it_comes_from(page):
    assert [fault.id for fault in faults_of(page) if not fault.variant.source] == []


def test_faults_of_a_page_are_its_own():
    assert {fault.variant.page for fault in faults_of("optimizers.adam")} == {"optimizers.adam"}
    assert sum(len(faults_of(page)) for page in pages()) == len(faults())


def test_the_smallest_faults_include_those_that_are_promised():
    promised = {"rate off by 1e-5", "ε off by 10 %", "β2 off by 1e-3"}

    for page in ("optimizers.adam", "optimizers.adamw"):
        assert promised <= {fault.variant.name for fault in SMALLEST if fault.variant.page == page}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fault", SMALLEST, ids=lambda fault: fault.id)
def test_the_smallest_faults_are_seen_by_a_check_of_their_clause(target, fault, dtype):
    page = fault.variant.page
    own = [c for c in checks() if c.page == page and fault.clause in c.clauses and c.at != MIXED and not c.slow]

    found = [
        evaluate(c, target(page, c.at or dtype, fault.variant, forks=fault.forks), seed=0, shrink=False) for c in own
    ]

    assert "fail" in {verdict.verdict for verdict in found}


@pytest.mark.parametrize("fault", [fault for page in PROVED for fault in faults_of(page)], ids=lambda fault: fault.id)
def test_a_fault_is_killed_by_a_check_of_its_own_clause(fault):
    assert fault_trial(fault, seed=0).problem is None


@pytest.mark.parametrize("page", PROVED)
def test_every_form_and_side_of_a_fork_survives_every_check(page):
    problems = [trial(page, kind, name, trainer, seed=0).problem for kind, name, trainer in survivors(pages()[page])]

    assert problems
    assert set(problems) == {None}


@pytest.mark.parametrize("check", [c for c in checks() if c.search is not None and not c.slow], ids=lambda c: c.id)
def test_the_reference_passes_every_search(target, check):
    forks = {name: fork.default for name, fork in pages()[check.page].forks.items()}
    where = target(check.page, check.at or "float32", forks=forks)

    found = evaluate(check, where, seed=0)

    assert found.verdict == "pass" or found.reason.startswith("declared: "), found.reason


def test_a_check_without_dtypes_is_asked_at_none():
    assert {check.at for check in checks()} <= {"", MIXED, ANY}


def test_one_buffer_for_a_shape_is_a_line_of_code():
    compile(by_shape("m", "beta1 * {} + (1 - beta1) * g"), "fault", "exec")
