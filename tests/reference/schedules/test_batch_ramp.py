import pytest
import torch
from lm_reference.page import pages

PAGE = "schedules.batch_ramp"
LARGEST = {"first": 32_768, "full": 3_200_000, "ramp": 12e9, "row": 1}


def updates_until(tokens: float, **settings: float) -> int:
    """The number of updates that consume some tokens, by the page itself."""
    page = pages()[PAGE].module()
    numbers = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in settings.items()}
    n, updates = torch.tensor(0.0, dtype=torch.float64), 0
    while n < tokens:
        n = page.consumed(n, page.rate(n, **numbers), numbers["full"])
        updates += 1
    return updates


def test_375_million_tokens_are_about_5272_updates_of_gpt3s_ramp():
    assert abs(updates_until(375e6, **LARGEST) - 5_272) <= 1


def test_375_million_tokens_are_118_updates_of_the_full_batch():
    assert updates_until(375e6, first=3_200_000, full=3_200_000, ramp=1, row=1) == 118


def test_gpt3s_ramp_has_131_7_thousand_tokens_after_375_million(rates, written_like):
    printed = "131.7"

    found = rates(PAGE, [375e6], **LARGEST) / 1000

    assert written_like(printed, found) == printed


def test_the_ramp_begins_with_sixteen_rows_if_32k_is_a_power_of_two(rates):
    found = rates(PAGE, [0], first=32_768, full=3_276_800, ramp=12e9, row=2048)

    assert found.item() == 16 * 2048


@pytest.mark.parametrize(("side", "rows"), [("nearest", 3), ("down", 2), ("up", 3)])
def test_a_batch_is_rounded_to_whole_rows_as_declared(rates, side, rows):
    found = rates(PAGE, [0], {"rounding": side}, first=260, full=1000, ramp=100, row=100)

    assert found.item() == rows * 100


def test_a_batch_has_at_least_one_row(rates):
    found = rates(PAGE, [0], first=10, full=1000, ramp=100, row=100)

    assert found.item() == 100


def test_after_the_ramp_the_batch_is_full(rates):
    found = rates(PAGE, [100, 125, 1e6], first=100, full=1000, ramp=100, row=100)

    assert found.tolist() == [1000, 1000, 1000]
