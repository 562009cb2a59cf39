"""One row: what makes it pass, fail, err or be skipped, and what stops the run."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import strategies as st
from lm_conformance.check import Check, NotOffered, Outcome, Target
from lm_conformance.errors import Hung, SuiteError, TrainerError
from lm_conformance.evaluate import evaluate
from lm_conformance.faults import faults

FINE = Outcome(0.5, conclusive=True)


@dataclass(frozen=True)
class Number:
    """A case for checks of our own."""

    value: int

    def describe(self) -> list[str]:
        return [f"number {self.value}"]


def check_of(judge: Any, **fields: Any) -> Check:
    """A check of our own, with numbers from 0 to 1,000 as cases."""
    settings: dict[str, Any] = {"search": lambda _: st.builds(Number, st.integers(0, 1000))} | fields
    return Check(
        page="optimizers.sgd",
        name="own",
        clauses=(1,),
        title="A check of our own.",
        judge=lambda _check, _target, case: judge(case),
        **settings,
    )


@pytest.fixture
def sgd(target: Any) -> Target:
    """What the checks of our own are asked about."""
    return target("optimizers.sgd")


def raising(error: BaseException) -> Any:
    """A judge that raises."""

    def judge(_: Number) -> Outcome:
        raise error

    return judge


def test_a_row_in_which_all_cases_hold_passes_with_its_largest_margin(sgd):
    found = evaluate(
        check_of(lambda case: Outcome(case.value / 1000, conclusive=case.value > 9), examples=30), sgd, seed=0
    )

    assert (found.verdict, found.examples) == ("pass", 30)
    assert 0.5 < found.margin <= 1
    assert 0 < found.conclusive < 30


def test_a_row_in_which_no_fault_could_have_been_seen_is_skipped(sgd):
    found = evaluate(check_of(lambda _: Outcome(0.5, conclusive=False)), sgd, seed=0)

    assert (found.verdict, found.margin) == ("skip", None)
    assert found.reason == "inconclusive: at this precision no known fault could have been seen"


def test_a_failure_counts_though_no_fault_could_have_been_seen(sgd):
    found = evaluate(check_of(lambda _: Outcome(9.0, conclusive=False, failure="too far")), sgd, seed=0)

    assert (found.verdict, found.reason, found.margin) == ("fail", "too far", 9.0)


def test_a_failure_is_shown_by_its_smallest_case(sgd):
    def judge(case: Number) -> Outcome:
        return replace(FINE, failure="above 500", details=("expected less",)) if case.value > 500 else FINE

    found = evaluate(check_of(judge, examples=50), sgd, seed=0)

    assert (found.verdict, found.counterexample) == ("fail", ("number 501", "expected less"))


def test_without_shrinking_a_failure_is_shown_by_the_first_case(sgd):
    seen: list[Number] = []

    def judge(case: Number) -> Outcome:
        seen.append(case)
        return replace(FINE, failure="always")

    found = evaluate(check_of(judge), sgd, seed=0, shrink=False)

    assert (found.verdict, found.counterexample) == ("fail", (f"number {seen[0].value}",))


def test_edges_are_tried_first_and_in_their_order(sgd):
    seen: list[int] = []

    def judge(case: Number) -> Outcome:
        seen.append(case.value)
        return FINE

    found = evaluate(check_of(judge, edges=lambda _: [Number(-1), Number(-2)]), sgd, seed=0)

    assert (seen[:2], found.examples) == ([-1, -2], 10)


def test_a_trainer_that_breaks_its_contract_is_an_error_with_its_case(sgd):
    found = evaluate(check_of(raising(TrainerError("step() raised"))), sgd, seed=0)

    assert (found.verdict, found.reason, found.counterexample) == ("error", "step() raised", ("number 0",))


def test_a_trainer_that_hangs_is_asked_once(sgd):
    seen: list[Number] = []

    def judge(case: Number) -> Outcome:
        seen.append(case)
        raise Hung("step() took longer than 1 seconds")

    found = evaluate(check_of(judge), sgd, seed=0)

    assert (found.verdict, len(seen)) == ("error", 1)


def test_what_a_trainer_does_not_offer_is_skipped(sgd):
    found = evaluate(check_of(raising(NotOffered("it reports no norm"))), sgd, seed=0)

    assert (found.verdict, found.reason) == ("skip", "it reports no norm")


def test_a_check_that_does_not_apply_is_skipped_before_the_trainer_is_asked(sgd):
    found = evaluate(check_of(raising(ZeroDivisionError()), skip=lambda _: "declared: absent"), sgd, seed=0)

    assert (found.verdict, found.reason, found.examples) == ("skip", "declared: absent", 0)


@pytest.mark.parametrize("where", ["judge", "edges", "search", "explain"])
def test_a_check_that_raises_is_a_fault_of_the_suite_and_no_verdict(sgd, where):
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("of our own")

    wrong = replace(FINE, failure="wrong", obtained=[])
    checks = {
        "judge": check_of(fail),
        "edges": check_of(lambda _: FINE, edges=fail),
        "search": check_of(lambda _: FINE, search=fail),
        "explain": check_of(lambda _: wrong, explain=fail),
    }

    with pytest.raises(SuiteError, match=r"optimizers\.sgd/own itself failed: ZeroDivisionError: of our own"):
        evaluate(checks[where], sgd, seed=0)


def test_a_check_without_cases_is_a_fault_of_the_suite(sgd):
    with pytest.raises(SuiteError, match=r"optimizers\.sgd/own judged no case"):
        evaluate(check_of(lambda _: FINE, search=None), sgd, seed=0)


@pytest.mark.parametrize(("what", "verdict"), [("fail", "fail"), ("raise", "error")])
def test_a_trainer_that_is_wrong_now_and_then_is_wrong(sgd, what, verdict):
    calls = 0

    def judge(_: Number) -> Outcome:
        nonlocal calls
        calls += 1
        if calls != 4:
            return FINE
        if what == "raise":
            raise TrainerError("out of order")
        return replace(FINE, failure="out of order")

    found = evaluate(check_of(judge), sgd, seed=0)

    assert (found.verdict, found.reason) == (verdict, "out of order; tried again, the same case gave something else")


def test_the_examples_are_multiplied_and_never_none(sgd):
    check = check_of(lambda _: FINE, examples=8)

    assert [evaluate(check, sgd, seed=0, factor=factor).examples for factor in (0.01, 0.5, 1.0, 2.0)] == [1, 4, 8, 16]


def test_a_row_depends_on_its_seed_and_on_no_row_before_it(check_named, target):
    check, sgd = check_named("optimizers.sgd/updates"), target("optimizers.sgd")
    one = evaluate(check, sgd, seed=1, factor=0.5)
    other = evaluate(check, sgd, seed=2, factor=0.5)

    again = evaluate(check, sgd, seed=1, factor=0.5)

    assert replace(again, seconds=one.seconds) == one
    assert replace(other, seconds=one.seconds) != one


def test_a_failure_says_which_fault_it_looks_like(check_named, fault_named, target):
    fault = fault_named("optimizers.adam/5: ε inside the root")

    found = evaluate(
        check_named("optimizers.adam/epsilon"), target("optimizers.adam", "float64", fault.variant), seed=0
    )

    assert (found.verdict, found.as_if) == ("fail", "ε inside the root (clause 5; FluxML/Flux.jl#448)")


def test_a_failure_says_that_it_looks_like_another_side_of_a_fork(check_named, target):
    hat = target("optimizers.adam").page.forks["epsilon"].sides["hat"]

    found = evaluate(check_named("optimizers.adam/epsilon"), target("optimizers.adam", "float64", hat), seed=0)

    assert (found.verdict, found.as_if) == ("fail", "the fork epsilon = hat, which the trainer does not declare")


def test_a_declared_side_of_a_fork_is_not_wrong(check_named, target):
    hat = target("optimizers.adam", "float64", forks={"epsilon": "hat"})

    assert evaluate(check_named("optimizers.adam/epsilon"), hat, seed=0).verdict == "pass"


def test_a_learning_rate_that_is_wrong_by_a_hundred_thousandth_is_seen(check_named, fault_named, target):
    fault = fault_named("optimizers.sgd/2: rate off by 1e-5")

    found = evaluate(check_named("optimizers.sgd/updates"), target("optimizers.sgd", "float32", fault.variant), seed=0)

    assert (found.verdict, fault in faults()) == ("fail", True)
