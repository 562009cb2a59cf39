"""Momentum: the recursions that are published, on exact fractions, so that equal means equal."""

from fractions import Fraction
from functools import partial

import pytest
from lm_reference.page import pages

MOMENTUM = pages()["optimizers.momentum"]
RATE, MU, TAU, PENALTY = Fraction(1, 3), Fraction(3, 5), Fraction(1, 4), Fraction(2, 7)
GRADIENTS = [Fraction(1, 2), Fraction(-5, 3), Fraction(7), Fraction(1, 9)]
RATES = [Fraction(1, 3), Fraction(1, 2), Fraction(0), Fraction(4, 5)]
START = Fraction(2)


def with_sides(**sides):
    return MOMENTUM.module(*MOMENTUM.sides(sides))


@pytest.mark.parametrize("theta", [START, Fraction(0)])
def test_the_buffer_is_zero_before_the_first_update(theta):
    assert MOMENTUM.module().init(theta) == (0, 0)


def test_the_first_buffer_is_the_gradient_and_later_ones_are_dampened(updates):
    thetas = updates(
        MOMENTUM.module(), START, GRADIENTS[:2], lr=RATE, momentum=MU, dampening=TAU, weight_decay=Fraction(0)
    )

    first = GRADIENTS[0]
    second = MU * first + (1 - TAU) * GRADIENTS[1]
    assert thetas == [START - RATE * first, START - RATE * first - RATE * second]


def test_without_dampening_it_is_the_heavy_ball(updates):
    """Polyak: θ_{t+1} = θ_t - η g_t + μ (θ_t - θ_{t-1})."""
    thetas = updates(
        MOMENTUM.module(), START, GRADIENTS, lr=RATE, momentum=MU, dampening=Fraction(0), weight_decay=Fraction(0)
    )

    places = [START, START]
    for g in GRADIENTS:
        places.append(places[-1] - RATE * g + MU * (places[-1] - places[-2]))
    assert thetas == places[2:]


def test_a_constant_gradient_is_amplified_by_a_geometric_series(updates):
    thetas = updates(
        MOMENTUM.module(), START, [Fraction(1)] * 5, lr=RATE, momentum=MU, dampening=Fraction(0), weight_decay=0
    )

    steps = [before - after for before, after in zip([START, *thetas], thetas, strict=False)]
    assert steps == [RATE * (1 - MU**t) / (1 - MU) for t in range(1, 6)]


def test_momentum_zero_is_gradient_descent(updates):
    settings = {"lr": RATES, "weight_decay": PENALTY}

    thetas = updates(MOMENTUM.module(), START, GRADIENTS, momentum=Fraction(0), dampening=Fraction(0), **settings)

    assert thetas == updates(pages()["optimizers.sgd"].module(), START, GRADIENTS, **settings)


def test_the_penalty_passes_through_the_buffer(updates):
    settings = {"lr": RATE, "momentum": MU, "dampening": TAU}

    thetas = updates(MOMENTUM.module(), START, GRADIENTS[:2], weight_decay=PENALTY, **settings)

    penalised = [GRADIENTS[0] + PENALTY * START, GRADIENTS[1] + PENALTY * thetas[0]]
    assert thetas == updates(MOMENTUM.module(), START, penalised, weight_decay=Fraction(0), **settings)


def test_the_rate_outside_acts_on_old_gradients_too(updates):
    thetas = updates(
        MOMENTUM.module(), START, GRADIENTS[:2], lr=RATES[:2], momentum=MU, dampening=TAU, weight_decay=Fraction(0)
    )

    assert thetas[0] - thetas[1] == RATES[1] * (MU * GRADIENTS[0] + (1 - TAU) * GRADIENTS[1])


def test_the_rate_inside_is_that_of_sutskever_and_others(updates):
    """v_t = μ v_{t-1} - η_t g_t, θ_t = θ_{t-1} + v_t."""
    thetas = updates(
        with_sides(rate="inside"), START, GRADIENTS, lr=RATES, momentum=MU, dampening=Fraction(0), weight_decay=0
    )

    theta, v, published = START, Fraction(0), []
    for g, rate in zip(GRADIENTS, RATES, strict=True):
        v = MU * v - rate * g
        theta += v
        published.append(theta)
    assert thetas == published


@pytest.mark.parametrize(("rates", "same"), [([RATE] * 4, True), (RATES, False)])
def test_the_rate_inside_and_outside_are_the_same_while_it_is_constant(updates, rates, same):
    run = partial(updates, lr=rates, momentum=MU, dampening=TAU, weight_decay=PENALTY)

    inside, outside = (run(with_sides(rate=side), START, GRADIENTS) for side in ("inside", "outside"))

    assert (inside == outside) is same


def test_a_dampened_first_buffer_is_the_recursion_from_zero(updates):
    thetas = updates(
        with_sides(first="dampened"), START, GRADIENTS, lr=RATE, momentum=MU, dampening=TAU, weight_decay=Fraction(0)
    )

    theta, b, published = START, Fraction(0), []
    for g in GRADIENTS:
        b = MU * b + (1 - TAU) * g
        theta -= RATE * b
        published.append(theta)
    assert thetas == published


def test_an_implementation_without_dampening_ignores_it(updates):
    run = partial(updates, lr=RATES, momentum=MU, weight_decay=PENALTY)

    thetas = run(with_sides(dampening="absent"), START, GRADIENTS, dampening=TAU)

    assert thetas == run(MOMENTUM.module(), START, GRADIENTS, dampening=Fraction(0))


def test_an_implementation_without_a_penalty_ignores_it(updates):
    run = partial(updates, lr=RATES, momentum=MU, dampening=TAU)

    thetas = run(with_sides(weight_decay="absent"), START, GRADIENTS, weight_decay=PENALTY)

    assert thetas == run(MOMENTUM.module(), START, GRADIENTS, weight_decay=Fraction(0))


def test_without_a_gradient_value_and_buffer_stay(updates):
    run = partial(updates, MOMENTUM.module(), START, momentum=MU, dampening=TAU, weight_decay=PENALTY, lr=RATE)

    thetas = run([None, *GRADIENTS[:2], None, *GRADIENTS[2:]])

    first, second, third, fourth = run(GRADIENTS)
    assert thetas == [START, first, second, second, third, fourth]


def test_the_state_that_is_restored_is_the_one_that_was_saved():
    page = MOMENTUM.module()
    _, state = page.step(START, GRADIENTS[0], page.init(START), lr=RATE, momentum=MU, dampening=TAU, weight_decay=0)

    assert page.restore(state) == state == (GRADIENTS[0], 1)
