"""The pages of one matrix, `initialization.fan_in` and `initialization.glorot`, on published numbers."""

import pytest
import torch
from lm_reference.laws import Normal, TruncatedNormal, Uniform
from lm_reference.page import pages

FAN_IN, GLOROT = pages()["initialization.fan_in"], pages()["initialization.glorot"]


def half(_, shape):
    """Noise whose draw is the median."""
    return torch.full(shape, 0.5, dtype=torch.float64)


def high(_, shape):
    """Noise whose draw is one standard deviation of a normal law above the mean."""
    return torch.special.ndtr(torch.ones(shape, dtype=torch.float64))


def of(page, **forks):
    return page.module(*page.sides(forks))


def test_fan_in_scaling_and_glorot_differ_for_a_matrix_that_is_not_square():
    sizes = {"fan_out": 1024, "fan_in": 4096}

    assert of(FAN_IN).law(**sizes).std == 0.015625
    assert f"{of(GLOROT).law(**sizes).std:.6f}" == "0.019764"


def test_fan_in_scaling_and_glorot_agree_for_a_square_matrix():
    assert of(FAN_IN).law(64, 64).std == pytest.approx(of(GLOROT).law(64, 64).std)


def test_the_fan_in_is_the_number_of_columns():
    assert of(FAN_IN).law(fan_out=3, fan_in=100) == Normal(0.1)


def test_the_bound_of_glorot_is_the_root_of_six_over_both_fans():
    assert of(GLOROT).law(2, 4) == Uniform(1.0)


@pytest.mark.parametrize(
    ("page", "law", "expected"),
    [
        (FAN_IN, "truncated", TruncatedNormal(0.5)),
        (FAN_IN, "uniform", Uniform(0.75**0.5)),
        (GLOROT, "normal", Normal(0.5)),
    ],
)
def test_the_other_laws_have_the_same_nominal_variance(page, law, expected):
    assert of(page, law=law).law(4, 4) == expected


@pytest.mark.parametrize("page", [FAN_IN, GLOROT])
def test_the_orientation_changes_the_shape_but_not_the_law(page):
    one, other = of(page), of(page, orientation="in_out")

    assert one.weights(half, fan_out=2, fan_in=3).shape == (2, 3)
    assert other.weights(half, fan_out=2, fan_in=3).shape == (3, 2)
    assert other.law(2, 3) == one.law(2, 3)


def test_weights_are_the_quantiles_of_the_noise():
    drawn = of(FAN_IN).weights(high, fan_out=2, fan_in=16)

    assert torch.allclose(drawn, torch.full((2, 16), 0.25, dtype=torch.float64))


@pytest.mark.parametrize("page", [FAN_IN, GLOROT])
def test_the_noise_is_asked_once_for_all_elements(page):
    asked = []

    of(page).weights(lambda number, shape: asked.append((number, shape)) or half(number, shape), fan_out=2, fan_in=3)

    assert asked == [(0, (2, 3))]
