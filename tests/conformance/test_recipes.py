"""How configurations are compared with a recipe."""

import pytest
from lm_conformance.check import ANY, Target, checks
from lm_conformance.evaluate import evaluate
from lm_conformance.reference_trainer import Reference
from lm_conformance.trainer import Trainer, offers

PAGE = "recipes.gpt3"


def verdict_of(check, change, **forks):
    """The verdict of a check on the page's configurations, each of which `change` makes another."""
    page = next(offer.method for offer in Reference().offered() if offer.page == PAGE)

    class Mine(Trainer):
        name = "mine"

        @offers(PAGE, **forks)
        def gpt3(self, size):
            return change(size, page(size))

    one = next(one for one in checks() if one.id == f"{PAGE}/{check}")
    return evaluate(one, Target(Mine().offered()[0], ANY), seed=0)


def test_one_wrong_number_of_one_size_is_named():
    found = verdict_of("peak", lambda size, own: own | ({"peak": 6e-4} if size == "175B" else {}))

    assert (found.verdict, found.reason) == ("fail", "peak of 175B is 0.0006, expected 6e-05")
    assert found.as_if.startswith("6e-4 for 0.6e-4")


def test_a_repair_that_is_not_declared_is_named():
    found = verdict_of("heads_of_1_3B", lambda size, own: own | ({"heads": 16} if size == "1.3B" else {}))

    assert found.as_if == "the fork heads_of_1_3B = 16, which the trainer does not declare"


def test_a_repair_that_is_declared_passes():
    def repair(size, own):
        return own | ({"heads": 16} if size == "1.3B" else {})

    assert verdict_of("heads_of_1_3B", repair, heads_of_1_3B="16").verdict == "pass"


@pytest.mark.parametrize(
    ("full", "verdict"), [(2**19, "pass"), (float(2**19), "pass"), (500_000, "fail"), (2**18, "fail"), ("0.5M", "fail")]
)
def test_a_batch_is_near_the_rounded_figure_and_in_whole_rows(full, verdict):
    found = verdict_of("batch", lambda size, own: own | ({"full": full} if size == "125M" else {}))

    assert found.verdict == verdict


@pytest.mark.parametrize(("eps", "verdict"), [(1e-8, "pass"), (1.0000001e-8, "fail"), (True, "fail"), (None, "fail")])
def test_a_number_is_that_of_the_page(eps, verdict):
    assert verdict_of("adam", lambda size, own: own | {"eps": eps}).verdict == verdict  # noqa: ARG005


@pytest.mark.parametrize(("packed", "verdict"), [(True, "pass"), (1, "fail"), ("yes", "fail")])
def test_what_is_true_or_false_is_no_number(packed, verdict):
    assert verdict_of("packing", lambda size, own: own | {"packed": packed}).verdict == verdict  # noqa: ARG005


def test_sizes_that_the_trainer_lacks_are_left_out():
    found = verdict_of("peak", lambda size, own: own if size == "175B" else None)

    assert found.verdict == "pass"


def test_without_any_size_the_row_is_skipped():
    found = verdict_of("width_of_13B", lambda size, own: own if size == "175B" else None)

    assert (found.verdict, found.reason) == ("skip", "it has none of the sizes 13B")


@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        ({}, "gpt3('125M') has no 'context', but must have context"),
        ("GPT-3", "gpt3('125M') returned str, but must return a dictionary"),
    ],
)
def test_what_is_no_configuration_is_an_error(configuration, reason):
    found = verdict_of("context", lambda size, own: configuration)  # noqa: ARG005

    assert (found.verdict, found.reason) == ("error", reason)
