"""Traces of loss scales that were worked out by hand, for every published way to grow, shrink and wait."""

import math
from functools import partial

import pytest
import torch
from lm_reference.page import pages

PAGE = pages()["precision.loss_scaling"]
GOOD, BAD = [torch.tensor([1.0, -2.0])], [torch.tensor([1.0, math.inf])]


@pytest.fixture
def trace():
    """Scales after each update of a pattern, `.` for a good one and `x` for one that overflows."""

    def run(pattern, forks=None, *, scale=65536.0, hysteresis=1, **settings):
        page = PAGE.module(*PAGE.sides(forks or {}))
        chosen = {"growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 4, "floor": 0.0} | settings
        state, scales = page.init(scale, hysteresis=hysteresis), []
        for letter in pattern:
            _, state = page.step(GOOD if letter == "." else BAD, state, hysteresis=hysteresis, **chosen)
            scales.append(state.scale.item())
        return scales

    return run


def test_an_interval_of_four_with_one_overflow_at_the_fifth_update(trace):
    scales = trace("....x" + "." * 8)

    assert scales == [65536] * 3 + [131072] + [65536] * 4 + [131072] * 4 + [262144]


def test_an_overflow_begins_the_interval_again(trace):
    assert trace("...x....") == [65536] * 3 + [32768] * 4 + [65536]


def test_each_overflow_in_a_row_halves_the_scale(trace):
    assert trace("xxx") == [32768, 16384, 8192]


def test_a_scale_that_grows_one_update_later_has_a_longer_period(trace):
    scales = trace("." * 10, {"growth": "after_interval"}, scale=1.0)

    assert scales == [1] * 4 + [2] * 5 + [4]


def test_a_scale_that_counts_from_the_last_overflow_is_late_only_once(trace):
    scales = trace("." * 9 + "x" + "." * 5, {"growth": "after_overflow"}, scale=1.0)

    assert scales == [1] * 4 + [2] * 4 + [4] + [2] + [2] * 4 + [4]


def test_megatrons_hysteresis_is_restored_by_growth_alone(trace):
    scales = trace("x.x.x....xx", {"hysteresis": "growth"}, scale=8.0, hysteresis=2)

    assert scales == [8, 8, 4, 4, 2, 2, 2, 2, 4, 4, 2]


def test_a_hysteresis_of_overflows_in_a_row_is_restored_by_a_good_update(trace):
    scales = trace("x.xx.x", {"hysteresis": "good"}, scale=8.0, hysteresis=2)

    assert scales == [8, 8, 8, 4, 4, 4]


def test_a_hysteresis_that_is_spent_begins_again(trace):
    rows = {side: trace("xxxx", {"hysteresis": side}, scale=8.0, hysteresis=2) for side in ("good", "spent")}

    assert rows == {"good": [8, 4, 2, 1], "spent": [8, 4, 4, 2]}


@pytest.mark.parametrize(
    ("side", "scale", "wanted"),
    [
        ("last", 2.0**126, [2.0**127, 2.0**127]),
        ("largest", 2.0**126, [2.0**127, (2 - 2.0**-23) * 2.0**127]),
        ("two_to_24", 2.0**23, [2.0**24, 2.0**24]),
    ],
)
def test_the_scale_stays_finite(trace, side, scale, wanted):
    assert trace("..", {"ceiling": side}, scale=scale, growth_interval=1) == wanted


def test_the_scale_stays_above_zero_and_above_its_floor(trace):
    without, given = trace("xx", scale=2.0**-149), trace("xx", {"floor": "given"}, scale=2.0, floor=1.5)

    assert (without, given) == ([2.0**-149] * 2, [1.5, 1.5])


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("place", [(0, 0), (1, 2)])
def test_anything_that_is_not_finite_anywhere_skips_the_update(bad, place):
    page = PAGE.module()
    gradients = [torch.ones(2), torch.ones(3)]
    gradients[place[0]][place[1]] = bad

    found, state = step(page)(gradients, page.init(8.0, hysteresis=1))

    assert (found, state.scale.item(), state.good) == (None, 4.0, 0)


def step(page):
    return partial(page.step, growth_factor=2.0, backoff_factor=0.5, growth_interval=1, hysteresis=1, floor=0.0)


def test_infinities_of_both_signs_do_not_cancel():
    page = PAGE.module()

    found, _ = step(page)([torch.tensor([math.inf, -math.inf])], page.init(8.0, hysteresis=1))

    assert found is None


@pytest.mark.parametrize("scale", [1.0, 8.0, 1024.0])
def test_scaled_and_unscaled_by_a_power_of_two_gradients_keep_every_bit(scale):
    page = PAGE.module()
    gradients = torch.randn(1000, generator=torch.Generator().manual_seed(0))

    (found,), _ = step(page)([page.scaled(gradients, torch.tensor(scale))], page.init(scale, hysteresis=1))

    assert torch.equal(found, gradients)


def test_gradients_are_divided_by_the_scale_from_before_growth():
    page = PAGE.module()

    (found,), state = step(page)([torch.tensor([8.0])], page.init(8.0, hysteresis=1))

    assert (found.item(), state.scale.item()) == (1.0, 16.0)


def test_where_the_division_overflows_the_sides_of_the_fork_differ():
    gradients = [torch.tensor([2.0**127])]
    found = {}
    for side in ("elements", "unscaled"):
        page = PAGE.module(*PAGE.sides({"detection": side}))
        found[side] = step(page)(gradients, page.init(0.5, hysteresis=1))[0]

    assert (found["elements"][0].item(), found["unscaled"]) == (math.inf, None)


def test_a_missing_gradient_stays_missing():
    page = PAGE.module()

    found, state = step(page)([None, torch.ones(2)], page.init(2.0, hysteresis=1))

    assert (found[0], found[1].tolist(), state.scale.item()) == (None, [0.5, 0.5], 4.0)
