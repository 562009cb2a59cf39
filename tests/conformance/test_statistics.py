"""The statistics: levels that hold for every sample size, effects that are seen as promised, and two stages."""

import math
from pathlib import Path

import lm_conformance
import numpy as np
import pytest
import torch
from lm_conformance import draw_tests, effects, probability
from lm_conformance.check import ANY, Target, checks
from lm_conformance.draw_tests import Matrix
from lm_conformance.draws import GRID, outside, standard, sums, together
from lm_conformance.evaluate import evaluate
from lm_conformance.reference_trainer import Reference
from lm_conformance.statistics import BUDGET, FIRST, POWER, SECOND, SECOND_SAMPLE, TESTS, Finding, family, two_stages
from lm_reference.laws import Constant, Normal, TruncatedNormal, Uniform

LAWS = pytest.mark.parametrize("law", [Normal(0.02), TruncatedNormal(0.02), Uniform(0.3)], ids=str)
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
POOL_TESTS = (draw_tests.scale, draw_tests.center, draw_tests.tails, draw_tests.form)
MATRIX_TESTS = (draw_tests.largest, draw_tests.lines, draw_tests.spread, draw_tests.related_lines)
AREAS = ("initialization",)  # that draw samples
SURE = 1e-6  # no assertion about a simulation fails by chance more often than this


@pytest.fixture
def draws():
    """Draws of a law, each call others."""
    source = np.random.default_rng(1)

    def draw(law, *shape):
        return law.from_uniform(torch.from_numpy(source.random(shape)))

    return draw


def uniform(ps):
    """Whether probabilities may be uniformly distributed: by the distance of their distribution function."""
    ordered = np.sort(ps)
    apart = max(np.max(np.arange(1, len(ps) + 1) / len(ps) - ordered), np.max(ordered - np.arange(len(ps)) / len(ps)))
    return probability.distance(float(apart), len(ps)) > SURE


def rejected_too_often(ps, level):
    """Whether more of them are below a level than chance explains."""
    count = int(np.count_nonzero(np.array(ps) < level))
    return count > level * len(ps) and probability.binomial(count, len(ps), level) < SURE


# levels and stages


def test_the_levels_of_both_stages_share_the_budget_among_all_tests():
    assert FIRST.level * SECOND.level == pytest.approx(BUDGET / TESTS)


@pytest.fixture(scope="module")
def rows():
    """The rows of all checks that draw samples, for a trainer that is right in everything."""
    offers = {offer.page: offer for offer in Reference().offered()}
    asked = [check for check in checks() if check.page.partition(".")[0] in AREAS]
    return {check.id: evaluate(check, Target(offers[check.page], ANY), seed=11) for check in asked}


def test_samples_are_drawn_for_no_other_area_than_those_that_are_counted_here():
    folder = Path(lm_conformance.__file__).parent
    users = {path.stem for path in folder.rglob("*.py") if "two_stages(" in path.read_text(encoding="utf-8")}

    assert users == {"statistics", *(f"{area}_judges" for area in AREAS)}


def test_a_whole_run_asks_no_more_tests_than_share_the_budget(rows):
    tests = {(name, one.test.removesuffix(SECOND_SAMPLE)) for name, row in rows.items() for one in row.statistics}

    assert {row.verdict for row in rows.values()} == {"pass", "skip"}
    assert 0 < len(tests) <= TESTS


def test_the_std_of_every_role_is_promised_to_1_5_percent(rows):
    promises = [one.detects for row in rows.values() for one in row.statistics if one.test.startswith("std of ")]

    errors = [float(words.split("off by ")[1].split(" %")[0]) for words in promises]
    assert 0 < max(errors) <= 1.5


class Samples:
    """Draws samples whose tests have given probabilities."""

    def __init__(self, *ps):
        self.ps, self.drawn = list(ps), []

    def draw(self, stage):
        self.drawn.append(stage)
        return dict(zip(("mean", "std"), self.ps[len(self.drawn) - 1], strict=True))

    @staticmethod
    def ask(sample, stage):
        return [Finding(test, 10 * stage.size, p, "much") for test, p in sample.items()]

    def trial(self):
        return two_stages(self.draw, self.ask)


def test_a_sample_that_is_not_doubtful_is_the_only_one():
    samples = Samples((0.5, FIRST.level))

    trial = samples.trial()

    assert (samples.drawn, trial.rejected) == ([FIRST], ())
    assert [(one.test, one.p, one.level, one.draws) for one in trial.statistics] == [
        ("mean", 0.5, 1e-3, 10),
        ("std", 1e-3, 1e-3, 10),
    ]


