"""Clipping by global norm: published examples to the digits that are printed, and the formula of lecture notes."""

import math
from functools import partial

import pytest
import torch
from lm_reference.page import Variant, pages

CLIPPING = pages()["gradients.global_norm_clipping"]
double = partial(torch.tensor, dtype=torch.float64)
clip = CLIPPING.module().clip

lecture_notes = CLIPPING.module(
    Variant(CLIPPING.id, "fault", "g / min(1, ‖g‖)", {2: "scale = 1 / norm.clamp(max=1)"})
).clip


def test_a_gradient_of_norm_13_is_scaled_to_norm_1(written_like):
    (first, second), norm = clip([double([3.0, 4.0]), double([12.0])], max_norm=1.0)

    published = "0.230769 0.307692 0.923077 13"
    assert written_like(published, torch.cat([first, second, norm[None]])) == published


@pytest.mark.parametrize("gradient", [[0.3, 0.4], [0.6, 0.8], [0.0, 0.0], [5e-324, 0.0]])
def test_a_gradient_that_is_no_longer_than_the_threshold_keeps_every_bit(gradient):
    (clipped,), _ = clip([double(gradient)], max_norm=1.0)

    assert clipped.tolist() == gradient


def test_a_gradient_of_exactly_the_threshold_keeps_every_bit():
    clipped, norm = clip([double([3.0, 4.0]), double([12.0])], max_norm=13.0)

    assert ([g.tolist() for g in clipped], norm.item()) == ([[3.0, 4.0], [12.0]], 13.0)


def test_the_formula_of_lecture_notes_leaves_long_gradients_alone():
    clipped, _ = lecture_notes([double([3.0, 4.0]), double([12.0])], max_norm=1.0)

    assert [g.tolist() for g in clipped] == [[3.0, 4.0], [12.0]]


def test_the_formula_of_lecture_notes_blows_short_gradients_up_to_norm_1(written_like):
    (blown_up,), _ = lecture_notes([double([0.3, 0.4])], max_norm=1.0)

    published = "0.6 0.8"
    assert written_like(published, blown_up) == published


def test_the_formula_of_lecture_notes_divides_zero_by_zero():
    (undefined,), _ = lecture_notes([double([0.0])], max_norm=1.0)

    assert math.isnan(undefined.item())


def test_the_clipped_norm_is_the_threshold(rounded, distance):
    threshold = rounded(0.7)

    clipped, _ = CLIPPING.module().clip(rounded([double([3.0, -1.0]), double([[0.1], [9.0]])]), max_norm=threshold)

    _, norm = CLIPPING.module().clip(clipped, max_norm=threshold)
    assert distance(norm, threshold) <= 1


def test_all_gradients_are_scaled_by_one_factor():
    clipped, _ = clip([double([3.0, 4.0]), double([[-12.0]]), double(0.0)], max_norm=3.25)

    assert [g.tolist() for g in clipped] == [[0.75, 1.0], [[-3.0]], 0.0]


def test_the_order_of_the_parameters_does_not_matter(rounded, distance):
    gradients = rounded([double([0.1, 0.7]), double([3.3]), double([-5.9, 0.01, 2.0])])

    forwards, norm = CLIPPING.module().clip(gradients, max_norm=rounded(1.0))
    backwards, other_norm = CLIPPING.module().clip(gradients[::-1], max_norm=rounded(1.0))

    assert max(map(distance, [norm, *forwards], [other_norm, *backwards[::-1]])) <= 1


def test_parameters_without_a_gradient_do_not_count():
    clipped, norm = clip([None, double([3.0, 4.0]), None], max_norm=2.5)

    assert [clipped[0], clipped[1].tolist(), clipped[2], norm.item()] == [None, [1.5, 2.0], None, 5.0]


@pytest.mark.parametrize("gradients", [[], [None, None]])
def test_without_any_gradient_the_norm_is_zero(gradients):
    assert clip(gradients, max_norm=1.0) == (gradients, 0.0)


def test_tensors_without_elements_do_not_count():
    clipped, norm = clip([double([]), double([3.0, 4.0])], max_norm=2.5)

    assert ([g.tolist() for g in clipped], norm.item()) == ([[], [1.5, 2.0]], 5.0)


def test_the_norm_that_is_reported_is_the_one_before_clipping():
    _, norm = clip([double([3.0, 4.0])], max_norm=0.5)

    assert norm.item() == 5.0


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("sides", [{}, {"epsilon": "added"}])
def test_a_gradient_that_is_not_finite_is_not_hidden(bad, sides):
    page = CLIPPING.module(*CLIPPING.sides(sides))

    clipped, _ = page.clip([double([1.0, bad]), double([2.0])], max_norm=1.0)

    assert not all(g.isfinite().all() for g in clipped)


@pytest.mark.parametrize(("gradient", "threshold"), [(8.0, 2.0), (0.25, 2.0), (2.0, 2.0)])
def test_an_epsilon_that_is_added_shortens_long_gradients(rounded, distance, gradient, threshold):
    """c / (G + 10^-6), but at most 1."""
    added = CLIPPING.module(*CLIPPING.sides({"epsilon": "added"}))

    (clipped,), _ = added.clip(rounded([double([gradient])]), max_norm=rounded(threshold))

    shortened = rounded(double([gradient])) * (rounded(threshold) / (rounded(gradient) + rounded(1e-6))).clamp(max=1)
    assert distance(clipped, shortened) <= 1
