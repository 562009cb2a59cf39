"""Nesterov's momentum: the recursions that are published, on exact fractions, so that equal means equal."""

from fractions import Fraction
from functools import partial

import pytest
from lm_reference.page import pages

NESTEROV = pages()["optimizers.nesterov"]
RATE, MU, PENALTY = Fraction(1, 3), Fraction(3, 5), Fraction(2, 7)
GRADIENTS = [Fraction(1, 2), Fraction(-5, 3), Fraction(7), Fraction(1, 9)]
RATES = [Fraction(1, 3), Fraction(1, 2), Fraction(0), Fraction(4, 5)]
START = Fraction(2)
CURVATURE = Fraction(5, 4)  # of the quadratic function on which gradients are taken


def with_sides(**sides):
    return NESTEROV.module(*NESTEROV.sides(sides))


def published(rates):
    """Where gradients are taken, μ v ahead of the iterate φ.

    v_t = μ v_{t-1} - η_t ∇f(φ_{t-1} + μ v_{t-1}), φ_t = φ_{t-1} + v_t.
    """
    phi, v, ahead = START, Fraction(0), []
    for rate in rates:
        v = MU * v - rate * CURVATURE * (phi + MU * v)
        phi += v
        ahead.append(phi + MU * v)
    return ahead


def on_the_quadratic(page, rates):
    theta, state, thetas = START, page.init(START), []
    for rate in rates:
        theta, state = page.step(theta, CURVATURE * theta, state, lr=rate, momentum=MU, weight_decay=Fraction(0))
        thetas.append(theta)
    return thetas


@pytest.mark.parametrize("theta", [START, Fraction(0)])
def test_the_buffer_is_zero_before_the_first_update(theta):
    assert NESTEROV.module().init(theta) == (0,)


def test_the_parameter_is_one_step_of_momentum_ahead_of_the_published_iterate():
    assert on_the_quadratic(NESTEROV.module(), [RATE] * 4) == published([RATE] * 4)


def test_the_rate_inside_is_the_published_one_when_it_changes():
    assert on_the_quadratic(with_sides(rate="inside"), RATES) == published(RATES)


def test_the_rate_outside_acts_on_old_gradients_too(updates):
    first, second = updates(
        NESTEROV.module(), START, GRADIENTS[:2], lr=RATES[:2], momentum=MU, weight_decay=Fraction(0)
    )

    assert first - second == RATES[1] * (GRADIENTS[1] + MU * (MU * GRADIENTS[0] + GRADIENTS[1]))


def test_the_first_update_is_longer_by_the_momentum(updates):
    (theta,) = updates(NESTEROV.module(), START, GRADIENTS[:1], lr=RATE, momentum=MU, weight_decay=Fraction(0))

    assert theta == START - RATE * (1 + MU) * GRADIENTS[0]


@pytest.mark.parametrize(("rates", "same"), [([RATE] * 4, True), (RATES, False)])
def test_the_rate_inside_and_outside_are_the_same_while_it_is_constant(updates, rates, same):
    run = partial(updates, lr=rates, momentum=MU, weight_decay=PENALTY)

    inside, outside = (run(with_sides(rate=side), START, GRADIENTS) for side in ("inside", "outside"))

    assert (inside == outside) is same


def test_the_penalty_passes_through_the_buffer(updates):
    thetas = updates(NESTEROV.module(), START, GRADIENTS[:2], lr=RATE, momentum=MU, weight_decay=PENALTY)

    penalised = [GRADIENTS[0] + PENALTY * START, GRADIENTS[1] + PENALTY * thetas[0]]
    assert thetas == updates(NESTEROV.module(), START, penalised, lr=RATE, momentum=MU, weight_decay=Fraction(0))


def test_an_implementation_without_a_penalty_ignores_it(updates):
    run = partial(updates, lr=RATES, momentum=MU)

    thetas = run(with_sides(weight_decay="absent"), START, GRADIENTS, weight_decay=PENALTY)

    assert thetas == run(NESTEROV.module(), START, GRADIENTS, weight_decay=Fraction(0))


def test_without_a_gradient_value_and_buffer_stay(updates):
    run = partial(updates, NESTEROV.module(), START, momentum=MU, weight_decay=PENALTY, lr=RATE)

    thetas = run([None, *GRADIENTS[:2], None, *GRADIENTS[2:]])

    first, second, third, fourth = run(GRADIENTS)
    assert thetas == [START, first, second, second, third, fourth]


def test_the_state_that_is_restored_is_the_one_that_was_saved():
    page = NESTEROV.module()
    _, state = page.step(START, GRADIENTS[0], page.init(START), lr=RATE, momentum=MU, weight_decay=Fraction(0))

    assert page.restore(state) == state == (GRADIENTS[0],)