def test_a_doubtful_test_is_asked_again_of_another_sample_and_both_results_are_told():
    samples = Samples((1e-9, 0.5), (0.2, 1e-9))

    trial = samples.trial()

    assert (samples.drawn, trial.rejected) == ([FIRST, SECOND], ())
    assert [(one.test, one.p) for one in trial.statistics] == [
        ("mean", 1e-9),
        ("std", 0.5),
        ("mean, second sample", 0.2),
    ]


def test_a_test_is_rejected_where_both_samples_reject_it():
    trial = Samples((1e-9, 0.5), (1e-4, 1e-9)).trial()

    assert [(one.test, one.p, one.draws) for one in trial.rejected] == [("mean", 1e-4, 40)]


def test_the_p_of_a_family_is_its_least_times_the_number_of_members():
    assert family([0.5, 0.01, 0.2]) == (1, 0.03)
    assert family([0.9, 0.8]) == (1, 1.0)


# exact probabilities


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (probability.normal(1.959963984540054), 0.05),
        (probability.normal_cdf(-1.6448536269514722), 0.05),
        (probability.chi_square(9.348403604496148, 3), 0.05),
        (probability.binomial(0, 10, 0.5), 2 / 1024),
        (probability.binomial(5, 10, 0.5), 1.0),
        (probability.cosine(0.5, 3), 0.5),  # on a sphere, the height is uniform
        (probability.cosine(1.0, 9), 0.0),
        (float(probability.share(np.array(0.25), 2, 4)), 0.5),  # of two and two, the share is uniform
        (probability.distance(0.1, 100), 2 * math.exp(-2)),
    ],
)
def test_probabilities_are_those_of_the_tables(found, known):
    assert found == pytest.approx(known, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("level", [0.05, 5e-7])
def test_limits_are_where_the_probability_is_the_level(level):
    low, high = probability.chi_square_limits(level, 50)

    assert probability.chi_square(low, 50) == pytest.approx(level)
    assert probability.chi_square(high, 50) == pytest.approx(level)
    assert probability.cosine(probability.cosine_limit(level, 30), 30) == pytest.approx(level)
    assert probability.distance(probability.distance_limit(level, 30), 30) == pytest.approx(level)


def test_the_least_number_that_passes_is_found():
    assert probability.least(lambda x: x >= 0.3, high=1.0) == pytest.approx(0.3)
    assert probability.least(lambda x: x > 2, high=1.0) == 1.0


# what is summed


@LAWS
@DTYPES
def test_the_grid_counts_the_draws_below_each_quantile(draws, law, dtype):
    weights = draws(law, 100_000)

    found = sums("w", weights.to(dtype), law)

    # rounding moves no draw across a point of the grid: there the law is asked where numbers are rounded apart
    points = law.from_uniform(torch.special.ndtr(GRID)).to(dtype)
    halfway = (points.double() + torch.nextafter(points, torch.full_like(points, math.inf)).double()) / 2
    assert found.below.tolist() == [int((weights <= point).sum()) for point in halfway]
    assert np.allclose(found.expected, 100_000 * law.cdf(halfway).numpy())


@LAWS
def test_pooled_sums_are_those_of_all_draws(draws, law):
    one, two = draws(law, 70_000), draws(law, 300)

    pooled, whole = (
        together("all", [sums("one", one, law), sums("two", two, law)]),
        sums("all", torch.cat([one, two]), law),
    )

    assert (pooled.draws, pooled.below.tolist()) == (whole.draws, whole.below.tolist())
    for name in ("total", "squares", "largest", "power", "std"):
        assert getattr(pooled, name) == pytest.approx(getattr(whole, name))


@LAWS
def test_carried_over_draws_are_standard_normal(draws, law):
    z = standard(draws(law, 100_000), law)

    assert uniform(torch.special.ndtr(z).numpy())


@pytest.mark.parametrize("law", [TruncatedNormal(0.02), Uniform(0.3)], ids=str)
@DTYPES
def test_draws_at_the_bound_are_inside_whatever_their_format(law, dtype):
    bound = torch.tensor([law.support[0], law.support[1]], dtype=torch.float64).to(dtype)

    assert outside(bound, law).tolist() == []
    assert len(outside(bound * 1.1, law)) == 2


def test_constants_are_not_summed():
    with pytest.raises(TypeError, match="nothing of it is drawn"):
        sums("gains", torch.ones(3), Constant(1.0))


# levels, by simulation


@pytest.mark.parametrize("test", [draw_tests.scale, draw_tests.center], ids=lambda test: test.__name__)
@LAWS
def test_exact_tests_have_uniform_probabilities_even_for_few_draws(draws, test, law):
    ps = [test([sums("w", draws(law, 40), law)], FIRST).p for _ in range(500)]

    assert uniform(ps)


@pytest.mark.parametrize("test", POOL_TESTS, ids=lambda test: test.__name__)
def test_a_true_law_is_rejected_no_more_often_than_the_level_says(draws, test):
    ps = [test([sums(name, draws(Normal(3.0), 300), Normal(3.0)) for name in "ab"], FIRST).p for _ in range(300)]

    assert not rejected_too_often(ps, 0.05)


@pytest.mark.parametrize("test", MATRIX_TESTS, ids=lambda test: test.__name__)
def test_independent_matrices_are_rejected_no_more_often_than_the_level_says(draws, test):
    ps = [test([Matrix(name, draws(Normal(1.0), 12, 40)) for name in "ab"], FIRST).p for _ in range(300)]

    assert not rejected_too_often(ps, 0.05)


def test_independent_tensors_are_rejected_no_more_often_than_the_level_says(draws):
    shapes = ((4, 9), (9, 4), (5, 5), (2, 3))
    samples = [[Matrix(str(shape), draws(Normal(1.0), *shape)) for shape in shapes] for _ in range(300)]

    assert not rejected_too_often([draw_tests.related_tensors(sample, FIRST).p for sample in samples], 0.05)


@LAWS
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_rounding_to_16_bits_does_not_move_the_probabilities(draws, law, dtype):
    pools = [sums("w", draws(law, 20_000).to(dtype), law) for _ in range(60)]

    for test in (draw_tests.scale, draw_tests.center):
        assert uniform([test([pool], FIRST).p for pool in pools])
    for test in (draw_tests.tails, draw_tests.form):
        assert not rejected_too_often([test([pool], FIRST).p for pool in pools], 0.05)


# effects, by simulation


def seen(draw, test):
    """Whether both stages reject what is drawn."""
    return bool(two_stages(draw, lambda sample, stage: [test(sample, stage)]).rejected)


def missed_too_often(missed, trials):
    """Whether more trials missed an effect than the promised power allows."""
    return missed > 0 and probability.binomial(missed, trials, 1 - POWER) < SURE


@LAWS
@pytest.mark.parametrize("direction", [-1, 1])
def test_a_std_that_is_off_by_the_promised_effect_is_seen(draws, law, direction):
    effect = effects.scale(law, 500, 2)
    other = law.times(1 + direction * effect)

    def draw(stage):
        return [sums(name, draws(own, 500 * stage.size), law) for name, own in (("right", law), ("wrong", other))]

    tests = [draw_tests.scale]
    if direction > 0 and not isinstance(law, Normal):
        tests.append(draw_tests.support)  # where the law has bounds, they give a wide draw away
    missed = sum(not any(seen(draw, test) for test in tests) for _ in range(100))
    assert not missed_too_often(missed, 100)


def test_a_third_of_the_promised_effect_is_not_always_seen(draws):
    other = Normal(1 + effects.scale(Normal(1.0), 500, 1) / 3)

    found = [
        seen(lambda stage: [sums("w", draws(other, 500 * stage.size), Normal(1.0))], draw_tests.scale)
        for _ in range(50)
    ]

    assert sum(found) < 25


def test_a_mean_of_the_promised_size_is_seen(draws):
    shift = effects.center(500, 1)

    def draw(stage):
        return [sums("w", draws(Normal(1.0), 500 * stage.size) + shift, Normal(1.0))]

    assert not missed_too_often(sum(not seen(draw, draw_tests.center) for _ in range(100)), 100)


def test_a_distribution_that_is_as_far_away_as_promised_is_seen(draws):
    distance = effects.distance(500, 1)

    def draw(stage):
        # so many more draws lie below the median
        w = draws(Normal(1.0), 500 * stage.size)
        moved = draws(Uniform(1.0), 500 * stage.size) > 1 - 4 * distance
        return [sums("w", torch.where(moved, -w.abs(), w), Normal(1.0))]

    assert not missed_too_often(sum(not seen(draw, draw_tests.form) for _ in range(100)), 100)


def test_a_correlation_of_the_promised_size_is_seen(draws):
    r = effects.cosine(400, 3)

    def draw(stage):
        found = []
        for call in range(stage.size):
            one, two = draws(Normal(1.0), 20, 20), draws(Normal(1.0), 20, 20)
            both = r * one + math.sqrt(1 - r * r) * two
            found += [Matrix("one", one, call), Matrix("two", both, call)]
        return found

    assert not missed_too_often(sum(not seen(draw, draw_tests.related_tensors) for _ in range(60)), 60)


def test_one_element_of_the_promised_size_is_seen(draws):
    def draw(stage):
        found = [draws(Normal(1.0), 30, 40) for _ in range(2 * stage.size)]
        found[0][3, 4] = found[-1][0, 0] = effects.largest(1200, 2)
        return [Matrix(str(number), z) for number, z in enumerate(found)]

    assert not missed_too_often(sum(not seen(draw, draw_tests.largest) for _ in range(60)), 60)


# what is wrong in a matrix


def matrix(draws, change):
    z = draws(Normal(1.0), 40, 60)
    change(z)
    return Matrix("W", z)


def zero_row(z):
    z[7] = 0


def repeated_row(z):
    z[30] = z[2]


def mirrored_column(z):
    z[:, 50] = -z[:, 1]


def rows_of_one_length(z):
    z *= 60**0.5 / z.norm(dim=1, keepdim=True)


def one_outlier(z):
    z[3, 3] = 1000


@pytest.mark.parametrize(
    ("test", "change", "where"),
    [
        (draw_tests.lines, zero_row, "row 7 of W"),
        (draw_tests.related_lines, repeated_row, "rows 2 and 30 of W"),
        (draw_tests.related_lines, mirrored_column, "columns 1 and 50 of W"),
        (draw_tests.spread, rows_of_one_length, "rows"),
        (draw_tests.largest, one_outlier, "W"),
    ],
)
def test_what_is_wrong_in_a_matrix_is_found_where_it_is(draws, test, change, where):
    found = test([Matrix("V", draws(Normal(1.0), 40, 60)), matrix(draws, change)], FIRST)

    assert (found.p < SURE, found.place) == (True, where)


@pytest.mark.parametrize("change", [lambda z: z.clone(), lambda z: -z, lambda z: z.T.clone()])
def test_a_tensor_that_is_another_one_again_is_found(draws, change):
    one = draws(Normal(1.0), 40, 40)

    found = draw_tests.related_tensors([Matrix("one", one), Matrix("other", change(one))], FIRST)

    assert (found.p < SURE, set(found.place.split(" and "))) == (True, {"one", "other"})


def test_a_tensor_that_begins_like_a_longer_one_is_found(draws):
    one = draws(Normal(1.0), 40, 40)

    found = draw_tests.related_tensors([Matrix("long", one), Matrix("short", one[:30].clone())], FIRST)

    assert (found.p < SURE, found.place) == (True, "long and short")


def test_tensors_of_different_calls_may_be_the_same(draws):
    one, two = draws(Normal(1.0), 9, 9), draws(Normal(1.0), 9, 9)

    sample = [Matrix(name, z, call) for call in (1, 2) for name, z in (("one", one), ("two", two))]
    assert draw_tests.related_tensors(sample, FIRST).p > FIRST.level


@pytest.mark.parametrize("test", MATRIX_TESTS, ids=lambda test: test.__name__)
def test_what_is_asked_of_rows_and_elements_does_not_depend_on_the_scale(draws, test):
    z = draws(Normal(1.0), 40, 60)

    one, other = test([Matrix("W", z)], FIRST), test([Matrix("W", 1000 * z)], FIRST)
    assert other.p == pytest.approx(one.p, rel=1e-3)


@pytest.mark.parametrize("test", MATRIX_TESTS, ids=lambda test: test.__name__)
def test_a_matrix_of_zeros_breaks_no_test(test):
    found = test([Matrix("W", torch.zeros(20, 30, dtype=torch.float64))], FIRST)

    assert 0 <= found.p <= 1


def test_a_row_is_counted_from_the_first_that_was_drawn(draws):
    z = draws(Normal(1.0), 40, 60)
    z[7] = 0

    assert draw_tests.lines([Matrix("W", z, skipped=1)], FIRST).place == "row 8 of W"
