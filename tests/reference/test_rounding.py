"""Numbers with the bound of their rounding error: what an implementation computes in its format lies within the bound.

Implementations are played by torch, in each format and one operation at a time. Functions that it does not round
correctly (its root of float32 may be off by more than half a unit in the last place) are computed in float64 and
rounded. What must be exact is compared with fractions.
"""

import math
import operator
from fractions import Fraction
from functools import partial, reduce
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from lm_reference.rounding import DOUBLE_ROUNDOFF, FORMATS, PROBABILISTIC, Arithmetic, Rounded, evaluation

law = settings(max_examples=12, deadline=None, derandomize=True, database=None)
every_format = pytest.mark.parametrize("name", list(FORMATS))
ULP = 2 * DOUBLE_ROUNDOFF
COMPUTED = 1 + 16 * DOUBLE_ROUNDOFF  # bounds are themselves computed in float64, with no more than 16 roundings


@pytest.fixture(autouse=True, scope="module")
def _quiet():
    with evaluation():
        yield


# numbers


def filled(name, rows, size, *, seed, top, spread, bits):
    """Rows of numbers of a format: with so many bits, from 2^(top - spread) to 2^top, some of them 0 or ±1."""
    generator = np.random.default_rng(seed)
    significands = generator.integers(2 ** (bits - 1), 2**bits, (rows, size)) * generator.choice((-1, 1), (rows, size))
    numbers = np.ldexp(significands.astype(float), generator.integers(top - spread, top + 1, (rows, size)) - bits)
    special = generator.random((rows, size)) < 1 / 8
    numbers[special] = generator.choice((0.0, 1.0, -1.0), special.sum())
    return torch.tensor(numbers).to(getattr(torch, name))


def draws(name, rows=1, size=32, tops=None):
    """Numbers of the whole range of a format, subnormal ones too, every other time near 1, so that roundings meet."""
    number = FORMATS[name]
    lowest, highest = (math.frexp(x)[1] for x in (number.smallest_subnormal, number.largest))
    return st.builds(
        partial(filled, name, rows, size),
        seed=st.integers(0, 2**32 - 1),
        top=st.one_of(st.integers(-2, 3), st.integers(lowest, highest)) if tops is None else tops,
        spread=st.sampled_from((0, 1, 3, 20)),
        bits=st.one_of(st.just(number.bits), st.integers(1, number.bits)),
    )


def in_format(name, array):
    """Numbers rounded to a format; of torch it is used only that conversion rounds correctly."""
    return torch.as_tensor(array, dtype=torch.float64).to(getattr(torch, name))


def rounded_once(name, function, tensor):
    """A function of numbers of a format, with one rounding to the format."""
    return in_format(name, function(tensor.double().numpy()))


def lifted(tensor, **how):
    """The bound's side of an implementation's numbers, in the arithmetic of their format."""
    return Arithmetic(str(tensor.dtype).removeprefix("torch."), **how).tensor(tensor)


def within(implementation, number, factor=1.0):
    """Whether an implementation's numbers lie within the bound; where the bound is infinite, everything does."""
    obtained, bound = np.asarray(implementation.double()), np.asarray(number.error) * factor
    return bool(np.all((obtained == number.value) | np.isinf(bound) | (abs(obtained - number.value) <= bound)))


def at_most(number, bound):
    """Whether the error is no more than some bound, up to the roundings of both, or says that nothing is known."""
    return bool(np.all((number.error <= bound * COMPUTED) | np.isinf(number.error)))


def second_order(name, operations):
    """What a bound of first order may leave out.

    Each operation rounds the number that is there instead of the exact one, which is a factor of 1 + u; and its own
    factor is at most the square of what its operands left out.
    """
    return (1 + FORMATS[name].roundoff) ** (2**operations - 1)


# one operation on exact numbers

OPERATIONS = {"sum": operator.add, "difference": operator.sub, "product": operator.mul, "quotient": operator.truediv}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))
EXACT_FUNCTIONS = {
    "negative": operator.neg,
    "magnitude": abs,
    "clamped below": lambda x: x.clamp(min=0.5),
    "clamped above": lambda x: x.clamp(max=0.5),
    "clamped on both sides": lambda x: x.clamp(min=-1.0, max=1.0),
    "whole": lambda x: x.floor(),
}
every_exact_function = pytest.mark.parametrize("function", EXACT_FUNCTIONS.values(), ids=list(EXACT_FUNCTIONS))


