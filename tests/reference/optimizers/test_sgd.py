"""Stochastic gradient descent: hand-made numbers that are exact in binary, and laws on exact fractions."""

from fractions import Fraction
from functools import partial

import pytest
import torch
from lm_reference.page import pages

SGD = pages()["optimizers.sgd"]
double = partial(torch.tensor, dtype=torch.float64)

THETA = double([1.0, -2.0, 0.5])
GRADIENT = double([0.25, -0.5, 4.0])


def test_an_update_subtracts_the_rate_times_the_gradient(updates):
    (theta,) = updates(SGD.module(), THETA, [GRADIENT], lr=0.5, weight_decay=0.0)

    assert theta.tolist() == [0.875, -1.75, -1.5]


def test_every_update_has_its_own_rate(updates):
    thetas = updates(SGD.module(), THETA, [GRADIENT, GRADIENT], lr=[0.5, 2.0], weight_decay=0.0)

    assert [theta.tolist() for theta in thetas] == [[0.875, -1.75, -1.5], [0.375, -0.75, -9.5]]


def test_the_penalty_times_the_parameter_is_added_to_the_gradient(updates):
    (theta,) = updates(SGD.module(), THETA, [GRADIENT], lr=0.5, weight_decay=0.5)

    assert theta.tolist() == [0.625, -1.25, -1.625]


def test_the_penalty_is_the_gradient_of_half_the_squared_norm(updates):
    leaf = THETA.clone().requires_grad_()
    (leaf @ GRADIENT + 0.5 * leaf.square().sum() / 2).backward()

    with_penalty = updates(SGD.module(), THETA, [GRADIENT], lr=0.5, weight_decay=0.5)
    penalised_loss = updates(SGD.module(), THETA, [leaf.grad], lr=0.5, weight_decay=0.0)

    assert with_penalty[0].tolist() == penalised_loss[0].tolist()


def test_with_zero_gradients_the_penalty_shrinks_geometrically(updates):
    rate, penalty = Fraction(1, 3), Fraction(2, 7)

    thetas = updates(SGD.module(), Fraction(5), [Fraction(0)] * 4, lr=rate, weight_decay=penalty)

    assert thetas == [5 * (1 - rate * penalty) ** t for t in (1, 2, 3, 4)]


def test_the_update_of_a_mean_gradient_is_the_mean_of_the_updates(updates):
    step = partial(updates, SGD.module(), Fraction(5), lr=Fraction(1, 3), weight_decay=Fraction(2, 7))
    one, other = Fraction(1, 9), Fraction(-4, 5)

    (of_the_mean,), (of_one,), (of_other,) = step([(one + other) / 2]), step([one]), step([other])

    assert of_the_mean == (of_one + of_other) / 2


@pytest.mark.parametrize("gradient", [GRADIENT, None])
def test_nothing_is_remembered(gradient):
    _, state = SGD.module().step(THETA, gradient, SGD.module().init(THETA), lr=0.5, weight_decay=0.5)

    assert state == ()


def test_without_a_gradient_not_even_the_penalty_acts(updates):
    (theta,) = updates(SGD.module(), THETA, [None], lr=0.5, weight_decay=0.5)

    assert theta is THETA


def test_an_implementation_without_a_penalty_ignores_it(updates):
    page = SGD.module(*SGD.sides({"weight_decay": "absent"}))

    (theta,) = updates(page, THETA, [GRADIENT], lr=0.5, weight_decay=0.5)

    assert theta.tolist() == [0.875, -1.75, -1.5]
