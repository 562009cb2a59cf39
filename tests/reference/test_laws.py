"""The laws that pages draw from."""

import doctest
import math

import pytest
import torch
from lm_reference import laws
from lm_reference.laws import Constant, Normal, TruncatedNormal, Uniform

LAWS = [Normal(0.02), TruncatedNormal(0.02), TruncatedNormal(0.5, cut=3), Uniform(0.3)]
QUANTILES = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)


def ids(law):
    return str(law)


def mean_of(law, function):
    """The mean of a function of a draw, by the midpoint rule over the quantiles."""
    n = 200_000
    return float(function(law.from_uniform((torch.arange(n, dtype=torch.float64) + 0.5) / n)).mean())


@pytest.mark.parametrize("law", LAWS, ids=ids)
def test_the_quantiles_invert_the_distribution_function(law):
    assert torch.allclose(law.cdf(law.from_uniform(QUANTILES)), QUANTILES, rtol=0, atol=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=ids)
def test_the_std_is_that_of_the_draws(law):
    assert mean_of(law, torch.square) ** 0.5 == pytest.approx(law.std, rel=1e-4)


@pytest.mark.parametrize("law", LAWS, ids=ids)
def test_draws_lie_symmetrically_around_zero(law):
    assert torch.allclose(law.from_uniform(QUANTILES), -law.from_uniform(1 - QUANTILES), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("law", LAWS, ids=ids)
def test_a_scaled_law_has_the_scaled_draws(law):
    expected = 3 * law.from_uniform(QUANTILES)

    assert torch.allclose(law.times(3).from_uniform(QUANTILES), expected, rtol=1e-12, atol=0)
    assert law.times(3).std == pytest.approx(3 * law.std)


@pytest.mark.parametrize("law", [TruncatedNormal(0.02), Uniform(0.3)], ids=ids)
def test_bounded_draws_stay_in_the_support_and_come_near_its_ends(law):
    ends = law.from_uniform(torch.tensor([2.0**-54, 1 - 2.0**-53], dtype=torch.float64))

    low, high = law.support
    assert low <= float(ends[0]) < 0.999 * low
    assert 0.999 * high < float(ends[1]) <= high


@pytest.mark.parametrize("law", [TruncatedNormal(0.02), Uniform(0.3)], ids=ids)
def test_beyond_the_support_the_distribution_function_is_zero_and_one(law):
    low, high = law.support

    assert law.cdf(torch.tensor([2 * low, 2 * high], dtype=torch.float64)).tolist() == [0, 1]


def test_a_normal_law_has_no_bounds():
    assert Normal(1.0).support == (-math.inf, math.inf)


def test_a_cut_at_two_deviations_leaves_0_88_of_the_deviation():
    assert f"{TruncatedNormal(1.0).std:.17f}"[:18] == "0.8796256610342397"  # the constant of JAX


def test_a_cut_at_three_deviations_leaves_0_987_of_the_deviation():
    assert f"{TruncatedNormal(1.0, cut=3).std:.4f}" == "0.9866"


def test_a_constant_is_drawn_whatever_the_noise_is():
    law = Constant(1.5)

    assert law.from_uniform(QUANTILES).unique().tolist() == [1.5]
    assert (law.std, law.support, law.times(2)) == (0.0, (1.5, 1.5), Constant(3.0))
    assert law.cdf(torch.tensor([1.4, 1.5, 1.6], dtype=torch.float64)).tolist() == [0, 1, 1]


def test_the_examples_in_the_text_hold():
    result = doctest.testmod(laws)

    assert (result.failed, result.attempted > 0) == (0, True)
