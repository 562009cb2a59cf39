"""How trainers of initial weights are asked, and what failing ones look like."""

import math

import numpy as np
import pytest
import torch
from lm_conformance import initialization_runs as runs
from lm_conformance.cases.initialization import CASES
from lm_conformance.check import ANY, Target, checks
from lm_conformance.evaluate import evaluate
from lm_conformance.faults import faults
from lm_conformance.reference_trainer import Reference
from lm_conformance.trainer import Offer, Trainer
from lm_reference.page import pages

GPT2, FAN_IN, BERT, T5 = (f"initialization.{name}" for name in ("gpt2", "fan_in", "bert", "t5"))


class Drawing(Trainer):
    """The page's own draws, changed before they are handed over."""

    name = "mine"

    def __init__(self, page, change=lambda drawn: drawn, forks=None, variants=()):
        self.page, self.change, self.forks = page, change, forks or {}
        self.reference = Reference(forks={page: self.forks}, variants=variants)

    def offered(self):
        method = next(offer.method for offer in self.reference.offered() if offer.page == self.page)

        def draw(*fans, **sizes):
            return self.change(method(*fans, **sizes))

        return [Offer(self, self.page, self.forks, draw)]


def asked(name, trainer, seed=0):
    """The row of a check."""
    check = next(check for check in checks() if check.id == name)
    return evaluate(check, Target(trainer.offered()[0], ANY), seed=seed)


def with_fault(name):
    fault = next(fault for fault in faults() if fault.id == name)
    return Drawing(fault.variant.page, variants=[fault.variant])


def but(role, tensors):
    """What a trainer hands over, with other tensors for a role."""
    return lambda drawn: drawn | {role: tensors(drawn[role])}


def without(drawn, role):
    return {name: tensors for name, tensors in drawn.items() if name != role}


def first(change):
    """A change of the first tensor of a list."""
    return lambda tensors: [change(tensors[0]), *tensors[1:]]


# what is no result


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (list, "draw returned list, but must return a dictionary from roles to lists of tensors"),
        (
            lambda drawn: without(drawn, "key"),
            "draw returned no 'key'; the roles are token_embedding, query, key, value, mlp_input, position_embedding,",
        ),
        (
            lambda drawn: drawn | {"keys": drawn["key"]},
            "draw returned the role 'keys', which the page does not have; the nearest is 'key'",
        ),
        (but("key", torch.stack), "draw returned Tensor for 'key', but must return a list of tensors"),
        (but("key", lambda own: own[1:]), "draw returned 11 tensors for 'key', but must return 12"),
        (
            but("mlp_input", first(lambda W: W.T)),
            "draw returned 'mlp_input 0' with the shape (98, 392), but it must have the shape (392, 98)",
        ),
        (
            but("token_embedding", first(lambda W: torch.cat([W, W[:13]]))),
            "draw returned 'token_embedding' with the shape (1216, 98), but it must have the shape (1203, 98)",
        ),
        (
            but("gains", lambda own: own[1:]),
            "draw returned 2,352 elements for 'gains', but the vectors of the model have 2,450 in all",
        ),
        (
            but("query", first(lambda W: W.int())),
            "draw returned query as int32, but must return one of float64, float32, bfloat16, float16",
        ),
        (but("query", first(lambda W: W / 0)), "draw returned query with 9,604 elements that are infinite or NaN"),
        (but("query", first(lambda _: "W")), "draw returned str, which is no array: "),
    ],
)
def test_what_is_no_set_of_weights_is_an_error_in_one_line(change, reason):
    row = asked(f"{GPT2}/biases", Drawing(GPT2, change))

    assert (row.verdict, row.reason[: len(reason)]) == ("error", reason)
    assert "\n" not in row.reason


def test_a_trainer_that_raises_is_an_error():
    def fail(_):
        raise ValueError("no such size")

    row = asked(f"{GPT2}/seeds", Drawing(GPT2, fail))

    assert (row.verdict, row.reason) == ("error", "draw raised ValueError: no such size")


