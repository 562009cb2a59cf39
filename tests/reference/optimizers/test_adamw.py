"""AdamW: published numbers to the digits that are printed, and what the decay has to do with rate and moments."""

import math
from functools import partial

import pytest
import torch
from lm_reference.page import Variant, pages

ADAMW = pages()["optimizers.adamw"]
double = partial(torch.tensor, dtype=torch.float64)

START = double([1.0, -2.0, 0.5])
GRADIENTS = [double([0.1, -0.2, 0.0]), double([-0.3, 0.4, 1e-9]), double([0.05, 0.0, -2e-9])]
RATES = [0.01, 0.005, 0.02]
SETTINGS = {"base_lr": 0.01, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1, "decayed": True}
ADAM_SETTINGS = {name: SETTINGS[name] for name in ("beta1", "beta2", "eps")}


def with_sides(**sides):
    return ADAMW.module(*ADAMW.sides(sides))


@pytest.mark.parametrize(
    ("sides", "weight_decay", "published"),
    [
        ({}, 0.0, "0.997674057701 -1.996478949791 0.499867513326"),
        ({"epsilon": "hat"}, 0.0, "0.997674060447 -1.996478951094 0.499985280193"),
        ({}, 0.1, "0.994692153741 -1.990501304051 0.498369503971"),
        ({"bias_correction": "off"}, 0.01, "1.000201459572 -1.999181352220 0.499856998859"),
    ],
)
def test_three_updates_with_changing_gradients(updates, written_like, sides, weight_decay, published):
    settings = {**SETTINGS, "weight_decay": weight_decay}

    *_, theta = updates(with_sides(**sides), START, GRADIENTS, lr=0.01, **settings)

    assert written_like(published, theta) == published


@pytest.mark.parametrize("without", [{"weight_decay": 0.0}, {"decayed": False}])
def test_without_decay_it_is_adam(updates, without):
    large = [100 * g for g in GRADIENTS]

    thetas = updates(ADAMW.module(), START, large, lr=RATES, **{**SETTINGS, **without})

    adam = updates(pages()["optimizers.adam"].module(), START, large, lr=RATES, **ADAM_SETTINGS)
    assert [theta.tolist() for theta in thetas] == [theta.tolist() for theta in adam]


def test_a_constant_gradient_makes_equal_updates_of_adams_part_for_ever(updates, rounded, distance):
    settings = {name: rounded(number) for name, number in SETTINGS.items() if name != "decayed"}
    settings |= {"weight_decay": rounded(0.0), "eps": rounded(0.0), "decayed": True}

    *_, theta = updates(
        ADAMW.module(), rounded(double(0.0)), rounded([double(3.0)] * 300), lr=rounded(0.01), **settings
    )

    assert distance(theta, -300 * rounded(0.01)) <= 1


@pytest.mark.parametrize(
    "sides", [{"epsilon": "hat"}, {"bias_correction": "off"}, {"epsilon": "hat", "bias_correction": "off"}]
)
def test_the_forks_that_adam_has_too_are_adams(updates, sides):
    thetas = updates(with_sides(**sides), START, GRADIENTS, lr=RATES, **{**SETTINGS, "weight_decay": 0.0})

    adam = pages()["optimizers.adam"]
    others = updates(adam.module(*adam.sides(sides)), START, GRADIENTS, lr=RATES, **ADAM_SETTINGS)
    assert [theta.tolist() for theta in thetas] == [theta.tolist() for theta in others]


def test_the_decay_does_not_enter_the_moments():
    page = ADAMW.module()

    step = partial(page.step, START, GRADIENTS[1], page.init(START), lr=0.01)

    without, strong = (step(**{**SETTINGS, "weight_decay": weight_decay})[1] for weight_decay in (0.0, 10.0))

    assert [strong.m.tolist(), strong.v.tolist()] == [without.m.tolist(), without.v.tolist()]


