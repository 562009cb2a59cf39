"""One row: a check, asked of one trainer at one dtype."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hypothesis.errors import Flaky

from lm_conformance.check import Check, NotOffered, Outcome, Picture, Statistic, Target
from lm_conformance.errors import Hung, SuiteError, TrainerError
from lm_conformance.search import derived_seed, search

if TYPE_CHECKING:
    from lm_conformance.check import Case


@dataclass(frozen=True)
class Verdict:
    """What a row found out.

    `verdict` is pass, fail, error or skip; what is known of a trainer is not yet taken into account.
    """

    verdict: str
    examples: int  # that were judged
    conclusive: int  # in which a known fault would have been seen
    margin: float | None  # the largest, in units of the bound; infinite where something exact is broken
    reason: str = ""  # one line: why it failed or was skipped
    as_if: str = ""  # the fault, or the other side of a fork, that it looks like
    counterexample: tuple[str, ...] = ()  # the smallest case found, and what it gave
    seconds: float = 0.0
    statistics: tuple[Statistic, ...] = ()
    picture: Picture | None = None


class _Wrong(Exception):  # noqa: N818 it carries a finding out of the search
    def __init__(self, case: Case, outcome: Outcome) -> None:
        super().__init__(outcome.failure)
        self.case = case
        self.outcome = outcome


class _Broken(Exception):  # noqa: N818 it carries a finding out of the search
    def __init__(self, case: Case, reason: str) -> None:
        super().__init__(reason)
        self.case = case
        self.reason = reason


class _Tally:
    """Judges cases and counts."""

    def __init__(self, check: Check, target: Target) -> None:
        self.check = check
        self.target = target
        self.examples = self.conclusive = 0
        self.margin = 0.0
        self.statistics: list[Statistic] = []
        self.found: _Wrong | _Broken | None = None

    def judge(self, case: Any) -> None:
        try:
            outcome = self.check.judge(self.check, self.target, case)
        except TrainerError as error:
            self.examples += 1
            self.found = _Broken(case, str(error))
            raise self.found from None
        self.examples += 1
        self.conclusive += outcome.conclusive
        self.margin = max(self.margin, outcome.margin)
        self.statistics += outcome.statistics
        if outcome.failure is not None:
            self.found = _Wrong(case, outcome)
            raise self.found


def evaluate(check: Check, target: Target, *, seed: int, factor: float = 1.0, shrink: bool = True) -> Verdict:
    """The verdict of a check on a target. `factor` multiplies the number of examples of the search.

    Raises:
        SuiteError: the check itself failed.

    """
    start = time.perf_counter()
    target = replace(target, seed=seed)
    tally = _Tally(check, target)

    def verdict(kind: str, **more: Any) -> Verdict:
        margin = tally.margin if tally.examples and kind != "skip" else None
        seconds = time.perf_counter() - start
        statistics = tuple(tally.statistics)
        return Verdict(kind, tally.examples, tally.conclusive, margin, seconds=seconds, statistics=statistics, **more)

    unsteady = ""
    reason = check.skip(target)
    if reason is not None:
        return verdict("skip", reason=reason)
    try:
        for edge in check.edges(target):
            tally.judge(edge)
        if check.search is not None:
            own_seed = derived_seed(seed, check.id, target.dtype)
            count = max(1, round(check.examples * factor))
            try:
                search(check.search(target), tally.judge, seed=own_seed, examples=count, shrink=shrink)
            except Flaky:
                if tally.found is None:
                    raise
                unsteady = "; tried again, the same case gave something else"
                raise tally.found from None
    except NotOffered as missing:
        return verdict("skip", reason=str(missing))
    except Hung as hung:
        return verdict("error", reason=str(hung))
    except _Broken as broken:
        return verdict("error", reason=broken.reason + unsteady, counterexample=tuple(broken.case.describe()))
    except _Wrong as wrong:
        as_if = _as_if(check, target, wrong) if shrink else ""
        lines = (*wrong.case.describe(), *wrong.outcome.details)
        return verdict(
            "fail",
            reason=f"{wrong.outcome.failure}{unsteady}",
            as_if=as_if,
            counterexample=lines,
            picture=wrong.outcome.picture,
        )
    except Exception as error:
        raise _own_failure(check, error) from error
    if tally.examples == 0:
        raise SuiteError(f"{check.id} judged no case.")
    if tally.conclusive == 0:
        return verdict("skip", reason="inconclusive: at this precision no known fault could have been seen")
    return verdict("pass")


def _as_if(check: Check, target: Target, wrong: _Wrong) -> str:
    if check.explain is None or wrong.outcome.obtained is None:
        return ""
    try:
        return check.explain(check, target, wrong.case, wrong.outcome.obtained) or ""
    except Exception as error:
        raise _own_failure(check, error) from error


def _own_failure(check: Check, error: Exception) -> SuiteError:
    return SuiteError(f"{check.id} itself failed: {type(error).__name__}: {error}")
