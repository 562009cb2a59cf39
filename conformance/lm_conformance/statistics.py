"""Statistical checks: how often they may be wrong, and how a sample is asked twice before anything is rejected.

A run of one trainer that is right in everything is called wrong with probability BUDGET at most: a thousand runs
with fresh seeds give a tenth of a false alarm. At most TESTS tests share it equally, so a test may reject a true
hypothesis with probability BUDGET / TESTS = 5·10^-7 (Bonferroni's inequality: no independence of the tests is needed).

A test gets there in two stages that are fixed beforehand. The first sample decides at 10^-3; only where it rejects, a
second one, drawn with other seeds and four times larger, decides at 5·10^-4, and the hypothesis is rejected where both
do. The samples are independent, so the levels multiply. A true hypothesis costs 1.004 samples on average, and both
results stand in the report.

Every test is exact or on the safe side for every sample size: at 10^-7 no normal approximation is trusted. One test may
ask several pools, the members of a family: its p is the smallest of theirs times their number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lm_conformance.check import Statistic

BUDGET = 1e-4
TESTS = 200
SECOND_SAMPLE = ", second sample"  # the end of a test's name in the second stage
POWER = 0.999  # with which the effect in `detects` is seen, through both stages


@dataclass(frozen=True)
class Stage:
    """One of the two decisions."""

    level: float  # the hypothesis is rejected where p is below
    size: int  # of the sample, in samples of the first stage


FIRST = Stage(1e-3, 1)
SECOND = Stage(5e-4, 4)


@dataclass(frozen=True)
class Finding:
    """What one test says of a sample."""

    test: str  # what is asked, of which sample: the same words in both stages
    draws: int
    p: float
    detects: str  # the smallest effect that is promised to be seen, through both stages
    place: str = ""  # the member of the family that is least likely
    says: str = ""  # what was found there, in words
    places: frozenset[str] = frozenset()  # the members that are rejected by themselves


_Sample = TypeVar("_Sample")


@dataclass(frozen=True)
class Trial(Generic[_Sample]):
    """The result of both stages."""

    statistics: tuple[Statistic, ...]
    rejected: tuple[Finding, ...]  # of the second stage
    sample: _Sample  # the last that was drawn


def two_stages(draw: Callable[[Stage], _Sample], ask: Callable[[_Sample, Stage], Sequence[Finding]]) -> Trial[_Sample]:
    """Draw and ask; where a test rejects, draw the second sample and ask again."""
    sample = draw(FIRST)
    found = list(ask(sample, FIRST))
    statistics = [_statistic(finding, FIRST) for finding in found]
    doubtful = {finding.test for finding in found if finding.p < FIRST.level}
    rejected: list[Finding] = []
    if doubtful:
        sample = draw(SECOND)
        again = [finding for finding in ask(sample, SECOND) if finding.test in doubtful]
        if len(again) != len(doubtful):
            raise ValueError(f"the second sample was not asked for {', '.join(sorted(doubtful))}.")
        statistics += [_statistic(finding, SECOND) for finding in again]
        rejected = [finding for finding in again if finding.p < SECOND.level]
    return Trial(tuple(statistics), tuple(rejected), sample)


def _statistic(finding: Finding, stage: Stage) -> Statistic:
    name = finding.test + ("" if stage is FIRST else SECOND_SAMPLE)
    return Statistic(name, finding.draws, finding.p, stage.level, finding.detects)


def family(ps: Sequence[float]) -> tuple[int, float]:
    """The least likely member of a family, and the family's p."""
    worst = min(range(len(ps)), key=ps.__getitem__)
    return worst, min(1.0, len(ps) * ps[worst])
