"""Sums in float32 beside the same sums in 16 bits."""

import pytest
import torch
from lm_reference.page import pages

REDUCTIONS = pages()["precision.reductions"]
PAGE = REDUCTIONS.module()


def rounding(name):
    page = pages()[f"precision.{name}"].module()
    return lambda tensor: page.cast(tensor.double()).float()


@pytest.mark.parametrize(("name", "stuck"), [("float16", 2048), ("bfloat16", 256)])
def test_4096_ones_add_up_to_4096_and_in_16_bits_to_less(name, stuck):
    rounded, total = rounding(name), torch.zeros(())
    for _ in range(4096):
        total = rounded(total + 1)

    assert (PAGE.total(torch.ones(4096), rounded=rounded).item(), total.item()) == (4096, stuck)


def test_squares_that_float16_does_not_hold_count_in_a_norm():
    x = torch.tensor([300.0, 400.0])

    assert PAGE.norm(x, rounded=rounding("float16")).item() == 500.0


def test_a_dot_product_is_the_sum_of_the_products():
    assert PAGE.dot(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 8.0]), rounded=rounding("float16")).item() == 20.0


def test_a_narrow_result_is_rounded_once():
    page = REDUCTIONS.module(*REDUCTIONS.sides({"result": "narrow"}))
    x = torch.tensor([2048.0] + [2.0**-3] * 12)

    assert page.total(x, rounded=rounding("float16")).item() == 2050.0
