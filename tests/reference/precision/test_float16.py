"""float16 beside NumPy's conversion, which knows nothing of the page, and beside printed numbers."""

import numpy as np
import pytest
import torch
from lm_reference.page import pages

FLOAT16 = pages()["precision.float16"]
PAGE = FLOAT16.module()


def cast(*numbers):
    return PAGE.cast(torch.tensor(numbers, dtype=torch.float64)).tolist()


def by_numpy(values):
    with np.errstate(all="ignore"):
        return torch.from_numpy(values.float().numpy().astype(np.float16).astype(np.float64))


def test_every_number_of_the_format_keeps_its_bits():
    numbers = torch.from_numpy(np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float64))

    found = PAGE.cast(numbers)

    same = (found == numbers) & (found.signbit() == numbers.signbit())
    assert bool((same | (found.isnan() & numbers.isnan())).all())


@pytest.mark.parametrize("seed", range(4))
def test_any_float32_number_becomes_the_one_that_numpy_makes_of_it(seed):
    bits = np.random.default_rng(seed).integers(0, 2**32, 20_000, dtype=np.uint32)
    values = torch.from_numpy(bits.view(np.float32))

    found, wanted = PAGE.cast(values.double()), by_numpy(values)

    assert bool(((found == wanted) | (found.isnan() & wanted.isnan())).all())


def test_midpoints_and_their_neighbours_become_what_numpy_makes_of_them():
    numbers = torch.from_numpy(np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32))
    middle = (numbers[1:] + numbers[:-1]) / 2
    values = torch.cat([middle, middle.nextafter(torch.tensor(0.0)), middle.nextafter(torch.tensor(torch.inf))])

    assert torch.equal(PAGE.cast(values.double()), by_numpy(values))


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (2.0**-25, 0.0),
        (2.0**-25 * (1 + 1e-7), 2.0**-24),
        (1.5 * 2.0**-25, 2.0**-24),
        (1.4999 * 2.0**-24, 2.0**-24),
        (1.5 * 2.0**-24, 2.0**-23),
        (65519.99, 65504.0),
        (65520.0, float("inf")),
        (-65520.0, float("-inf")),
    ],
)
def test_published_numbers(number, wanted):
    assert cast(number) == [wanted]


def test_what_lies_between_half_and_the_whole_of_the_smallest_number_does_not_become_zero():
    between = [2.0**-24 * share for share in (0.5000001, 0.75, 0.9999999)]

    assert cast(*between) == [2.0**-24] * 3


def test_the_spacing_at_one_is_two_to_the_minus_ten():
    assert cast(1 + 2.0**-10, 1 + 2.0**-11, 1 + 3 * 2.0**-11) == [1 + 2.0**-10, 1.0, 1 + 2.0**-9]


def test_one_stagnates_at_exactly_the_published_bounds():
    u = torch.tensor([2.0**-11, 2.0**-11 + 2.0**-21, -(2.0**-12), -(2.0**-12) - 2.0**-22], dtype=torch.float64)

    sums = PAGE.add(torch.ones(4, dtype=torch.float64), u)

    assert sums.tolist() == [1.0, 1 + 2.0**-10, 1.0, 1 - 2.0**-11]


def test_sums_of_two_numbers_are_those_of_numpy():
    draw = np.random.default_rng(0)
    one, other = (draw.integers(0, 2**16, 20_000, dtype=np.uint16).view(np.float16) for _ in range(2))
    with np.errstate(all="ignore"):
        wanted = torch.from_numpy((one + other).astype(np.float64))

    found = PAGE.add(*(torch.from_numpy(x.astype(np.float64)) for x in (one, other)))

    assert bool(((found == wanted) | (found.isnan() & wanted.isnan())).all())


def test_zeros_keep_their_sign_also_where_they_are_rounded_to():
    found = PAGE.cast(torch.tensor([-0.0, -(2.0**-26), 2.0**-26], dtype=torch.float64))

    assert found.signbit().tolist() == [True, True, False]


def test_flushed_subnormal_numbers_are_zero():
    page = FLOAT16.module(*FLOAT16.sides({"subnormals": "flushed"}))
    values = torch.tensor([2.0**-24, 2.0**-14 - 2.0**-24, 2.0**-14, -(2.0**-15)], dtype=torch.float64)

    assert page.cast(values).tolist() == [0.0, 0.0, 2.0**-14, 0.0]
