"""GPT-3's table beside the names of its sizes, and the numbers that its text gives."""

import pytest
from lm_reference.page import pages

GPT3 = pages()["recipes.gpt3"]
PAGE = GPT3.module()
REPAIRED = GPT3.module(*GPT3.sides({"heads_of_1_3B": "16", "width_of_13B": "5120"}))
SIZES = {
    "125M": 125e6,
    "350M": 350e6,
    "760M": 760e6,
    "1.3B": 1.3e9,
    "2.7B": 2.7e9,
    "6.7B": 6.7e9,
    "13B": 13e9,
    "175B": 175e9,
}


@pytest.mark.parametrize(
    ("size", "shape", "peak"),
    [
        ("125M", (12, 768, 12, 64), 6e-4),
        ("350M", (24, 1024, 16, 64), 3e-4),
        ("760M", (24, 1536, 16, 96), 2.5e-4),
        ("1.3B", (24, 2048, 24, 128), 2e-4),
        ("2.7B", (32, 2560, 32, 80), 1.6e-4),
        ("6.7B", (32, 4096, 32, 128), 1.2e-4),
        ("13B", (40, 5140, 40, 128), 1e-4),
        ("175B", (96, 12288, 96, 128), 0.6e-4),
    ],
)
def test_shapes_and_rates_are_those_of_table_2_1(size, shape, peak):
    found = PAGE.configuration(size)

    assert (*(found[name] for name in ("layers", "width", "heads", "head_width")), found["peak"]) == (*shape, peak)


def contradictions(page):
    found = {size: page.configuration(size) for size in SIZES}
    return [size for size, own in found.items() if own["heads"] * own["head_width"] != own["width"]]


def test_two_rows_contradict_themselves_and_none_does_once_they_are_repaired():
    assert (contradictions(PAGE), contradictions(REPAIRED)) == (["1.3B", "13B"], [])


@pytest.mark.parametrize("size", SIZES)
def test_repaired_models_have_the_parameters_that_their_names_say(size):
    own = REPAIRED.configuration(size)
    layers, width = own["layers"], own["width"]

    matrices = layers * (4 * width**2 + 2 * width * own["feed_forward"])
    parameters = matrices + (own["vocabulary"] + own["context"]) * width

    assert parameters == pytest.approx(SIZES[size], rel=0.02)


@pytest.mark.parametrize(
    ("size", "batches"),
    [("125M", [2**19]), ("1.3B", [2**20]), ("6.7B", [2**21]), ("175B", [1536 * 2048, 1600 * 2048])],
)
def test_the_batches_that_people_use_are_near_the_rounded_figures(size, batches):
    full = PAGE.configuration(size)["full"]

    assert [full.least <= batch <= full.most and batch % full.unit == 0 for batch in batches] == [True] * len(batches)


def test_the_rounded_figure_of_the_largest_model_is_no_whole_number_of_rows():
    assert PAGE.TABLE["175B"][4] / PAGE.CONTEXT == 1562.5


def test_a_first_batch_of_sixteen_rows_is_32k_tokens():
    first = PAGE.configuration("175B")["first"]

    assert [first.least <= rows * first.unit <= first.most for rows in (14, 15, 16, 17)] == [False, True, True, False]


def test_the_floor_is_a_tenth_of_the_peak_at_260_billion_of_300_billion_tokens():
    own = PAGE.configuration("175B")

    assert (own["floor"] / own["peak"], own["horizon"], own["tokens"]) == (pytest.approx(0.1), 260e9, 300e9)


def test_adam_clipping_and_decay_are_the_same_in_all_sizes():
    names = ("beta1", "beta2", "eps", "max_norm", "weight_decay", "decoupled", "warmup")

    found = {tuple(PAGE.configuration(size)[name] for name in names) for size in SIZES}

    assert found == {(0.9, 0.95, 1e-8, 1.0, 0.1, True, 375e6)}
