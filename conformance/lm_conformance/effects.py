"""The smallest effects that the tests see with the promised power, through both stages, computed for their samples.

Each function gets the size that a sample has in the first stage, and the number of members of the family among which
a test's level is shared. Both stages have to reject, so each may miss half of what the power leaves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import torch
from lm_reference.laws import Constant, Law, Normal, TruncatedNormal, Uniform

from lm_conformance import probability
from lm_conformance.draws import standard
from lm_conformance.statistics import FIRST, POWER, SECOND

MISSED = (1 - POWER) / 2  # by one stage
SURELY = -math.log(MISSED)  # so many are expected where the chance of none is MISSED
STEPS = 4000  # of the integrals over a law


def _stages(draws: int, members: int) -> Iterator[tuple[int, float]]:
    """Sample size and level of one member in both stages."""
    for stage in (FIRST, SECOND):
        yield draws * stage.size, stage.level / members


@cache
def scale(law: Law, draws: int, members: int) -> float:
    """The relative error of the standard deviation, in either direction."""
    unit = _unit(law)

    def seen(effect: float) -> bool:
        return all(
            _scale_seen(unit, factor, n, level)
            for n, level in _stages(draws, members)
            for factor in (1 - effect, 1 + effect)
        )

    return probability.least(seen, high=0.999)


def _unit(law: Law) -> Law:
    """The law of the same form whose scale is 1: effects do not depend on it."""
    match law:
        case Normal():
            return Normal(1.0)
        case TruncatedNormal():
            return TruncatedNormal(1.0, law.cut)
        case Uniform():
            return Uniform(1.0)
        case Constant():
            raise TypeError("A constant has no scale.")


def _scale_seen(law: Law, factor: float, n: int, level: float) -> bool:
    mean, variance, impossible = _squares(law, factor)
    if n * impossible > SURELY:
        return True
    low, high = probability.chi_square_limits(level, n)
    spread = math.sqrt(n * variance)
    missed = probability.normal_cdf((high - n * mean) / spread) - probability.normal_cdf((low - n * mean) / spread)
    return missed <= MISSED


@cache
def _squares(law: Law, factor: float) -> tuple[float, float, float]:
    """Mean and variance of z² where draws are `factor` times too large, and the rate of draws that are impossible."""
    u = (torch.arange(STEPS, dtype=torch.float64) + 0.5) / STEPS
    draws = law.times(factor).from_uniform(u)
    squares = standard(draws, law).square()
    return float(squares.mean()), float(squares.var()), float((draws.abs() > law.support[1]).double().mean())


@cache
def center(draws: int, members: int) -> float:
    """The distance of the mean from 0, in standard deviations."""
    return max(_sigmas(level) / math.sqrt(n) for n, level in _stages(draws, members))


def _sigmas(level: float) -> float:
    """How many standard errors an effect must have to be seen by a two-sided test."""
    return -probability.normal_quantile(level / 2) - probability.normal_quantile(MISSED)


@cache
def distance(draws: int, members: int) -> float:
    """The distance between two distribution functions at some point of the grid; Hoeffding's inequality."""
    return max(
        probability.distance_limit(level, n) + math.sqrt(SURELY / (2 * n)) for n, level in _stages(draws, members)
    )


@cache
def rate(expected: float, draws: int, members: int) -> float:
    """The relative error of a rate in either direction, at most 1."""

    def seen(effect: float) -> bool:
        return all(
            abs(factor - 1) * n * expected
            >= -probability.normal_quantile(level / 2) * math.sqrt(n * expected * (1 - expected))
            - probability.normal_quantile(MISSED) * math.sqrt(n * factor * expected * max(0.0, 1 - factor * expected))
            for n, level in _stages(draws, members)
            for factor in (1 - effect, 1 + effect)
        )

    return probability.least(seen, high=1.0)


@cache
def largest(draws: int, tensors: int) -> float:
    """How many standard deviations away one element of a tensor of so many must be, whatever the others are."""
    limits = (probability.cosine_limit(level / (n * draws), draws) for n, level in _stages(tensors, 1))
    # the others' share in the sum of squares is all but at most so much
    others = probability.chi_square_limits(MISSED, draws)[1]
    return max(math.sqrt(limit**2 / (1 - limit**2) * others) for limit in limits)


@cache
def line(length: int, lines: int) -> float:
    """The factor by which the standard deviation of one line, of so many, must be too large; for large matrices."""

    def seen(excess: float) -> bool:
        for n, level in _stages(lines, 1):
            _, high = probability.chi_square_limits(level / n, length)
            if probability.chi_square_cdf(high / (1 + excess) ** 2, length) > MISSED:
                return False
        return True

    return 1 + probability.least(seen, high=100.0)


@cache
def cosine(length: int, pairs: int) -> float:
    """The correlation between two vectors of so many pairs, by Fisher's transformation."""
    limits = (probability.cosine_limit(level / n, length) for n, level in _stages(pairs, 1))
    spread = 1 / math.sqrt(length - 3) if length > 3 else math.inf
    return max(math.tanh(math.atanh(limit) - probability.normal_quantile(MISSED) * spread) for limit in limits)
