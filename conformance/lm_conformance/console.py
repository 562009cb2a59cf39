"""The terminal: parts of a report on standard output, progress on standard error."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.theme import Theme

if TYPE_CHECKING:
    from lm_conformance.results import Result


class _Verdicts(RegexHighlighter):
    highlights = [  # noqa: RUF012 the class attribute that rich asks for
        r"(?P<bad>\b(FAIL|ERROR|PARTIAL)\b( ×[0-9.e+]+)?)",
        r"(?P<known>\b(known|fixed)\b)",
        r"(?P<dim>\bskip(ped)?\b)",
        r"(?P<bad>\b[1-9]\d* (fail|error)\b)",
    ]


_THEME = Theme({"bad": "bold red", "known": "yellow", "dim": "dim"})


def say(text: str) -> None:
    """A part of a report, with an empty line after it; coloured where a person reads it."""
    console = _Output(theme=_THEME, highlighter=_Verdicts(), soft_wrap=True)
    try:
        console.print(text, markup=False, emoji=False, end="\n\n")
    except BrokenPipeError:
        nobody_reads()


def nobody_reads() -> None:
    """Go on without standard output: its reader has gone, but the exit code still says what was found."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """In the place of an exit with code 1, which would be a verdict."""
        raise BrokenPipeError


class Progress:
    """A bar while rows run, on a terminal; elsewhere nothing.

    It keeps a standard error of its own, because the engine takes the process's away.
    """

    def __init__(self, rows: int) -> None:
        self.file = os.fdopen(os.dup(sys.stderr.fileno()), "w") if sys.stderr.isatty() else None
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bar = Bar(*columns, console=Console(file=self.file), transient=True) if self.file else None
        self.rows = rows
        self.red = 0

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.start()
            self.task = self.bar.add_task("checks", total=self.rows)
        return self

    def advance(self, result: Result) -> None:
        """One more row is there."""
        self.red += result.verdict in {"fail", "error"}
        self.step(f"{self.red} red, {result.check}" if self.red else result.check)

    def step(self, said: str) -> None:
        """One more step is done."""
        if self.bar is not None:
            self.bar.update(self.task, advance=1, description=said)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.bar is not None and self.file is not None:
            self.bar.stop()
            self.file.close()
