"""Adam: published numbers to the digits that are printed, and relations between its forms."""

from functools import partial

import pytest
import torch
from lm_reference.page import Variant, pages

ADAM = pages()["optimizers.adam"]
double = partial(torch.tensor, dtype=torch.float64)
constant = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8}

START = double([1.0, -2.0, 0.5])
GRADIENTS = [double([0.1, -0.2, 0.0]), double([-0.3, 0.4, 1e-9]), double([0.05, 0.0, -2e-9])]


def with_sides(**sides):
    return ADAM.module(*ADAM.sides(sides))


def with_lines(lines):
    return ADAM.module(Variant(ADAM.id, "fault", "a mistake", lines))


inside_the_root = with_lines({5: "theta = theta - lr * (m / c1) / (v / c2 + eps).sqrt()"})


@pytest.mark.parametrize(
    ("page", "gradient", "published"),
    [
        (ADAM.module(), 1.0, "-0.00099999999 -0.00199999998 -0.00299999997"),
        (with_sides(epsilon="hat"), 1.0, "-0.000999999955 -0.001999999923 -0.002999999897"),
        (with_sides(bias_correction="off"), 1.0, "-0.000447213575 -0.001055700540 -0.001773282399"),
        (ADAM.module(), 1e-8, "-0.0005 -0.001 -0.0015"),
        (with_sides(epsilon="hat"), 1e-8, "-0.000182743998 -0.000420694025 -0.000694824076"),
        (with_sides(bias_correction="off"), 1e-8, "-8.172560e-05 -2.265151e-04 -4.232259e-04"),
        (inside_the_root, 1e-8, "-1e-07 -2e-07 -3e-07"),
    ],
)
def test_three_updates_with_a_constant_gradient(updates, written_like, page, gradient, published):
    thetas = updates(page, double(0.0), [double(gradient)] * 3, **constant)

    assert written_like(published, torch.stack(thetas)) == published


@pytest.mark.parametrize(
    ("sides", "published"),
    [
        ({}, "0.997674057701 -1.996478949791 0.499867513326"),
        ({"epsilon": "hat"}, "0.997674060447 -1.996478951094 0.499985280193"),
    ],
)
def test_three_updates_with_changing_gradients(updates, written_like, sides, published):
    *_, theta = updates(with_sides(**sides), START, GRADIENTS, **{**constant, "lr": 0.01})

    assert written_like(published, theta) == published


def test_a_penalty_in_the_gradient_passes_through_the_moments(written_like):
    page, theta, state = ADAM.module(), START, ADAM.module().init(START)
    for g in GRADIENTS:
        theta, state = page.step(theta, g + 0.1 * theta, state, **{**constant, "lr": 0.01})

    published = "0.987942690913 -1.982817175527 0.470011966212"
    assert written_like(published, theta) == published


def test_the_moments_are_averages_that_start_from_zero():
    page, state = ADAM.module(), ADAM.module().init(double(0.0))
    for g in (4.0, -2.0):
        _, state = page.step(double(0.0), double(g), state, lr=1.0, beta1=0.5, beta2=0.75, eps=1.0)

    assert state == (0.5 * 0.5 * 4 - 0.5 * 2, 0.75 * 0.25 * 16 + 0.25 * 4, 2)


def test_without_epsilon_the_first_update_is_the_sign_of_the_gradient(updates):
    (theta,) = updates(ADAM.module(), START, [double([3.0, -1e-9, 7e9])], lr=0.25, beta1=0.5, beta2=0.75, eps=0.0)

    assert theta.tolist() == [0.75, -1.75, 0.25]


def test_a_constant_gradient_makes_equal_updates_for_ever(updates, rounded, distance):
    settings = {name: rounded(number) for name, number in {**constant, "eps": 0.0}.items()}

    *_, theta = updates(ADAM.module(), rounded(double(0.0)), rounded([double(3.0)] * 300), **settings)

    assert distance(theta, -300 * settings["lr"]) <= 1


def test_without_epsilon_the_scale_of_the_gradients_does_not_matter(updates):
    gradients = [g + 1 for g in GRADIENTS]
    run = partial(updates, ADAM.module(), START, **{**constant, "eps": 0.0})

    thetas, scaled = run(gradients), run([2.0**20 * g for g in gradients])

    assert [theta.tolist() for theta in scaled] == [theta.tolist() for theta in thetas]


@pytest.mark.parametrize(("beta2", "published"), [(0.999, "3.162"), (0.95, "0.447")])
def test_the_first_update_without_correction_has_another_length(updates, written_like, beta2, published):
    run = partial(updates, theta=double(0.0), gradients=[double(1.0)], **{**constant, "beta2": beta2})

    (uncorrected,), (corrected,) = run(with_sides(bias_correction="off")), run(ADAM.module())

    assert written_like(published, uncorrected / corrected) == published


def test_epsilon_hat_is_the_same_where_epsilon_is_rescaled_at_each_update(updates, rounded, distance):
    """ε̂ = ε √(1 - β2^t) makes the form before section 2.1 the form of algorithm 1."""
    settings = {name: rounded(number) for name, number in constant.items()}
    *_, theta = updates(ADAM.module(), rounded(START), rounded(GRADIENTS), **settings)

    hat = with_sides(epsilon="hat")
    other, state = rounded(START), hat.init(rounded(START))
    for t, g in enumerate(rounded(GRADIENTS), start=1):
        rescaled = {**settings, "eps": settings["eps"] * (1 - settings["beta2"] ** t) ** 0.5}
        other, state = hat.step(other, g, state, **rescaled)

    assert distance(other, theta) <= 1


def test_epsilon_hat_is_another_optimizer_where_epsilon_is_constant(updates, rounded, distance):
    settings = {name: rounded(number) for name, number in constant.items()}

    after, hat = (
        updates(with_sides(epsilon=side), rounded(START), rounded(GRADIENTS), **settings)[-1]
        for side in ("after", "hat")
    )

    assert distance(after, hat) > 1


def test_a_zero_gradient_from_the_start_moves_nothing(updates):
    thetas = updates(ADAM.module(), START, [torch.zeros_like(START)] * 2, **constant)

    assert [theta.tolist() for theta in thetas] == [START.tolist()] * 2


def test_a_zero_gradient_after_others_goes_on_by_momentum(updates):
    nothing = double(0.0)

    first, second = updates(ADAM.module(), nothing, [double(2.0), nothing], lr=1.0, beta1=0.5, beta2=0.0, eps=1.0)

    m, v = 0.5 * 0.5 * 2 / (1 - 0.5**2), 0.0
    assert (second - first).item() == -m / (v + 1)


def test_every_update_has_its_own_rate(updates):
    run = partial(updates, ADAM.module(), double(0.0), [double(1.0)] * 2, beta1=0.5, beta2=0.75, eps=1.0)

    first, second = run(lr=[0.5, 0.125])

    assert [first.item(), (second - first).item()] == [-0.25, -0.0625]


def test_without_a_gradient_value_moments_and_count_stay():
    page, state = ADAM.module(), ADAM.module().init(START)
    _, state = page.step(START, GRADIENTS[0], state, **constant)

    assert page.step(START, None, state, **constant) == (START, state)


def test_where_missing_gradients_are_counted_only_the_count_goes_on():
    page, before = with_sides(missing="counted"), ADAM.module().init(START)

    theta, after = page.step(START, None, before, **constant)

    assert (theta, *after) == (START, before.m, before.v, 1)


def test_the_state_that_is_restored_is_the_one_that_was_saved():
    page = ADAM.module()
    _, state = page.step(START, GRADIENTS[0], page.init(START), **constant)

    assert page.restore(state) == state
