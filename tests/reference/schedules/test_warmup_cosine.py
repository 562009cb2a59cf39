import pytest
import torch

PAGE = "schedules.warmup_cosine"
GPT3 = {"peak": 1.0, "floor": 0.1, "warmup": 375e6, "horizon": 260e9}


def test_the_cosine_has_the_published_shape(rates, written_like):
    printed = "1.00000 0.97798 0.91406 0.81450 0.68906 0.55000 0.41094 0.28550 0.18594 0.12202 0.10000"

    found = rates(PAGE, range(11), peak=1, floor=0.1, warmup=0, horizon=10)

    assert written_like(printed, found) == printed


def test_half_way_of_the_decay_is_half_way_between_peak_and_floor(rates):
    found = rates(PAGE, [52], peak=1, floor=0.25, warmup=4, horizon=100)

    assert found.item() == pytest.approx(0.625, abs=2**-52)


def test_gpt3_has_between_55_and_55_21_hundredths_of_its_peak_at_130_billion_tokens_under_every_reading(rates):
    readings = [{}, {"horizon": "after_warmup"}, {"horizon": "from_zero"}]

    found = [rates(PAGE, [130e9], forks, **GPT3).item() for forks in readings]

    assert all(0.5499999 <= rate <= 0.5521 for rate in found)


def test_all_readings_of_the_horizon_are_within_twelve_hundredths_of_a_percent_of_the_peak(rates):
    points = [375e6 + i * 2.6e9 for i in range(101)]

    curves = [rates(PAGE, points, {"horizon": side}, **GPT3) for side in ("total", "after_warmup", "from_zero")]

    percent = 100 * max(float((one - curves[0]).abs().max()) for one in curves)
    assert round(percent, 2) <= 0.12


def test_gpt3_stays_at_a_tenth_of_its_peak_from_the_horizon_on(rates):
    found = rates(PAGE, [260e9, 260.4e9, 300e9, 520e9], **GPT3)

    assert torch.equal(found, torch.full((4,), 0.1, dtype=torch.float64))


def test_the_warm_up_begins_at_zero_and_ends_at_the_peak(rates):
    found = rates(PAGE, [0, 1, 3, 4], peak=1, floor=0, warmup=4, horizon=8)

    assert found.tolist() == [0, 0.25, 0.75, 1]


@pytest.mark.parametrize(("side", "first", "last"), [("one", 0.25, 1.0), ("inner", 0.2, 0.8)])
def test_a_warm_up_that_does_not_begin_at_zero(rates, side, first, last):
    found = rates(PAGE, [0, 3], {"start": side}, peak=1, floor=0, warmup=4, horizon=8)

    assert found.tolist() == [first, last]


def test_without_warm_up_the_first_update_has_the_peak(rates):
    found = rates(PAGE, [0], peak=0.5, floor=0, warmup=0, horizon=8)

    assert found.item() == 0.5


def test_an_update_that_counts_itself_is_one_ahead(rates):
    settings = {"peak": 1, "floor": 0.1, "warmup": 4, "horizon": 12}

    ahead = rates(PAGE, range(12), {"counted": "after"}, **settings)

    assert torch.equal(ahead, rates(PAGE, range(1, 13), **settings))