def test_with_zero_gradients_the_parameter_shrinks_by_rate_times_decay(updates):
    """θ_t = Π (1 - η_t λ) θ_0, here of numbers that are exact in binary."""
    nothing = torch.zeros_like(START)

    *_, theta = updates(
        ADAMW.module(), START, [nothing] * 3, lr=[0.5, 0.25, 1.0], **{**SETTINGS, "weight_decay": 0.125}
    )

    shrunk = math.prod(1 - 0.125 * rate for rate in (0.5, 0.25, 1.0))
    assert theta.tolist() == (shrunk * START).tolist()


def test_with_the_multiplier_alone_the_base_rate_does_not_shrink_it(updates):
    """θ_t = Π (1 - s_t λ) θ_0 with s_t = η_t / α."""
    nothing = torch.zeros_like(START)

    *_, theta = updates(
        with_sides(decay="multiplier"),
        START,
        [nothing] * 3,
        lr=[0.5, 0.25, 1.0],
        **{**SETTINGS, "base_lr": 0.5, "weight_decay": 0.125},
    )

    shrunk = math.prod(1 - 0.125 * multiplier for multiplier in (1.0, 0.5, 2.0))
    assert theta.tolist() == (shrunk * START).tolist()


def test_the_decay_of_the_paper_is_the_librarys_times_the_base_rate(updates, rounded, distance):
    lifted = {name: number if name == "decayed" else rounded(number) for name, number in SETTINGS.items()}
    run = partial(updates, theta=rounded(START), gradients=rounded(GRADIENTS), lr=rounded(RATES))

    library = run(ADAMW.module(), **lifted)
    scaled = lifted["base_lr"] * lifted["weight_decay"]
    paper = run(with_sides(decay="multiplier"), **{**lifted, "weight_decay": scaled})

    assert max(map(distance, library, paper)) <= 1


def test_to_decay_before_the_update_or_together_with_it_is_the_same(updates, rounded, distance):
    """Adam's part does not read θ, so θ (1 - decay) - update is θ - update - decay θ."""
    lifted = {name: number if name == "decayed" else rounded(number) for name, number in SETTINGS.items()}
    run = partial(updates, theta=rounded(START), gradients=rounded(GRADIENTS), lr=rounded(RATES))
    before = Variant(
        ADAMW.id, "form", "before", {6: "theta = theta * (1 - decay) - lr * (m / c1) / ((v / c2).sqrt() + eps)"}
    )

    assert max(map(distance, run(ADAMW.module(), **lifted), run(ADAMW.module(before), **lifted))) <= 1


def test_a_rate_of_zero_decays_nothing(updates):
    (theta,) = updates(ADAMW.module(), START, GRADIENTS[:1], lr=0.0, **SETTINGS)

    assert theta.tolist() == START.tolist()


def test_an_implementation_without_a_list_decays_excluded_parameters_too(updates):
    run = partial(updates, theta=START, gradients=GRADIENTS, lr=RATES)

    thetas = run(with_sides(exclusions="absent"), **{**SETTINGS, "decayed": False})

    assert [theta.tolist() for theta in thetas] == [theta.tolist() for theta in run(ADAMW.module(), **SETTINGS)]


def test_without_a_gradient_there_is_no_decay_and_the_state_stays():
    page, state = ADAMW.module(), ADAMW.module().init(START)
    _, state = page.step(START, GRADIENTS[0], state, lr=0.01, **SETTINGS)

    assert page.step(START, None, state, lr=0.01, **SETTINGS) == (START, state)


def test_where_missing_gradients_are_counted_only_the_count_goes_on():
    page, before = with_sides(missing="counted"), ADAMW.module().init(START)

    theta, after = page.step(START, None, before, lr=0.01, **SETTINGS)

    assert (theta, *after) == (START, before.m, before.v, 1)


def test_moments_start_from_zero():
    state = ADAMW.module().init(double([1.0, 0.0, -2.0]))

    assert [state.m.tolist(), state.v.tolist(), state.t] == [[0.0] * 3, [0.0] * 3, 0]


def test_the_state_that_is_restored_is_the_one_that_was_saved():
    page = ADAMW.module()
    _, state = page.step(START, GRADIENTS[0], page.init(START), lr=0.01, **SETTINGS)

    assert page.restore(state) == state