@every_operation
@every_format
@law
@given(data=st.data())
def test_an_operation_in_the_format_lies_within_the_bound(operation, name, data):
    a, b = data.draw(draws(name, 2))

    assert within(operation(a, b), operation(lifted(a), lifted(b)))


@every_operation
@every_format
@law
@given(data=st.data())
def test_an_operation_makes_one_rounding_and_no_more(operation, name, data):
    a, b = data.draw(draws(name, 2))

    number = operation(lifted(a), lifted(b))

    arithmetic = number.arithmetic
    assert at_most(number, arithmetic.roundoff * abs(number.value) + arithmetic.underflow)


@every_operation
@law
@given(data=st.data())
def test_in_float64_the_value_is_the_exact_one_up_to_the_bound(operation, data):
    a, b = data.draw(draws("float64", 2))
    if operation is operator.truediv:
        b = torch.where(b == 0, a, b)
        a, b = a[b != 0], b[b != 0]

    number = operation(lifted(a), lifted(b))

    assert reached(map(operation, fractions(a), fractions(b)), number)


@every_exact_function
@every_format
@law
@given(data=st.data())
def test_a_function_that_does_not_round_is_exact(function, name, data):
    x = data.draw(draws(name))[0]

    number = function(lifted(x))

    assert (number.value.tolist(), set(number.error.tolist())) == (function(x).double().tolist(), {0.0})


@every_format
@law
@given(data=st.data())
def test_a_root_in_the_format_lies_within_the_bound(name, data):
    x = abs(data.draw(draws(name))[0])

    assert within(rounded_once(name, np.sqrt, x), lifted(x).sqrt())


@every_format
@law
@given(data=st.data())
def test_a_root_makes_one_rounding_and_no_more(name, data):
    root = lifted(abs(data.draw(draws(name))[0])).sqrt()

    assert at_most(root, root.arithmetic.roundoff * root.value)


@every_format
@law
@given(data=st.data())
def test_a_reciprocal_root_in_the_format_lies_within_the_bound(name, data):
    x = abs(data.draw(draws(name))[0])
    x = x[x > 0]

    assert within(1 / rounded_once(name, np.sqrt, x), lifted(x).rsqrt(), second_order(name, 2))


@every_format
@law
@given(data=st.data())
def test_a_reciprocal_root_makes_two_roundings_and_no_more(name, data):
    x = abs(data.draw(draws(name))[0])
    root = lifted(x[x > 0]).rsqrt()

    assert at_most(root, gamma(2, root.arithmetic.roundoff) * root.value + root.arithmetic.underflow)


def gamma(roundings, u):
    """What so many roundings make of a number at most: Higham, lemma 3.1."""
    return roundings * u / (1 - roundings * u)


@every_format
@law
@given(data=st.data())
def test_a_cosine_in_the_format_lies_within_the_bound(name, data):
    x = data.draw(draws(name, tops=st.integers(-20, 6)))[0]

    assert within(rounded_once(name, np.cos, x), lifted(x).cos())


# powers


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
@every_format
@law
@given(data=st.data())
def test_a_whole_power_by_repeated_products_lies_within_the_bound(n, name, data):
    x = data.draw(draws(name))[0]

    assert within(reduce(operator.mul, [x] * n, torch.ones_like(x)), lifted(x) ** n, second_order(name, n))


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@every_format
@law
@given(data=st.data())
def test_a_whole_power_makes_no_more_roundings_than_its_exponent(n, name, data):
    power = lifted(data.draw(draws(name))[0]) ** n

    assert at_most(power, n * (power.arithmetic.roundoff * abs(power.value) + power.arithmetic.underflow))


@pytest.mark.parametrize("exponent", [-0.75, 0.5, 2.5, -3.0])
@every_format
@law
@given(data=st.data())
def test_a_power_by_logarithm_and_exponential_lies_within_the_bound(exponent, name, data):
    x = abs(data.draw(draws(name, tops=st.integers(-2, 4)))[0])
    x = x[x > 0]

    power = lifted(x) ** exponent

    product = in_format(name, exponent * rounded_once(name, np.log, x).double())
    exponential = rounded_once(name, np.exp, product)
    first_order = np.exp(power.error / power.value)  # exp(d) - 1 is at most d exp(d)
    assert within(exponential, power, first_order)


