"""Adafactor: published numbers to the digits that are printed, the relations of the paper, and what is kept."""

from functools import partial

import pytest
import torch
from lm_reference.page import Variant, pages
from torch import Tensor

ADAFACTOR = pages()["optimizers.adafactor"]
double = partial(torch.tensor, dtype=torch.float64)

START = double([[0.1, 0.2, 0.3], [-0.4, 0.5, -0.6]])
GRADIENT = double([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
GRADIENTS = [t * GRADIENT for t in (1, 2, 3)]
PAPER = {  # algorithm 6
    "lr": None,
    "eps1": 1e-30,
    "eps2": 1e-3,
    "clipping_threshold": 1.0,
    "decay_exponent": 0.8,
    "beta1": None,
}
EXTERNAL = {"rate": "external", "scale": "none"}  # the rate is the whole step


def with_sides(**sides):
    return ADAFACTOR.module(*ADAFACTOR.sides(sides))


def with_lines(lines):
    return ADAFACTOR.module(Variant(ADAFACTOR.id, "form", str(lines), lines))


def at_update(number, what):
    """Something that is computed on the way of an update: the line of a clause returns it."""
    page, theta, state = ADAFACTOR.module(), START, ADAFACTOR.module().init(START)
    for g in GRADIENTS[: number - 1]:
        theta, state = page.step(theta, g, state, **PAPER)
    return with_lines(what).step(theta, GRADIENTS[number - 1], state, **PAPER)


def numbers_kept(state):
    return sum(part.numel() for part in state if isinstance(part, Tensor))


# published numbers


@pytest.mark.parametrize(
    ("update", "published"),
    [
        (1, "0.097591884636 0.203687506088 0.295559654668 -0.404107295366 0.496069105302 -0.596213260777"),
        (3, "0.092658901240 0.211241299638 0.286463682723 -0.412521020116 0.488016734323 -0.588456189839"),
    ],
)
def test_a_matrix_with_growing_gradients(updates, written_like, update, published):
    thetas = updates(ADAFACTOR.module(), START, GRADIENTS, **{**PAPER, "lr": [None] * 3})

    assert written_like(published, thetas[update - 1]) == published


@pytest.mark.parametrize(("update", "published"), [(1, "0.970864516"), (2, "1.176687156"), (3, "1.261642047")])
def test_the_length_of_the_update_before_clipping(written_like, update, published):
    length = at_update(update, {8: "return rms(u)"})

    assert written_like(published, length) == published


def test_the_first_step_size(written_like):
    alpha = at_update(1, {11: "return alpha"})

    published = "0.003894440482"
    assert written_like(published, alpha) == published


@pytest.mark.parametrize(("update", "published"), [(1, "0"), (2, "0.4257"), (3, "0.5848")])
def test_the_decay_starts_from_zero(written_like, update, published):
    beta2 = at_update(update, {2: "return beta2"})

    assert written_like(published, double(beta2)) == published


def test_a_matrix_that_is_not_factored(updates, written_like):
    *_, theta = updates(with_lines({13: "if shape:"}), START, GRADIENTS, **PAPER)

    published = "0.088360789071 0.211639210929 0.288360789071 -0.411639210929 0.488360789071 -0.588360789071"
    assert written_like(published, theta) == published


def test_a_zero_vector_moves_by_the_smallest_scale(updates, written_like):
    *_, theta = updates(ADAFACTOR.module(), double([0.0] * 3), [double([1.0, -2.0, 3.0])] * 2, **PAPER)

    published = "-2e-05 2e-05 -2e-05"
    assert written_like(published, theta) == published


def test_in_a_batch_of_matrices_each_has_its_own_rows_and_columns(updates, written_like):
    """RMS is that of the whole tensor, here the same for both matrices."""
    both = [torch.stack([g, -g]) for g in GRADIENTS]

    *_, theta = updates(ADAFACTOR.module(), torch.stack([START, -START]), both, **PAPER)

    published = "0.092658901240 0.211241299638 0.286463682723 -0.412521020116 0.488016734323 -0.588456189839"
    assert [written_like(published, matrix) for matrix in (theta[0], -theta[1])] == [published] * 2


# relations


@pytest.fixture
def run(updates, rounded):
    """The parameters after three updates with the settings of the paper, with their rounding errors."""
    settings = {name: None if number is None else rounded(number) for name, number in PAPER.items()}

    def on_rounded(page, theta=START, gradients=GRADIENTS, **other):
        return updates(page, rounded(theta), rounded(gradients), **{**settings, **other})

    return on_rounded


def test_sums_over_rows_and_columns_are_the_same_as_means(run, distance):
    """Algorithm 4: R_t S_t 1_m, C_t 1_nᵀ S_t, V̂_t = R_t C_t / 1_nᵀ R_t."""
    sums = with_lines(
        {
            3: "r = beta2 * state.r + (1 - beta2) * s.sum(dim=column, keepdim=True)",
            4: "c = beta2 * state.c + (1 - beta2) * s.sum(dim=row, keepdim=True)",
            5: "root = (r / r.sum(dim=row, keepdim=True)).sqrt() * c.sqrt()",
        }
    )

    assert max(map(distance, run(sums), run(ADAFACTOR.module()))) <= 1


def test_the_mean_of_the_columns_is_the_mean_of_the_rows(run, distance):
    by_columns = with_lines({5: "root = (c / c.mean(dim=column, keepdim=True)).sqrt() * r.sqrt()"})

    assert max(map(distance, run(by_columns), run(ADAFACTOR.module()))) <= 1


def test_squares_of_rank_one_are_reconstructed_exactly(run, rounded, distance):
    """So the first update is the sign of the gradient, times the step size."""
    rank_one = double([[1.0], [-3.0], [0.7]]) * double([0.2, -5.0])
    theta = double([[1.0, 1.0]] * 3)

    (moved,) = run(ADAFACTOR.module(), theta, [rank_one])

    assert distance(moved, rounded(theta) - rounded(1e-2) * rounded(rank_one.sign())) <= 1


def test_in_a_vector_the_first_update_is_the_sign_of_the_gradient(run, rounded, distance):
    theta, gradient = double([1.0, 1.0, 1.0]), double([3.0, -0.1, 7e9])

    (moved,) = run(ADAFACTOR.module(), theta, [gradient])

    assert distance(moved, rounded(theta) - rounded(1e-2) * rounded(gradient.sign())) <= 1


@pytest.mark.parametrize("threshold", [1.0, 1.25, 2.0])
def test_clipping_shrinks_long_updates_to_the_threshold_and_leaves_short_ones(run, rounded, distance, threshold):
    """At the rate 1, without a scale, the parameter moves by Û: at the second update of G3, RMS(U) is 1.18."""
    second = partial(run, with_sides(**EXTERNAL), gradients=GRADIENTS[:2], lr=rounded([0.0, 1.0]))

    _, clipped = second(clipping_threshold=rounded(threshold))
    _, unclipped = second(clipping_threshold=rounded(1e6))

    update = rounded(START) - unclipped
    shortened = update / (update.square().mean().sqrt() / rounded(threshold)).clamp(min=1)
    assert distance(rounded(START) - clipped, shortened) <= 1


def test_epsilon1_stands_under_the_root(updates):
    settings = {**PAPER, "lr": 1.0, "eps1": 16.0}

    (moved,) = updates(with_sides(**EXTERNAL), double([0.0]), [double([3.0])], **settings)

    assert moved.item() == -3 / (3**2 + 16) ** 0.5


@pytest.mark.parametrize(("size", "scale"), [(8.0, 8.0), (2.0**-20, 1e-3), (0.0, 1e-3)])
def test_the_step_is_relative_to_the_parameter_but_not_below_the_smallest_scale(run, rounded, distance, size, scale):
    theta = double([[size, -size]])

    (moved,) = run(ADAFACTOR.module(), theta, [double([[1.0, 1.0]])])

    assert distance(rounded(theta) - moved, rounded(scale) * rounded(1e-2) * rounded(double([[1.0, 1.0]]))) <= 1


def test_the_relative_rate_falls_after_ten_thousand_updates():
    page = with_lines({10: "return rho"})
    late = ADAFACTOR.module().init(START)._replace(t=40_000 - 1)

    assert page.step(START, GRADIENT, late, **PAPER) == 40_000**-0.5


@pytest.mark.parametrize("shape", [(2, 3), (3,)])
def test_a_zero_gradient_moves_nothing(updates, shape):
    """ε1 is added to the squares, so 0 is divided by its root and not by 0."""
    theta = torch.ones(shape, dtype=torch.float64)

    (moved,) = updates(ADAFACTOR.module(), theta, [0 * theta], **PAPER)

    assert moved.tolist() == theta.tolist()


def test_a_row_and_a_column_of_zeros_do_not_make_the_square_underflow(updates):
    """R_t C_t would be 10^-60, which is 0 in float32."""
    theta = torch.ones(2, 2)

    (moved,) = updates(ADAFACTOR.module(), theta, [torch.tensor([[0.0, 0.0], [0.0, 1.0]])], **PAPER)

    assert moved.isfinite().all()


# forks


@pytest.mark.parametrize(("lr", "rho"), [(0.5, 0.5), (2.0, 1.0)])
def test_the_cap_takes_the_place_of_a_hundredth(lr, rho):
    page = ADAFACTOR.module(*ADAFACTOR.sides({"rate": "capped"}), Variant(ADAFACTOR.id, "form", "", {10: "return rho"}))

    assert page.step(START, GRADIENT, page.init(START), **{**PAPER, "lr": lr}) == rho


def test_an_external_rate_keeps_the_scale_of_the_parameter(updates):
    (moved,) = updates(with_sides(rate="external"), double([[2.0]]), [double([[3.0]])], **{**PAPER, "lr": 0.25})

    assert moved.tolist() == [[2.0 - 2.0 * 0.25]]


def test_without_a_parameter_scale_the_rate_is_the_step(updates):
    (moved,) = updates(with_sides(**EXTERNAL), double([[2.0]]), [double([[3.0]])], **{**PAPER, "lr": 0.25})

    assert moved.tolist() == [[2.0 - 0.25]]


@pytest.mark.parametrize(
    ("side", "second"),
    [
        ("after_rate", 0.5 * 0.5 * 0.25 + 0.5 * 4.0),  # the first rate stays in the average
        ("before_rate", (0.5 * 0.5 + 0.5) * 4.0),  # the second rate multiplies the average
    ],
)
def test_momentum_averages_updates_with_or_without_their_rates(updates, side, second):
    page = with_sides(**EXTERNAL, momentum=side)

    first, then = updates(page, double([0.0]), [double([3.0])] * 2, **{**PAPER, "lr": [0.25, 4.0], "beta1": 0.5})

    assert [-first.item(), (first - then).item()] == [0.5 * 0.25, second]


@pytest.mark.parametrize(
    ("gradient", "update"),
    [
        (2.0**-1, 1.0),  # the mean of R is 2^-2, the root 2^-1: no floor is near
        (2.0**-4, 2.0),  # the mean of R is 2^-8, so it is raised to 2^-6, and the root is 2^-5
        (2.0**-10, 2.0**-4),  # and here the root is 2^-17, so it is raised to 2^-6
        (0.0, 0.0),
    ],
)
def test_epsilon1_may_be_a_floor_below_which_nothing_divides(updates, gradient, update):
    page, ones = with_sides(**EXTERNAL, epsilon1="floor"), torch.ones(2, 2, dtype=torch.float64)
    settings = {**PAPER, "lr": 1.0, "eps1": 2.0**-6, "clipping_threshold": 4.0}

    (moved,) = updates(page, ones, [gradient * ones], **settings)

    assert (1 - moved).tolist() == [[update] * 2] * 2


@pytest.mark.parametrize(
    ("sides", "shape", "axes"),
    [
        ({}, (), []),
        ({}, (3,), []),
        ({}, (1, 1), [0, 1]),
        ({}, (5, 2, 3), [1, 2]),
        ({"axes": "largest_two"}, (5, 2, 3), [0, 2]),
        ({"axes": "largest_two"}, (2, 5, 3, 1), [1, 2]),
        ({"axes": "largest_two"}, (4, 4, 4), [1, 2]),
        ({"smallest": "128"}, (128, 128), [0, 1]),
        ({"smallest": "128"}, (64, 64), []),
        ({"smallest": "128"}, (1000, 127), []),
        ({"smallest": "128", "axes": "largest_two"}, (128, 2, 200), [0, 2]),
    ],
)
def test_which_axes_are_factored(sides, shape, axes):
    assert with_sides(**sides).factored(shape) == axes


# state


@pytest.mark.parametrize(
    ("shape", "kept"),
    [((2, 3), 2 + 3), ((40, 50), 40 + 50), ((4, 5, 6), 4 * (5 + 6)), ((7,), 7), ((), 1), ((1, 9), 1 + 9)],
)
def test_a_matrix_keeps_a_number_for_each_row_and_column(shape, kept):
    page, theta = ADAFACTOR.module(), torch.ones(shape, dtype=torch.float64)

    _, state = page.step(theta, theta, page.init(theta), **PAPER)

    assert (numbers_kept(page.init(theta)), numbers_kept(state)) == (kept, kept)


@pytest.mark.parametrize("side", ["after_rate", "before_rate"])
def test_momentum_keeps_an_array_of_the_parameters_size(side):
    page, theta = with_sides(momentum=side), torch.ones(4, 5, dtype=torch.float64)

    _, state = page.step(theta, theta, page.init(theta), **{**PAPER, "beta1": 0.5})

    assert numbers_kept(state) == 4 + 5 + 4 * 5


def test_the_averages_of_rows_and_columns():
    theta, settings = double([[0.0] * 2] * 2), {**PAPER, "eps1": 1.0, "decay_exponent": 1.0}  # β̂_2 = 1/2
    page, state = ADAFACTOR.module(), ADAFACTOR.module().init(theta)

    for g in (double([[1.0, 1.0], [3.0, 5.0]]), double([[0.0, 0.0], [0.0, 4.0]])):
        _, state = page.step(theta, g, state, **settings)

    assert [state.r.tolist(), state.c.tolist()] == [[[1.5], [13.5]], [[3.5, 11.5]]]


def test_the_average_of_a_vector():
    theta, settings = double([0.0] * 2), {**PAPER, "eps1": 1.0, "decay_exponent": 1.0}
    page, state = ADAFACTOR.module(), ADAFACTOR.module().init(theta)

    for g in (double([1.0, 3.0]), double([0.0, 4.0])):
        _, state = page.step(theta, g, state, **settings)

    assert state.v.tolist() == [1.5, 13.5]


def test_averages_are_zero_before_the_first_update():
    matrix, vector = (ADAFACTOR.module().init(theta) for theta in (double([[0.0, 2.0]]), double([0.0, 3.0])))

    assert [matrix.r.tolist(), matrix.c.tolist(), vector.v.tolist()] == [[[0.0]], [[0.0, 0.0]], [0.0, 0.0]]


def test_without_a_gradient_value_and_state_stay():
    page, state = ADAFACTOR.module(), ADAFACTOR.module().init(START)
    _, state = page.step(START, GRADIENT, state, **PAPER)

    theta, after = page.step(START, None, state, **PAPER)

    assert (theta, after) == (START, state)


def test_where_missing_gradients_are_counted_only_the_count_goes_on():
    page, before = with_sides(missing="counted"), ADAFACTOR.module().init(START)

    theta, after = page.step(START, None, before, **PAPER)

    assert (theta, after) == (START, before._replace(t=1))


def test_the_state_that_is_restored_is_the_one_that_was_saved():
    page = ADAFACTOR.module()
    _, state = page.step(START, GRADIENT, page.init(START), **PAPER)

    assert page.restore(state) == state