# what may be handed over


@pytest.mark.parametrize(
    "change",
    [
        lambda tensor: tensor.double(),
        lambda tensor: tensor.bfloat16(),
        lambda tensor: tensor.half(),
        lambda tensor: tensor.numpy(),
        torch.nn.Parameter,
        lambda tensor: tensor.t().contiguous().t(),
    ],
    ids=["float64", "bfloat16", "float16", "numpy", "parameter", "transposed"],
)
@pytest.mark.parametrize("check", ["feed_forward", "complete", "largest"])
def test_weights_may_have_any_format_and_layout(change, check):
    trainer = Drawing(T5, lambda drawn: {role: list(map(change, own)) for role, own in drawn.items()})

    assert asked(f"{T5}/{check}", trainer).verdict == "pass"


def test_vectors_of_constants_may_be_joined():
    trainer = Drawing(GPT2, but("gains", lambda own: [torch.cat(own).reshape(5, -1)]))

    assert asked(f"{GPT2}/gains", trainer).verdict == "pass"


def test_a_model_without_biases_is_not_asked_for_them():
    row = asked(f"{GPT2}/biases", Drawing(GPT2, but("biases", lambda _: [])))

    assert (row.verdict, row.reason) == ("skip", "its model has no biases")


def test_a_tied_head_is_not_asked_for():
    row = asked(f"{T5}/head", Drawing(T5))

    assert (row.verdict, row.reason) == ("skip", "the head is tied: it is the token table")


# what fails


def test_a_std_that_is_off_fails_with_what_was_found_and_what_could_have_been_seen():
    row = asked(f"{GPT2}/positions", with_fault(f"{GPT2}/2: std 1.5 % too large"))

    assert row.verdict == "fail"
    assert row.reason.startswith("the std of position_embedding is 0.0101")
    assert "expected 0.01 (p " in row.reason
    assert row.as_if.startswith("std 1.5 % too large (clause 2;")
    assert {one.level for one in row.statistics} == {1e-3, 5e-4}


def test_a_mistake_in_a_law_leaves_the_other_rows_green():
    trainer = with_fault(f"{GPT2}/1: std 1.5 % too large")

    verdicts = {check.name: asked(check.id, trainer).verdict for check in checks() if check.page == GPT2}

    assert {name for name, verdict in verdicts.items() if verdict != "pass"} == {"matrices"}


def test_a_fork_that_is_not_declared_is_named():
    undeclared = [pages()[GPT2].forks["residual"].sides["none"]]

    row = asked(f"{GPT2}/residual", Drawing(GPT2, variants=undeclared))

    assert row.as_if == "the fork residual = none, which the trainer does not declare"


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("gains", f"{GPT2}/5: zero"),
        ("biases", f"{GPT2}/4: drawn"),
        ("biases", f"{GPT2}/4: uniform"),
        ("complete", f"{GPT2}/6: the padding row is zero"),
        ("independent", f"{GPT2}/7: all layers have the same draws"),
        ("largest", f"{GPT2}/8: one element is 1000 std"),
        ("seeds", f"{GPT2}/9: nothing is seeded"),
    ],
)
def test_what_fails_looks_like_the_mistake_that_fails_in_the_same_place(check, fault):
    row = asked(f"{GPT2}/{check}", with_fault(fault))

    assert (row.verdict, row.as_if.split(" (clause")[0]) == ("fail", fault.partition(": ")[2])


def test_what_looks_like_no_known_mistake_is_called_none():
    row = asked(f"{GPT2}/positions", Drawing(GPT2, but("position_embedding", first(lambda W: W.abs() + W))))

    assert (row.verdict, row.as_if) == ("fail", "")


def test_constants_that_another_generator_drew_look_like_drawn_ones():
    source = torch.Generator().manual_seed(5)
    trainer = Drawing(GPT2, but("biases", lambda own: [0.02 * torch.randn(b.shape, generator=source) for b in own]))

    assert asked(f"{GPT2}/biases", trainer).as_if.startswith("drawn (clause 4;")


