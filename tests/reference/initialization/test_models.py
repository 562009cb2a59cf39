"""The pages of models, `initialization.gpt2`, `.bert` and `.t5`, on published numbers."""

import pytest
import torch
from lm_reference.laws import Constant, Normal, TruncatedNormal, Uniform
from lm_reference.page import pages

GPT2, BERT, T5 = (pages()[f"initialization.{name}"] for name in ("gpt2", "bert", "t5"))
SMALL = {
    GPT2.id: {"layers": 2, "width": 6, "heads": 2, "vocabulary": 7, "positions": 5},
    BERT.id: {"layers": 2, "width": 6, "heads": 2, "feed_forward": 9, "vocabulary": 7, "positions": 5},
    T5.id: {"layers": 2, "width": 6, "heads": 2, "head_width": 4, "feed_forward": 9, "vocabulary": 7, "buckets": 8},
}
MODELS = pytest.mark.parametrize("page", [GPT2, BERT, T5], ids=lambda page: page.id)


def of(page, **forks):
    return page.module(*page.sides(forks))


def laws(page, forks=None, **sizes):
    return of(page, **(forks or {})).laws(**SMALL[page.id] | sizes)


def numbered(number, shape):
    """Noise that is the same in a whole tensor, and another in each."""
    return torch.full(shape, (number + 1) / 1000, dtype=torch.float64)


@pytest.mark.parametrize(("layers", "std"), [(12, "0.00408"), (96, "0.00144")])
def test_the_matrices_into_gpt2s_residual_stream_are_scaled_by_the_number_of_additions(layers, std):
    found = laws(GPT2, layers=layers)

    assert f"{found['attention_output'].std:.5f}" == std
    assert found["mlp_output"] == found["attention_output"]


def test_everything_else_in_gpt2_has_0_02_but_the_positions():
    found = laws(GPT2)

    assert {found[role] for role in ("token_embedding", "query", "key", "value", "mlp_input")} == {Normal(0.02)}
    assert found["position_embedding"] == Normal(0.01)


def test_gpt2s_released_code_does_not_scale():
    assert laws(GPT2, {"residual": "none"})["mlp_output"] == Normal(0.02)


def test_others_draw_gpt2s_positions_like_its_tokens():
    assert laws(GPT2, {"positions": "shared"})["position_embedding"] == Normal(0.02)


def test_the_small_gpt2_has_as_many_parameters_as_published():
    sizes = {"layers": 12, "width": 768, "heads": 12, "vocabulary": 50257, "positions": 1024}

    count = sum(torch.Size(shape).numel() for own in of(GPT2).shapes(**sizes).values() for shape in own)
    assert count == 124_439_808


def test_berts_deviation_is_0_88_of_0_02():
    found = laws(BERT)

    assert found["query"] == TruncatedNormal(0.02)
    assert f"{found['query'].std:.5f}" == "0.01759"
    assert found["query"].support == (-0.04, 0.04)


@pytest.mark.parametrize("layers", [1, 24])
def test_all_matrices_and_tables_of_bert_share_one_law_at_every_depth(layers):
    found = laws(BERT, layers=layers)

    assert len({law for role, law in found.items() if role not in {"biases", "gains"}}) == 1


def test_berts_law_is_normal_where_nothing_is_drawn_again():
    assert laws(BERT, {"law": "normal"})["pooler"] == Normal(0.02)


def test_berts_padding_row_is_zero_where_that_is_declared():
    page, sizes = of(BERT, padding="zero"), SMALL[BERT.id]

    drawn, usual = page.weights(numbered, **sizes), of(BERT).weights(numbered, **sizes)
    assert drawn["token_embedding"][0][0].tolist() == [0] * 6
    assert torch.equal(drawn["token_embedding"][0][1:], usual["token_embedding"][0][1:])
    assert torch.equal(drawn["position_embedding"][0], usual["position_embedding"][0])


def test_the_base_bert_has_as_many_parameters_as_published():
    sizes = {"layers": 12, "width": 768, "heads": 12, "feed_forward": 3072, "vocabulary": 30522, "positions": 512}

    count = sum(torch.Size(shape).numel() for own in of(BERT).shapes(**sizes).values() for shape in own)
    assert count == 110_106_428


def test_t5s_attention_has_the_published_deviations():
    found = laws(T5, width=768, heads=12, head_width=64)

    printed = {role: f"{found[role].std:.6f}" for role in ("query", "key", "value", "attention_output")}
    assert printed == {"query": "0.004511", "key": "0.036084", "value": "0.036084", "attention_output": "0.036084"}


def test_the_width_of_a_head_is_in_t5s_query_alone():
    one, other = laws(T5, heads=8, head_width=4), laws(T5, heads=4, head_width=8)

    assert {role for role in one if one[role] != other[role]} == {"query", "relative_bias"}


def test_t5s_feed_forward_is_scaled_by_each_matrixs_fan_in():
    found = laws(T5, width=16, feed_forward=64)

    assert found["feed_forward_input"] == TruncatedNormal(0.25)
    assert found["feed_forward_output"] == TruncatedNormal(0.125)


@pytest.mark.parametrize(
    ("side", "std"), [("truncated", "0.219906"), ("corrected", "0.250000"), ("normal", "0.250000")]
)
def test_the_deviation_of_t5s_feed_forward_depends_on_how_the_cut_is_read(side, std):
    found = laws(T5, {"feed_forward": side}, width=16)

    assert f"{found['feed_forward_input'].std:.6f}" == std


def test_t5s_tables_have_their_laws():
    found = laws(T5, buckets=32, heads=22)

    assert found["token_embedding"] == Normal(1.0)
    assert found["relative_bias"] == Uniform(1 / 3)


def test_t5_has_a_head_only_where_it_is_not_tied():
    tied, own = of(T5), of(T5, head="truncated")

    assert "head" not in tied.weights(numbered, **SMALL[T5.id])
    assert [tensor.shape for tensor in own.weights(numbered, **SMALL[T5.id])["head"]] == [(7, 6)]
    assert laws(T5, {"head": "truncated"}, width=16)["head"] == TruncatedNormal(0.25)
    assert laws(T5, {"head": "normal"}, width=16)["head"] == Normal(0.25)


@MODELS
def test_gains_are_one_and_biases_zero(page):
    found = laws(page)

    assert found["gains"] == Constant(1.0)
    assert found.get("biases", Constant(0.0)) == Constant(0.0)


@MODELS
def test_every_tensor_has_its_shape_and_draws_of_its_own(page):
    drawn = of(page).weights(numbered, **SMALL[page.id])

    shapes = {role: own for role, own in of(page).shapes(**SMALL[page.id]).items() if role in drawn}
    assert {role: [tuple(tensor.shape) for tensor in own] for role, own in drawn.items()} == shapes
    first = [float(tensor[0, 0]) for role, own in drawn.items() if role not in {"biases", "gains"} for tensor in own]
    assert len(set(first)) == len(first)


@MODELS
def test_every_role_has_a_law_and_shapes(page):
    module = of(page, head="truncated") if page is T5 else of(page)

    assert module.laws(**SMALL[page.id]).keys() == module.shapes(**SMALL[page.id]).keys()