@every_format
@law
@given(data=st.data())
def test_a_number_to_the_power_of_a_rounded_one_is_the_power_of_both(name, data):
    arithmetic = Arithmetic(name, "float32")
    base, exponent = (
        data.draw(st.sampled_from((2, 3.5, 10))),
        arithmetic.scalar(data.draw(st.sampled_from((-0.8, 0.5)))),
    )

    power, same = base**exponent, arithmetic.scalar(base) ** exponent

    assert (power.value, power.error) == (same.value, same.error)


# operands that are not exact


def fractions(numbers):
    return [Fraction(x) for x in np.ravel(numbers).tolist()]


def reached(exact, number):
    """Whether exact results lie within the bound; where it is infinite, everything does."""
    rows = zip(exact, np.ravel(number.value).tolist(), np.ravel(number.error * COMPUTED).tolist(), strict=True)
    return all(math.isinf(bound) or abs(one - Fraction(value)) <= Fraction(bound) for one, value, bound in rows)


INEXACT = {  # values, their errors, and where between both ends an implementation has each
    "values": st.lists(st.integers(-40, 40).map(lambda n: n / 8), min_size=6, max_size=6),
    "errors": st.lists(st.sampled_from((0.0, 2.0**-40, 2.0**-9, 0.25, 2.0)), min_size=6, max_size=6),
    "directions": st.lists(st.sampled_from((-1, 1, 0, Fraction(1, 3))), min_size=6, max_size=6),
}
often = settings(law, max_examples=60)
ALL_AT_ONE_END = {"values": [1.0] * 6, "errors": [0.25] * 6, "directions": [1] * 6}


def inexact(values, errors):
    return Rounded(np.array(values), np.array(errors), Arithmetic("float64"))


def actual(values, errors, directions):
    """The numbers that an implementation has."""
    return [Fraction(v) + Fraction(e) * d for v, e, d in zip(values, errors, directions, strict=True)]


@every_operation
@often
@given(**INEXACT)
@example(**ALL_AT_ONE_END)
def test_an_operation_passes_the_bounds_of_its_operands_on(operation, values, errors, directions):
    had = actual(values, errors, directions)
    assume(operation is not operator.truediv or 0 not in had[3:] + values[3:])

    number = operation(inexact(values[:3], errors[:3]), inexact(values[3:], errors[3:]))

    assert reached(map(operation, had[:3], had[3:]), number)


@pytest.mark.parametrize(
    ("function", "exact"),
    [
        (operator.neg, operator.neg),
        (abs, abs),
        (lambda x: x.square(), lambda x: x * x),
        (lambda x: x.clamp(min=0.5), lambda x: max(x, Fraction(1, 2))),
        (lambda x: x.clamp(max=0.5), lambda x: min(x, Fraction(1, 2))),
        (lambda x: x.floor(), math.floor),
    ],
    ids=["negative", "magnitude", "square", "clamped below", "clamped above", "whole"],
)
@often
@given(**INEXACT)
def test_a_function_passes_the_bound_of_its_operand_on(function, exact, values, errors, directions):
    had = actual(values, errors, directions)

    assert reached(map(exact, had), function(inexact(values, errors)))


@often
@given(**INEXACT)
def test_a_limit_passes_its_bound_on(values, errors, directions):
    had = actual(values, errors, directions)

    number = inexact(values[:3], errors[:3]).clamp(min=inexact(values[3:], errors[3:]))

    assert reached(map(max, had[:3], had[3:]), number)


@often
@given(**INEXACT)
def test_a_root_passes_the_bound_of_its_operand_on(values, errors, directions):
    values = [abs(value) for value in values]
    root = inexact(values, errors).sqrt()

    had = [max(x, 0) for x in actual(values, errors, directions)]
    ends = zip(had, fractions(root.value), fractions(root.error * COMPUTED), strict=True)
    assert all(max(value - error, 0) ** 2 <= x <= (value + error) ** 2 for x, value, error in ends)


@often
@given(**INEXACT)
def test_a_cosine_passes_the_bound_of_its_operand_on(values, errors, directions):
    cosines = [math.cos(x) for x in actual(values, errors, directions)]

    assert within(torch.tensor(cosines, dtype=torch.float64), inexact(values, errors).cos(), COMPUTED)


@often
@given(**INEXACT)
def test_a_sum_passes_the_bounds_of_its_terms_on(values, errors, directions):
    assert reached([sum(actual(values, errors, directions))], inexact(values, errors).sum())


