import pytest

PAGE = "schedules.cosine_restarts"


def test_every_restart_has_the_peak_again(rates):
    found = rates(PAGE, [0, 4, 12, 28], peak=1, floor=0, period=4, factor=2)

    assert found.tolist() == [1, 1, 1, 1]


def test_periods_grow_by_the_factor(rates):
    halves = [2, 4 + 4, 12 + 8]

    found = rates(PAGE, halves, peak=1, floor=0, period=4, factor=2)

    assert found.tolist() == pytest.approx([0.5, 0.5, 0.5], abs=2**-52)


def test_the_first_period_is_that_of_the_plain_cosine(rates):
    plain = rates("schedules.warmup_cosine", range(10), peak=1, floor=0.1, warmup=0, horizon=10)

    found = rates(PAGE, range(10), peak=1, floor=0.1, period=10, factor=1)

    assert found.tolist() == plain.tolist()


def test_the_floor_is_not_reached_by_a_whole_count(rates, written_like):
    printed = "0.0245"

    lowest = rates(PAGE, range(40), peak=1, floor=0, period=10, factor=1).min()

    assert written_like(printed, lowest) == printed
