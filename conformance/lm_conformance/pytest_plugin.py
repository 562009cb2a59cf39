"""The suite in an author's own test file.

    from lm_conformance.pytest_plugin import conformance_tests

    test_conformance = conformance_tests("my_trainer", "optimizers.adam")

pytest collects it like any other test, one for each row, so its own selection, workers and reports work on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lm_conformance.check import Target
from lm_conformance.errors import UsageError
from lm_conformance.evaluate import evaluate
from lm_conformance.plan import Row, find, plan
from lm_conformance.report.tables import failure
from lm_conformance.results import result, with_known

if TYPE_CHECKING:
    from collections.abc import Callable


def conformance_tests(
    trainer: str, *selectors: str, seed: int = 0, examples: float = 1.0, timeout: float = 30.0, variants: bool = False
) -> Callable[..., None]:
    """A test function with one case for each row of a trainer: an installed one, or a file that ends in .py.

    `selectors` are areas, pages, clauses or checks; `examples` multiplies the number of examples of the search,
    `timeout` is in seconds for one call. A declared deviation is an expected failure, and a row that passes although it
    is declared fails the test, so that the declaration is removed.

    Raises:
        UsageError: the trainer, a selector or a declaration does not exist or cannot be used.

    """
    made = plan([trainer], selectors, variants=variants)
    if made.problems or not made.rows:
        raise UsageError(made.problems[0] if made.problems else f"{trainer} offers none of what was asked for.")

    @pytest.mark.parametrize("row", made.rows, ids=str)
    def test_conformance(row: Row) -> None:
        __tracebackhide__ = True
        check, offer = find(row)
        verdict = evaluate(check, Target(offer, row.dtype, timeout), seed=seed, factor=examples)
        found = with_known(result(row, check, verdict, seed=seed, factor=examples), made.known)
        if found.verdict == "skip":
            pytest.skip(found.reason)
        if found.verdict == "known":
            pytest.xfail(found.reason)
        if found.verdict == "fixed":
            pytest.fail(f"{row} passes: remove it from the known deviations", pytrace=False)
        if found.verdict != "pass":
            pytest.fail(failure(vars(found)), pytrace=False)

    return test_conformance


__all__ = ["conformance_tests"]