@often
@given(**INEXACT)
@example(**ALL_AT_ONE_END)
def test_a_product_of_matrices_passes_the_bounds_of_its_operands_on(values, errors, directions):
    had = actual(values, errors, directions)

    row, column = inexact([values[:3]], [errors[:3]]), inexact([[x] for x in values[3:]], [[e] for e in errors[3:]])

    assert reached([sum(map(operator.mul, had[:3], had[3:]))], row @ column)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize("relative", [2.0**-40, 2.0**-20, 2.0**-9])
def test_a_whole_power_passes_the_bound_of_its_base_on_to_first_order(n, relative):
    power = inexact([1.25], [1.25 * relative]) ** n

    change = Fraction(1.25) ** n * ((1 + Fraction(relative)) ** n - 1)  # at most n r (1 + r)^n of the power
    assert change <= Fraction(power.error[0]) * Fraction(COMPUTED) * (1 + Fraction(relative)) ** n


@pytest.mark.parametrize("exponent", [-0.75, 0.5, 2.5, -3.0])
@pytest.mark.parametrize("relative", [2.0**-30, 2.0**-20, 2.0**-9])
def test_a_power_passes_the_bounds_of_base_and_exponent_on_to_first_order(exponent, relative):
    base = inexact([1.25], [1.25 * relative])

    power = base ** Rounded(exponent, abs(exponent) * relative, base.arithmetic)

    ends = [(1.25 * (1 + a * relative)) ** (exponent * (1 + b * relative)) for a in (-1, 1) for b in (-1, 1)]
    first_order = (1 + relative) ** (2 + 2 * abs(exponent))
    assert max(abs(end - power.value[0]) for end in ends) <= power.error[0] * COMPUTED * first_order


# several operations


@st.composite
def programs(draw):
    """Up to five operations; each takes two of the numbers that are there, and adds its result to them."""
    names = st.sampled_from((*OPERATIONS, "root", "square", "negative", "clamped above", "scaled", "shifted"))
    steps = draw(st.integers(2, 5))
    return [(draw(names), draw(st.integers(0, 2 + i)), draw(st.integers(0, 2 + i))) for i in range(steps)]


def played(name, operation, a, b):
    """What an implementation in a format has after an operation."""
    if operation == "root":
        return rounded_once(name, np.sqrt, abs(a))
    return OPERATIONS[operation](a, b) if operation in OPERATIONS else FUNCTIONS[operation](a)


def bounded(operation, a, b):
    """The same with its bound; nothing where first order is not enough, because the bound is as large as the number."""
    divisor = {"root": a, "quotient": b}.get(operation)
    if divisor is not None and not np.all(2 * divisor.error <= abs(divisor.value)):
        return None
    if operation == "root":
        return abs(a).sqrt()
    return OPERATIONS[operation](a, b) if operation in OPERATIONS else FUNCTIONS[operation](a)


FUNCTIONS = {
    **EXACT_FUNCTIONS,
    "square": lambda x: x.square(),
    "scaled": lambda x: 0.75 * x,
    "shifted": lambda x: 1.5 - x,
}


@every_format
@settings(law, max_examples=80)
@given(data=st.data())
def test_a_chain_of_operations_in_the_format_lies_within_the_bound(name, data):
    numbers = list(data.draw(draws(name, 3, size=8, tops=st.integers(-3, 3))))
    bounds = [lifted(x) for x in numbers]

    for operation, i, j in data.draw(programs()):
        number = bounded(operation, bounds[i % len(bounds)], bounds[j % len(bounds)])
        if number is not None:
            numbers.append(played(name, operation, numbers[i % len(numbers)], numbers[j % len(numbers)]))
            bounds.append(number)

    assert all(within(x, number, second_order(name, 5)) for x, number in zip(numbers, bounds, strict=True))


# sums


def sequential(x):
    return reduce(operator.add, x)


