"""bfloat16 beside the usual trick with the bits of a float32, which knows nothing of the page."""

import numpy as np
import pytest
import torch
from lm_reference.page import pages

PAGE = pages()["precision.bfloat16"].module()
LARGEST = 2.0**128 - 2.0**120


def by_bits(values):
    """Half of the last bit that is kept is added, less where that bit is zero; then 16 bits are cut off."""
    bits = values.numpy().view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32)
    return torch.from_numpy(np.where(np.isnan(values.numpy()), np.float32("nan"), rounded.view(np.float32)))


def float32(bits):
    return torch.from_numpy(np.asarray(bits, dtype=np.uint32).view(np.float32))


def test_every_number_of_the_format_keeps_its_bits():
    numbers = float32(np.arange(2**16, dtype=np.uint32) << 16).double()

    found = PAGE.cast(numbers)

    same = (found == numbers) & (found.signbit() == numbers.signbit())
    assert bool((same | (found.isnan() & numbers.isnan())).all())


@pytest.mark.parametrize("seed", range(4))
def test_any_float32_number_becomes_the_one_that_its_bits_say(seed):
    values = float32(np.random.default_rng(seed).integers(0, 2**32, 20_000, dtype=np.uint32))

    found, wanted = PAGE.cast(values.double()), by_bits(values).double()

    assert bool(((found == wanted) | (found.isnan() & wanted.isnan())).all())


@pytest.mark.parametrize("low", [0x7FFF, 0x8000, 0x8001])
def test_around_midpoints_the_bits_decide(low):
    values = float32((np.arange(0x7F80, dtype=np.uint32) << 16) + np.uint32(low))

    assert torch.equal(PAGE.cast(values.double()), by_bits(values).double())


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (2.0**-134, 0.0),
        (2.0**-134 * (1 + 2.0**-10), 2.0**-133),
        (1.5 * 2.0**-133, 2.0**-132),
        (2.0**128 - 2.0**119 - 2.0**104, LARGEST),
        (2.0**128 - 2.0**119, float("inf")),
        (1 + 2.0**-8, 1.0),
        (1 + 3 * 2.0**-8, 1 + 2.0**-6),
    ],
)
def test_numbers_around_the_limits(number, wanted):
    assert PAGE.cast(torch.tensor([number], dtype=torch.float64)).tolist() == [wanted]


def test_the_largest_number_is_the_published_one():
    assert f"{LARGEST:.4e}" == "3.3895e+38"


def test_one_stagnates_at_exactly_the_published_bounds():
    u = torch.tensor([2.0**-8, 2.0**-8 + 2.0**-15, -(2.0**-9), -(2.0**-9) - 2.0**-16], dtype=torch.float64)

    sums = PAGE.add(torch.ones(4, dtype=torch.float64), u)

    assert sums.tolist() == [1.0, 1 + 2.0**-7, 1.0, 1 - 2.0**-8]


def test_a_nan_whose_upper_bits_are_those_of_infinity_stays_nan():
    assert PAGE.cast(float32([0x7F800001, 0xFF80FFFF]).double()).isnan().all()
