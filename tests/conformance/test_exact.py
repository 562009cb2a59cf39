"""Differences in words, and what counts as the same."""

import math

import pytest
import torch
from lm_conformance.exact import Answer, difference, same_bits, same_numbers


def answers(*values, given=None):
    return [Answer(f"answer {i}", value, given) for i, value in enumerate(values)]


def test_the_same_answers_have_no_difference():
    one = answers("made", 2.0, torch.tensor([1.0, math.nan]))

    assert difference(one, answers("made", 2.0, torch.tensor([1.0, math.nan]))) is None


def test_the_first_difference_is_named():
    found = difference(answers(65536.0, 32768.0), answers(65536.0, 131072.0))

    assert found == "answer 1 is 32768, expected 131072"


def test_a_word_in_the_place_of_a_tensor_is_a_difference():
    found = difference(answers("skipped"), answers(torch.zeros(2)))

    assert found is not None
    assert found.startswith("answer 0 is skipped, expected ")


def test_elements_are_named_with_what_they_were_made_of():
    given = torch.tensor([[1.0, 3.0], [5.0, 7.0]])

    found = difference(
        answers(torch.tensor([[1.0, 3.0], [5.0, 8.0]]), given=given), answers(torch.tensor([[1.0, 3.0], [5.0, 7.0]]))
    )

    assert found == "7 became 8, expected 7 (answer 0, element [1, 1])"


def test_numbers_that_nine_digits_do_not_tell_are_also_written_exactly():
    found = difference(answers(torch.tensor(1 + 2.0**-40, dtype=torch.float64)), answers(torch.tensor(1.0).double()))

    assert found == "1 (0x1.0000000001000p+0), expected 1 (answer 0)"


def test_how_many_elements_differ_is_said():
    found = difference(answers(torch.ones(5)), answers(torch.zeros(5)))

    assert found == "1, expected 0 (answer 0, element [0], and 4 other elements)"


def test_zeros_of_different_signs_are_the_same_number_and_not_the_same_bits():
    zeros = torch.tensor([0.0]), torch.tensor([-0.0])

    assert (same_numbers(*zeros).item(), same_bits(*zeros).item()) == (True, False)


@pytest.mark.parametrize("same", [same_bits, same_numbers])
def test_a_nan_is_the_same_as_any_other_and_as_nothing_else(same):
    nan = torch.tensor([math.nan, math.nan, 1.0])

    assert same(nan, torch.tensor([-math.nan, 1.0, math.nan])).tolist() == [True, False, False]


def test_where_subnormal_numbers_are_flushed_zero_stands_for_them_and_for_nothing_else():
    wanted = torch.tensor([2.0**-140, 2.0**-126, -(2.0**-149)])

    found = same_numbers(torch.zeros(3), wanted, flush=True)

    assert found.tolist() == [True, False, True]