def pairwise(x):
    return x[0] if len(x) == 1 else pairwise(x[: len(x) // 2]) + pairwise(x[len(x) // 2 :])


def strided(x):
    return sequential([sequential(x[i::4]) for i in range(4)])


every_order = pytest.mark.parametrize(
    "order",
    [sequential, pairwise, strided, lambda x: sequential(x.flip(0)), lambda x: sequential(x.sort()[0]), torch.sum],
)


@every_order
@every_format
@law
@given(data=st.data())
def test_a_sum_in_any_order_lies_within_the_bound(order, name, data):
    x = data.draw(draws(name, size=40))[0]

    assert within(order(x), lifted(x).sum())


@every_order
@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_long_sum_of_positive_numbers_in_any_order_lies_within_the_bound(order, name):
    x = torch.rand(2_000, generator=torch.Generator().manual_seed(0)).to(getattr(torch, name))

    assert within(order(x), lifted(x).sum())


@pytest.mark.parametrize("name", ["float64", "float32"])
@pytest.mark.parametrize("terms", [1, 2, 10, 64, 66, 100, 10_000])
def test_the_constant_of_a_sum_grows_like_the_root_of_its_terms(name, terms):
    total = lifted(torch.ones(terms, dtype=getattr(torch, name))).sum()

    roundings = min(terms - 1, PROBABILISTIC * math.sqrt(terms))
    assert total.error == pytest.approx(roundings * total.arithmetic.roundoff * terms, rel=ULP, abs=0)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
@pytest.mark.parametrize("terms", [1, 2, 64, 10_000])
def test_in_16_bits_the_constant_of_a_sum_is_its_number_of_additions(name, terms):
    total = lifted(torch.ones(terms, dtype=getattr(torch, name))).sum()

    assert total.error == pytest.approx((terms - 1) * total.arithmetic.roundoff * terms, rel=ULP, abs=0)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_a_sum_in_16_bits_that_stagnates_lies_within_the_bound(name):
    """From 2^bits on, adding 1 changes nothing."""
    ones = torch.ones(2 ** (FORMATS[name].bits + 1), dtype=getattr(torch, name))

    assert within(sequential(ones), lifted(ones).sum())


@every_order
@every_format
@law
@given(data=st.data())
def test_a_mean_in_any_order_lies_within_the_bound(order, name, data):
    x = data.draw(draws(name, size=40, tops=st.integers(-6, 6)))[0]

    assert within(order(x) / 40, lifted(x).mean(), second_order(name, 1))


@every_format
@law
@given(data=st.data())
def test_a_product_of_matrices_lies_within_the_bound(name, data):
    a, b = data.draw(draws(name, 2, size=12, tops=st.integers(-6, 4)))

    products = sequential(a * b)
    assert within(products, lifted(a[None]) @ lifted(b[:, None]), second_order(name, 1))


@pytest.mark.parametrize("dim", [None, 0, 1, -1, (0, 2), (1,)])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("function", ["sum", "mean"])
def test_sums_and_means_are_taken_over_the_axes_that_torch_takes(function, dim, keepdim):
    x = torch.arange(2.0 * 4 * 8, dtype=torch.float64).reshape(2, 4, 8)

    number = getattr(lifted(x), function)(dim=dim, keepdim=keepdim)

    wanted = getattr(x, function)(dim=dim, keepdim=keepdim)
    assert (number.shape, np.asarray(number.value).tolist()) == (tuple(wanted.shape), wanted.tolist())


def test_the_sum_of_nothing_is_exactly_zero():
    total = lifted(torch.ones(0)).sum()

    assert (total.value, total.error) == (0.0, 0.0)


# what is exact


def known(value, name="float32"):
    return lifted(torch.tensor([value], dtype=getattr(torch, name)))


def vague(value, error, name="float32"):
    return Rounded(np.array([value]), np.array([error]), Arithmetic(name))


@pytest.mark.parametrize(
    ("result", "value", "error"),
    [
        (lambda x: x + known(0.0), 0.3, 0.1),
        (lambda x: known(0.0) + x, 0.3, 0.1),
        (lambda x: x - known(0.0), 0.3, 0.1),
        (lambda x: known(0.0) - x, -0.3, 0.1),
        (lambda x: x + 0, 0.3, 0.1),
        (lambda x: 0.0 - x, -0.3, 0.1),
        (lambda x: x * known(1.0), 0.3, 0.1),
        (lambda x: known(-1.0) * x, -0.3, 0.1),
        (lambda x: x * 1, 0.3, 0.1),
        (lambda x: x / known(1.0), 0.3, 0.1),
        (lambda x: x / -1, -0.3, 0.1),
        (lambda x: x * known(0.0), 0.0, 0.0),
        (lambda x: 0 * x, 0.0, 0.0),
        (lambda x: known(0.0) / x, 0.0, 0.0),
        (lambda x: 0 / x, 0.0, 0.0),
        (lambda x: -x, -0.3, 0.1),
        (lambda x: abs(-x), 0.3, 0.1),
    ],
)
def test_operations_with_an_exact_zero_or_one_add_no_rounding(result, value, error):
    number = result(vague(0.3, 0.1))

    assert (number.value, number.error) == (value, error)


@pytest.mark.parametrize("divisor", [vague(0.1, 0.5), vague(0.1, 0.1), vague(1e-40, 1e-30)])
def test_zero_divided_by_what_may_underflow_is_exactly_zero(divisor):
    assert (known(0.0) / divisor).error == 0.0


@pytest.mark.parametrize("zero", [known(0.0), vague(0.0, 2.0**-149)])
def test_of_what_may_be_divided_by_zero_nothing_is_known(zero):
    assert (known(1.0) / zero).error == math.inf


def test_of_zero_divided_or_multiplied_by_what_may_overflow_nothing_is_known():
    overflown = known(2.0**100) * known(2.0**100)

    assert [(known(0.0) / overflown).error, (known(0.0) * overflown).error] == [math.inf, math.inf]


def test_a_number_that_is_only_near_zero_is_rounded_with():
    assert (known(0.3) + vague(0.0, 0.1)).error > 0.1


def test_a_number_that_is_only_near_one_is_rounded_with():
    assert (known(0.3) * vague(1.0, 0.1)).error > known(0.3).value * 0.1


# overflow, underflow, flushing


@every_format
def test_of_what_may_overflow_nothing_is_known(name):
    largest, smallest = known(FORMATS[name].largest, name), known(FORMATS[name].smallest_subnormal, name)

    results = [largest + largest, largest * largest, largest**2, known(1.0, name) / smallest]
    assert [result.error for result in results] == [math.inf] * len(results)


@every_format
def test_of_a_sum_that_may_overflow_on_its_way_nothing_is_known(name):
    """Whatever the order: the sum of the negative numbers alone may be taken first."""
    largest = FORMATS[name].largest

    assert lifted(in_format(name, [largest, -largest, largest, -largest])).sum().error == math.inf


@every_format
def test_the_largest_number_itself_is_known(name):
    largest = known(FORMATS[name].largest, name)

    assert (largest * 1).error == 0.0


@every_format
def test_a_product_that_underflows_may_be_zero(name):
    tiny = known(FORMATS[name].smallest_subnormal, name)

    assert within(torch.zeros(1), tiny * known(0.5, name))


@pytest.mark.parametrize(
    ("name", "flush", "error"),
    [
        ("float64", False, 2.0**-1074),  # half of it is no number of float64
        ("float32", False, 2.0**-150),
        ("bfloat16", False, 2.0**-134),
        ("float16", False, 2.0**-25),
        ("float64", True, 2.0**-1022),
        ("float32", True, 2.0**-126),
        ("bfloat16", True, 2.0**-126),
        ("float16", True, 2.0**-14),
    ],
)
def test_what_is_too_small_is_off_by_half_the_smallest_number_or_by_the_smallest_normal_one(name, flush, error):
    arithmetic = Arithmetic(name, name, flush=flush)

    assert (arithmetic.underflow, arithmetic.scalar_underflow) == (error, error)


FLUSHED = ["float32", "bfloat16", "float16"]


def flushed(tensor):
    smallest = FORMATS[str(tensor.dtype).removeprefix("torch.")].smallest_normal
    return torch.where(abs(tensor) < smallest, 0 * tensor, tensor)


@every_operation
@pytest.mark.parametrize("name", FLUSHED)
@law
@given(data=st.data())
def test_where_subnormal_numbers_are_flushed_results_lie_within_the_bound(operation, name, data):
    smallest = math.frexp(FORMATS[name].smallest_normal)[1]
    a, b = data.draw(draws(name, 2, tops=st.integers(smallest - 5, smallest + 25)))
    a = torch.where(a == 0, b, a)  # 0 / 0 is a failure, flushed or not

    number = operation(lifted(a, flush=True), lifted(b, flush=True))

    assert within(flushed(operation(flushed(a), flushed(b))), number)


@pytest.mark.parametrize("name", FLUSHED)
@law
@given(data=st.data())
def test_where_subnormal_numbers_are_flushed_sums_lie_within_the_bound(name, data):
    smallest = math.frexp(FORMATS[name].smallest_normal)[1]
    x = data.draw(draws(name, size=12, tops=st.integers(smallest - 2, smallest + 4)))[0]

    total = reduce(lambda a, b: flushed(a + b), flushed(x))
    assert within(total, lifted(x, flush=True).sum())


@pytest.mark.parametrize("name", FLUSHED)
def test_where_subnormal_numbers_are_flushed_a_sum_that_cancels_may_be_zero(name):
    smallest = FORMATS[name].smallest_normal

    assert within(torch.zeros(()), lifted(in_format(name, [1.5 * smallest, -smallest]), flush=True).sum())


@pytest.mark.parametrize("name", FLUSHED)
def test_where_subnormal_numbers_are_flushed_a_scalar_may_be_zero(name):
    scalar = Arithmetic(name, flush=True).scalar(0.75 * FORMATS[name].smallest_normal)

    assert within(torch.zeros(()), scalar)


# storage and mixed formats


@pytest.mark.parametrize("kept", list(FORMATS))
@pytest.mark.parametrize("name", list(FORMATS))
@law
@given(data=st.data())
def test_what_is_kept_in_another_format_lies_within_the_bound(kept, name, data):
    a, b = data.draw(draws(name, 2))

    assert within(in_format(kept, a * b), (lifted(a) * lifted(b)).stored(kept))


def test_a_zero_is_kept_exactly():
    assert known(0.0).stored("bfloat16").error == 0.0


@pytest.mark.parametrize(("one", "other"), list(combinations(FORMATS, 2)))
@every_operation
@law
@given(data=st.data())
def test_numbers_of_two_formats_may_meet_in_the_finer_or_the_coarser(operation, one, other, data):
    a, b = data.draw(draws(one))[0], data.draw(draws(other))[0]
    coarser = max(one, other, key=lambda name: FORMATS[name].roundoff)
    a, b = (x[~exactly_zero_or_one(a, b)] for x in (a, b))

    number, swapped = operation(lifted(a), lifted(b)), operation(lifted(b), lifted(a))

    assert within(operation(a, b), number)
    assert within(in_format(coarser, operation(a.double(), b.double())), number)
    assert within(operation(b, a), swapped)


def test_a_tiny_sum_of_two_formats_may_be_rounded_to_the_coarser():
    """Tiny sums of one format are exact, because both numbers are multiples of the smallest."""
    total = known(2.0**-26, "float32") + known(2.0**-24, "float16")

    assert within(torch.tensor([2.0**-24]), total)


def exactly_zero_or_one(*tensors):
    """Operations with these are exact, and are left in the finer format."""
    return reduce(operator.or_, [(x == 0) | (abs(x) == 1) for x in tensors])


# formats and scalars


@every_format
@settings(law, max_examples=60)
@given(
    number=st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        *(st.builds(math.ldexp, st.integers(-(2**bits), 2**bits), st.integers(-160, 160)) for bits in (1, 8, 11, 24)),
    )
)
def test_a_format_holds_the_numbers_that_survive_it_except_subnormal_ones(name, number):
    survives = in_format(name, number).item() == number
    normal = number == 0 or FORMATS[name].smallest_normal <= abs(number)

    assert FORMATS[name].holds(number) == (survives and normal and math.isfinite(number))


@every_format
def test_a_formats_constants_are_those_of_torch(name):
    info, number = torch.finfo(getattr(torch, name)), FORMATS[name]

    constants = (2 * number.roundoff, number.smallest_normal, number.smallest_subnormal, number.largest)
    assert constants == (info.eps, info.smallest_normal, info.smallest_normal * info.eps, info.max)


SCALARS = [
    (compute, scalars) for compute in FORMATS for scalars in FORMATS if scalars in {"float64", "float32", compute}
]
PLAIN = st.one_of(
    st.sampled_from((0.5, 0.75, 0.9, 0.95, 0.999, 1e-3, 1e-8, 1e-30, 0.0, 1.0, 3.0, 1000.0)), st.floats(-1000, 1000)
)


@pytest.mark.parametrize(("compute", "scalars"), SCALARS)
@settings(law, max_examples=30)
@given(number=PLAIN)
def test_a_scalar_may_be_rounded_to_either_of_its_formats(compute, scalars, number):
    scalar = Arithmetic(compute, scalars).scalar(number)

    for name in (compute, scalars):
        assert within(in_format(name, number), scalar)


@pytest.mark.parametrize(("compute", "scalars"), SCALARS)
@settings(law, max_examples=30)
@given(number=PLAIN)
def test_a_scalar_is_exact_where_both_formats_hold_it_and_only_there(compute, scalars, number):
    held = FORMATS[compute].holds(number) and FORMATS[scalars].holds(number)

    assert (Arithmetic(compute, scalars).scalar(number).error == 0) == held


@every_operation
@pytest.mark.parametrize("scalars", list(FORMATS))
@law
@given(data=st.data())
def test_an_operation_between_scalars_in_their_format_lies_within_the_bound(operation, scalars, data):
    a, b = data.draw(draws(scalars, 2))
    arithmetic = Arithmetic("float64", scalars)

    pairs = zip(a, b, operation(a, b), strict=True)
    assert all(within(c, exactly(operation, arithmetic, a.item(), b.item())) for a, b, c in pairs)


def exactly(operation, arithmetic, *numbers):
    return operation(*(Rounded(number, 0.0, arithmetic, scalar=True) for number in numbers))


@pytest.mark.parametrize("scalars", ["float64", "float32"])
@pytest.mark.parametrize("beta", [0.9, 0.999, 0.95])
@pytest.mark.parametrize("t", [1, 2, 10, 300])
def test_a_bias_correction_in_the_format_of_scalars_lies_within_the_bound(scalars, beta, t):
    """As a power, and as repeated products."""
    dtype = getattr(torch, scalars)
    one, b = torch.ones((), dtype=dtype), torch.tensor(beta, dtype=dtype)

    correction = 1 - Arithmetic("float32", scalars).scalar(beta) ** t

    assert within(one - b**t, correction)
    assert within(one - reduce(operator.mul, [b] * t), correction)


@pytest.mark.parametrize("compute", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("number", [0.1, 0.999, 1 / 3])
@every_operation
def test_a_scalar_meets_tensors_in_either_format(compute, number, operation):
    x = filled(compute, 1, 64, seed=0, top=2, spread=4, bits=FORMATS[compute].bits)[0]
    arithmetic = Arithmetic(compute, "float64")

    result = operation(arithmetic.scalar(number), arithmetic.tensor(x[x != 0]))

    assert within(in_format(compute, operation(number, x[x != 0].double())), result)
    assert within(operation(in_format(compute, number), x[x != 0]), result, second_order(compute, 1))


def test_what_is_computed_of_scalars_is_a_scalar_and_of_tensors_is_not():
    arithmetic = Arithmetic()
    scalar, tensor = arithmetic.scalar(0.5), known(0.5)

    of_scalars = [scalar + 1, scalar**2, -scalar, abs(scalar), scalar.sqrt(), scalar.clamp(min=1)]
    of_tensors = [scalar * tensor, tensor - 1, -tensor, tensor.clamp(min=scalar), tensor.sum()]
    assert [{x.is_scalar for x in results} for results in (of_scalars, of_tensors)] == [{True}, {False}]


# the rest of what pages ask


@pytest.mark.parametrize(
    ("one", "other", "less"), [(0.5, 1.0, True), (1.0, 0.5, False), (1.0, 1.0, False), (-1.0, 0.5, True)]
)
def test_numbers_are_compared_by_their_values(one, other, less):
    assert (vague(one, 9.0) < vague(other, 9.0), vague(other, 9.0) > one, vague(one, 9.0) < other) == (less,) * 3


@pytest.mark.parametrize(("value", "truth"), [(0.0, False), (-0.5, True)])
def test_a_number_is_true_where_its_value_is_not_zero(value, truth):
    assert bool(vague(value, 9.0)) is truth


def test_shapes_are_those_of_torch():
    number = lifted(torch.ones(2, 3, 4))

    assert (number.shape, number.dim(), number.numel(), number.reshape(6, 4).shape) == ((2, 3, 4), 3, 24, (6, 4))


@every_operation
def test_shapes_are_broadcast(operation):
    number = operation(lifted(torch.ones(2, 1, 4)), lifted(torch.ones(3, 1)))

    assert (np.shape(number.value), np.shape(number.error)) == ((2, 3, 4), (2, 3, 4))


def test_a_number_shows_value_and_bound():
    assert repr(Rounded(0.5, 0.25, Arithmetic())) == "Rounded(0.5 ± 0.25)"
