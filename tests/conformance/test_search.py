"""The search: the same cases for the same seed, whatever else is loaded or configured."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from lm_conformance.search import derived_seed, search

DRAW = """
import sys
{loading}
from hypothesis import strategies as st
from lm_conformance.search import search

seen = []
search(st.tuples(st.integers(), st.floats(), st.text(max_size=4)), seen.append, seed=7, examples=80)
print(seen)
"""


def drawn(seed: int, examples: int = 40) -> list[Any]:
    """The cases of a search that finds nothing."""
    seen: list[Any] = []
    search(st.lists(st.integers()), seen.append, seed=seed, examples=examples)
    return seen


def test_the_same_seed_gives_the_same_cases():
    assert drawn(3) == drawn(3)


def test_another_seed_gives_other_cases():
    assert drawn(3) != drawn(4)


def test_a_search_takes_as_many_cases_as_it_is_told():
    assert len(drawn(3, examples=25)) == 25


def test_constants_of_loaded_modules_are_not_drawn(tmp_path: Path):
    numbers = ", ".join(str(1_000_003 * n) for n in range(1, 400))
    (tmp_path / "full_of_constants.py").write_text(f"NUMBERS = [{numbers}]\nTEXT = 'wxyz'\n", encoding="utf-8")
    loadings = ("", f"sys.path.insert(0, {str(tmp_path)!r}); import full_of_constants")

    alone, beside = (
        subprocess.run([sys.executable, "-c", DRAW.format(loading=loading)], capture_output=True, text=True, check=True)
        for loading in loadings
    )

    assert alone.stdout == beside.stdout != ""


def test_a_profile_of_the_users_changes_nothing():
    before = drawn(3)
    settings.register_profile("hasty", max_examples=1, phases=[Phase.explicit], derandomize=True)
    settings.load_profile("hasty")
    try:
        during = drawn(3)
    finally:
        settings.load_profile("default")

    assert during == before


def test_a_search_ends_with_the_error_of_the_smallest_case():
    def fail(number: int) -> None:
        if number >= 100:
            raise ValueError(number)

    with pytest.raises(ValueError, match="100") as error:
        search(st.integers(0, 10_000), fail, seed=0, examples=100)
    assert error.value.args == (100,)


def test_without_shrinking_a_search_ends_with_the_first_error():
    seen: list[int] = []

    def fail(number: int) -> None:
        seen.append(number)
        if number >= 100:
            raise ValueError(number)

    with pytest.raises(ValueError, match=r"\d+") as error:
        search(st.integers(0, 10_000), fail, seed=0, examples=100, shrink=False)
    first = next(number for number in seen if number >= 100)
    assert error.value.args == (first,)


def test_a_search_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ZeroDivisionError):
        search(st.integers(), lambda number: 1 // (number - number), seed=0, examples=10)

    assert list(tmp_path.rglob("*")) == []


def test_the_seed_of_a_row_depends_on_the_seed_of_the_run_and_on_every_name():
    seeds = {
        derived_seed(0, "optimizers.adam/epsilon", "float32"),
        derived_seed(1, "optimizers.adam/epsilon", "float32"),
        derived_seed(0, "optimizers.adam/updates", "float32"),
        derived_seed(0, "optimizers.adam/epsilon", "float64"),
        derived_seed(0, "optimizers.adam/epsilonfloat32"),
        derived_seed(0, "optimizers.adam/epsilon", "float32", ""),
    }

    assert len(seeds) == 6


def test_the_seed_of_a_row_is_the_same_in_every_process():
    code = (
        "from lm_conformance.search import derived_seed; print(derived_seed(5, 'optimizers.adam/epsilon', 'float32'))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert int(done.stdout) == derived_seed(5, "optimizers.adam/epsilon", "float32")
