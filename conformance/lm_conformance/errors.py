"""What can go wrong, each with its exit code."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UsageError(Exception):
    """The command or a declaration names something that does not exist, or cannot be used: exit code 2."""


class SuiteError(Exception):
    """The suite itself failed, or nothing ran: exit code 3."""


class TrainerError(Exception):
    """The trainer broke its contract: it raised, hung, or returned something that is no result. Verdict `error`."""


class Hung(BaseException):
    """A call took longer than its time limit. Not an `Exception`, so no search repeats it to make it smaller."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the nearest known one, if any is near."""
    near = get_close_matches(name, list(known), 1, cutoff=0.5)
    return f"; the nearest is {near[0]!r}" if near else ""
