"""The option by which pytest, and its workers, learn the plan of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Called by pytest."""
    parser.addoption("--lm-conformance-plan", dest="lm_conformance_plan", help="JSON file with the rows of a run")
