"""Master weights with Adam and float16: what they are for, in the numbers of the published example."""

from functools import partial

import pytest
import torch
from lm_reference.page import pages

PAGE, ADAM, FLOAT16 = (
    pages()[name].module() for name in ("precision.master_weights", "optimizers.adam", "precision.float16")
)
HALF = {"beta1": 0.0, "beta2": 0.0, "eps": 1.0}  # with gradients of 1 an update is half the rate


def rounded(tensor):
    return FLOAT16.cast(tensor.double()).float()


def update(theta, gradient, state, *, lr):
    return ADAM.step(theta, gradient, state, lr=lr, **HALF)


@pytest.fixture
def begin():
    return partial(PAGE.init, rounded=rounded, start=ADAM.init)


def step(state, gradients, *, lr=2.0**-4, scale=1.0, skipped=False):
    return PAGE.step(gradients, state, skipped=skipped, scale=scale, rounded=rounded, update=partial(update, lr=lr))


def test_a_thousand_updates_of_a_hundred_thousandth_arrive(begin):
    state, gradient = begin([torch.ones(1)]), [torch.full((1,), -1.0, dtype=torch.float16)]
    for _ in range(1000):
        state = step(state, gradient, lr=2e-5)

    assert f"{state.masters[0].item():.5f}" == "1.01001"


def test_in_float16_alone_none_of_them_arrives():
    weight = torch.ones(1)
    for _ in range(1000):
        weight = rounded(weight + 1e-5)

    assert weight.item() == 1.0


def test_copies_are_the_masters_rounded_before_and_after_an_update(begin):
    before = begin([torch.tensor([1 + 2.0**-11 + 2.0**-20])])
    after = step(before, [torch.ones(1, dtype=torch.float16)])

    found = [(state.masters[0].item(), state.copies[0].item()) for state in (before, after)]

    assert found == [
        (1 + 2.0**-11 + 2.0**-20, 1 + 2.0**-10),
        (1 - 2.0**-5 + 2.0**-11 + 2.0**-20, 1 - 2.0**-5 + 2.0**-11),
    ]


def test_gradients_are_widened_before_they_are_divided(begin):
    tiny = torch.full((1,), 2.0**-24, dtype=torch.float16)

    state = step(begin([torch.zeros(1)]), [tiny], lr=1.0, scale=1024.0)

    assert state.masters[0].item() == pytest.approx(-(2.0**-34), rel=2.0**-20)


def test_a_skipped_update_is_the_same_state(begin):
    before = step(begin([torch.ones(2)]), [torch.ones(2, dtype=torch.float16)])

    assert step(before, [torch.full((2,), torch.inf, dtype=torch.float16)], skipped=True) is before


def test_masters_may_start_as_the_roundings_of_the_weights():
    page = pages()["precision.master_weights"]
    module = page.module(*page.sides({"start": "rounded"}))

    state = module.init([torch.tensor([1 + 2.0**-20])], rounded=rounded, start=ADAM.init)

    assert state.masters[0].item() == 1.0
