"""The distance between a trainer and a page, in units of the rounding error's bound."""

import math
from typing import Any

import numpy as np
import pytest
from lm_conformance.compare import K, distance, leaves
from lm_reference.rounding import Arithmetic, Rounded, evaluation

INF, NAN = math.inf, math.nan


def rounded(values: Any, errors: Any) -> Rounded:
    """Numbers with bounds, all of one shape."""
    value = np.array(values, dtype=float)
    return Rounded(value, np.broadcast_to(np.array(errors, dtype=float), value.shape), Arithmetic("float64"))


def margin(obtained: Any, values: Any, errors: Any) -> float:
    """The distance of one array from numbers with bounds."""
    with evaluation():
        return distance([[np.array(obtained, dtype=float)]], [[rounded(values, errors)]]).margin


def test_a_distance_is_measured_in_units_of_the_bound():
    assert margin([1.0, 2.5], [1.0, 2.0], [0.25, 0.25]) == 2.0


@pytest.mark.parametrize(
    ("obtained", "value", "error", "expected"),
    [
        (1.0, 1.0, 0.0, 0.0),
        (0.0, -0.0, 0.0, 0.0),
        (math.nextafter(1.0, 2.0), 1.0, 0.0, INF),
        (NAN, 1.0, 0.5, INF),
        (NAN, 1.0, 0.0, INF),
        (INF, 1.0, 0.5, INF),
        (-INF, 1.0, 0.0, INF),
        (NAN, 1.0, INF, 0.0),
        (1e300, 1.0, INF, 0.0),
        (1.0, INF, INF, 0.0),
        (1.0, NAN, NAN, 0.0),
        (1.0, NAN, 0.0, 0.0),
        (1.0, 2.0, NAN, 0.0),
    ],
)
def test_exact_infinite_and_unknown_numbers(obtained, value, error, expected):
    assert margin([obtained], [value], [error]) == expected


def test_an_element_of_which_nothing_is_known_hides_no_other():
    assert margin([NAN, 3.0], [1.0, 1.0], [INF, 0.5]) == 4.0


def test_the_place_is_that_of_the_farthest_element():
    wanted = [[rounded([[1.0, 1.0]], 1.0)], [rounded([0.0], 1.0), rounded([[1.0, 1.0], [1.0, 1.0]], 1.0)]]
    got = [[np.array([[1.0, 3.0]])], [np.array([1.0]), np.array([[1.0, 1.0], [9.0, 1.0]])]]

    found = distance(got, wanted)

    assert (found.margin, found.place, found.known) == (8.0, (1, 1, (1, 0)), 7)


def test_elements_without_a_known_bound_are_not_counted():
    with evaluation():
        found = distance([[np.array([1.0, 1.0, 1.0])]], [[rounded([1.0, 1.0, NAN], [0.5, INF, 0.5])]])

    assert (found.margin, found.known) == (0.0, 1)


def test_of_nothing_known_there_is_no_place():
    found = distance([[np.array([1.0])]], [[rounded([1.0], INF)]])

    assert (found.margin, found.place, found.known) == (0.0, None, 0)


def test_arrays_without_elements_are_at_distance_0():
    assert distance([[np.zeros((0, 3))]], [[rounded(np.zeros((0, 3)), 0.0)]]).margin == 0.0


def test_numbers_without_dimensions_are_compared():
    found = distance([[np.array(2.0)]], [[Rounded(1.0, 0.5, Arithmetic("float64"))]])

    assert (found.margin, found.place) == (2.0, (0, 0, ()))


@pytest.mark.parametrize("more", [("results", 2, 1), ("arrays", 1, 2)])
def test_more_or_fewer_results_than_expected_cannot_be_compared(more):
    _, results, arrays = more

    with pytest.raises(ValueError, match="zip"):
        distance([[np.array([1.0])] * arrays] * results, [[rounded([1.0], 1.0)]])


def test_the_limit_is_inside_the_tolerance():
    wanted = [[rounded([0.0], 1.0)]]

    assert not leaves([[np.array([K])]], wanted)
    assert leaves([[np.array([math.nextafter(K, INF)])]], wanted)