def test_a_copy_of_what_another_generator_drew_looks_like_the_mistake():
    source = torch.Generator().manual_seed(5)

    def copied(drawn):
        own = [0.02 * torch.randn(W.shape, generator=source) for W in drawn["query"]]
        return drawn | {"query": own, "key": [W.clone() for W in own]}

    row = asked(f"{GPT2}/independent", Drawing(GPT2, copied))

    assert row.reason.startswith("the correlation of ")
    assert row.as_if.startswith("key and query are the same (clause 7;")


def test_a_failure_of_a_law_has_a_picture_of_both_densities():
    row = asked(f"{GPT2}/residual", with_fault(f"{GPT2}/3: never scaled"))

    picture = row.picture
    step = picture.x[1] - picture.x[0]
    assert picture.across.endswith(", initial value")
    assert len(picture.x) == len(picture.expected) == len(picture.obtained) <= 200
    assert sum(picture.expected) * step == pytest.approx(1, abs=0.01)
    assert 0.5 < sum(picture.obtained) * step <= 1.0001
    assert max(picture.expected) == pytest.approx(max(picture.obtained) * 24**0.5, rel=0.1)


def test_an_infinite_element_is_a_failure_of_the_clause_about_it():
    row = asked(f"{GPT2}/largest", Drawing(GPT2, but("query", first(lambda W: W / 0))))

    assert row.verdict == "fail"
    assert row.reason.startswith("9,604 of 9,604 elements of query 0 are infinite or NaN")


def test_a_declared_padding_row_must_be_zero():
    row = asked(
        f"{BERT}/complete", Drawing(BERT, but("token_embedding", first(lambda W: W + 0.01)), {"padding": "zero"})
    )

    assert row.reason == "declared: padding = zero, but row 0 of token_embedding is not zero"


def test_a_seed_that_changes_nothing_in_one_tensor_is_named():
    kept = {}

    def keep(drawn):
        return drawn | {"value": kept.setdefault("value", drawn["value"])}

    row = asked(f"{GPT2}/seeds", Drawing(GPT2, keep))

    assert row.verdict == "fail"
    assert row.reason.endswith("value 0 is the same")


# how it is asked


@pytest.mark.parametrize("page", CASES)
def test_every_pool_is_large_enough_for_the_promised_effect(page):
    target = Target(Drawing(page).offered()[0], ANY)
    roles = {}
    for place in runs.places(target, CASES[page]):
        if runs.is_drawn(place):
            roles[place.role] = roles.get(place.role, 0) + math.prod(place.shape)

    small = {role for role, size in roles.items() if size < 107_000}
    assert small == ({"segment_embedding", "pooler", "transform", "next_sentence"} if page == BERT else set())


def test_the_seeds_of_a_row_are_different_and_small_enough_for_every_library():
    targets = [Target(Drawing(GPT2).offered()[0], ANY, seed=seed) for seed in (1, 2)]
    rows = [check for check in checks() if check.page == GPT2]

    found = [seed for target in targets for check in rows for seed in runs.seeds(check, target, 5)]

    assert len(set(found)) == 2 * len(rows) * 5
    assert 0 <= min(found) <= max(found) < 2**31 - 1


def test_the_same_seed_gives_the_same_row():
    one, two, other = (asked(f"{FAN_IN}/law", Drawing(FAN_IN), seed=seed) for seed in (5, 5, 6))

    assert one.statistics == two.statistics
    assert one.statistics != other.statistics


def test_the_draws_of_the_reference_depend_on_seed_and_number():
    page = pages()[FAN_IN].module()
    one, two = (Drawing(FAN_IN).offered()[0].method(3, 4, seed=seed) for seed in (1, 2))

    assert one.dtype == torch.float32
    assert not torch.equal(one, two)
    assert not np.isinf(one.numpy()).any()
    assert page.shape(3, 4) == tuple(one.shape)
