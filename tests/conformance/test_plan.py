"""What a run consists of."""

from collections.abc import Callable
from typing import Any

import pytest
from lm_conformance import plan
from lm_conformance.check import MIXED, checks
from lm_conformance.errors import UsageError, nearest
from lm_reference.page import pages


def test_without_selectors_every_check_is_chosen():
    assert plan.selected([]) == list(checks())


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("optimizers", lambda check: check.page.startswith("optimizers.")),
        ("optimizers.adam", lambda check: check.page == "optimizers.adam"),
        ("optimizers.adam/5", lambda check: check.page == "optimizers.adam" and 5 in check.clauses),
        ("optimizers.adam/epsilon", lambda check: check.id == "optimizers.adam/epsilon"),
    ],
)
def test_a_selector_is_an_area_a_page_a_clause_or_a_check(selector, chosen):
    found = plan.selected([selector])

    assert found == [check for check in checks() if chosen(check)]
    assert found


def test_several_selectors_choose_each_check_once_and_in_the_order_of_all():
    found = plan.selected(["optimizers.sgd", "gradients", "optimizers.sgd/2"])

    assert found == [c for c in checks() if c.page == "optimizers.sgd" or c.page.startswith("gradients.")]


@pytest.mark.parametrize("page", pages())
def test_every_clause_can_be_selected(page):
    for number in pages()[page].clauses:
        assert plan.selected([f"{page}/{number}"]), number


def test_a_clause_that_no_check_covers_cannot_be_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan, "checks", lambda: [check for check in checks() if check.name != "not_finite"])

    with pytest.raises(UsageError, match=r"no check covers gradients\.global_norm_clipping/6"):
        plan.selected(["gradients.global_norm_clipping/6"])


def test_a_check_is_asked_at_every_dtype_of_the_trainer_in_their_usual_order():
    made = plan.plan(["reference"], ["optimizers.adam/epsilon"])

    assert [row.dtype for row in made.rows] == ["float64", "float32", "bfloat16", "float16"]


def test_a_check_of_mixed_dtypes_is_asked_once_of_a_trainer_that_takes_several(trainer_file, tmp_path):
    one = plan.plan([str(tmp_path / trainer_file())], ["optimizers.sgd/mixed_dtypes"])
    several = plan.plan(["reference"], ["optimizers.sgd/mixed_dtypes"])

    assert [row.dtype for row in one.rows] == []
    assert [row.dtype for row in several.rows] == [MIXED]


def test_dtypes_choose_rows():
    made = plan.plan(
        ["reference"], ["optimizers.adam/epsilon", "optimizers.adam/mixed_dtypes"], dtypes=["float16", MIXED]
    )

    assert {(row.check, row.dtype) for row in made.rows} == {
        ("optimizers.adam/epsilon", "float16"),
        ("optimizers.adam/mixed_dtypes", MIXED),
    }


def test_pages_that_are_not_offered_are_listed(trainer_file: Callable[..., str], tmp_path: Any):
    made = plan.plan([str(tmp_path / trainer_file())])

    assert made.not_offered == {"mine": [page for page in pages() if page != "optimizers.sgd"]}


def test_a_row_is_found_again_by_its_names():
    row = plan.Row("reference", "reference", "optimizers.adam/epsilon", "float32")

    check, offer = plan.find(row)

    assert (check.id, offer.page, offer.trainer.name) == ("optimizers.adam/epsilon", "optimizers.adam", "reference")


def test_the_nearest_name_is_offered_where_one_is_near():
    assert nearest("optimizers.adm", ["optimizers.adam", "optimizers.sgd"]) == "; the nearest is 'optimizers.adam'"
    assert nearest("zzz", ["optimizers.adam"]) == ""
