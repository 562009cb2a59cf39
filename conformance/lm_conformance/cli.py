"""The command line: run, list, show, report, selftest."""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lm_reference.page import PageError, pages

import lm_conformance
from lm_conformance.errors import SuiteError, UsageError, nearest

if TYPE_CHECKING:
    from lm_conformance.results import Result

EPILOG = """\
exit codes:
  0  every MUST passes, or is a known deviation
  1  a MUST fails
  2  wrong use, or a plugin that cannot be used
  3  nothing ran, or the suite itself failed

examples:
  lm-conformance run torch                        everything that the trainer offers
  lm-conformance run my_trainer.py                a file with a hookimpl, nothing to package
  lm-conformance run torch optimizers.adam/5      one clause
  lm-conformance run torch optimizers.adam/epsilon --dtype float32
  lm-conformance report reports/*.json            the matrix, clauses down and trainers across
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `lm-conformance`; returns the exit code."""
    parser = _parser()
    parsed, rest = parser.parse_known_args(arguments)
    if any(word.startswith("-") for word in rest) or (rest and not hasattr(parsed, "selectors")):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        parsed.selectors += rest  # argparse takes no more of them once an option has come
    try:
        code = int(parsed.command(parsed))
        sys.stdout.flush()
    except (UsageError, PageError) as error:
        return _complain(error, 2)
    except SuiteError as error:
        return _complain(error, 3)
    except KeyboardInterrupt:
        return _complain("interrupted.", 3)
    except BrokenPipeError:
        from lm_conformance.console import nobody_reads

        nobody_reads()
        return 0
    return code


def _complain(error: object, code: int) -> int:
    print(f"lm-conformance: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lm-conformance",
        description="Does this trainer compute what the papers say?",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lm-conformance {lm_conformance.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="check a trainer", description="Check trainers against the pages they offer.")
    run.add_argument("trainer", metavar="TRAINER", help="an installed trainer, as listed, or a .py file")
    run.add_argument(
        "selectors", metavar="WHAT", nargs="*", help="areas, pages, clauses (optimizers.adam/5) or checks; default: all"
    )
    run.add_argument("--also", metavar="TRAINER", action="append", default=[], help="another trainer in the same run")
    run.add_argument("--variants", action="store_true", help="all trainers of the plugin: torch, torch[foreach], …")
    run.add_argument(
        "--dtype", metavar="D", action="append", default=[], help="only parameters of this dtype; repeatable"
    )
    run.add_argument("--seed", type=int, help="of the search; default: a fresh one, which is printed")
    run.add_argument("--examples", type=float, default=1.0, metavar="X", help="multiply the number of examples by X")
    run.add_argument(
        "--timeout", type=float, default=30.0, metavar="S", help="seconds for one call of the trainer (30)"
    )
    run.add_argument("--jobs", type=int, metavar="N", help="processes; default: one for each core in longer runs")
    run.add_argument("--output", type=Path, metavar="FILE", help="write the report as JSON")
    run.set_defaults(command=_run)

    listing = commands.add_parser("list", help="the pages and the installed trainers")
    listing.set_defaults(command=_list)

    show = commands.add_parser("show", help="a page, clause or check: its text, source, forks, checks and faults")
    show.add_argument("name", metavar="NAME", help="optimizers.adam, optimizers.adam/5 or optimizers.adam/epsilon")
    show.set_defaults(command=_show)

    report = commands.add_parser("report", help="tables of one or several JSON reports")
    report.add_argument("files", type=Path, nargs="+", metavar="FILE", help="reports that `run --output` wrote")
    report.add_argument("--format", choices=("terminal", "markdown"), default="terminal")
    report.add_argument(
        "--output", type=Path, metavar="FILE", help="write there instead of standard output; pictures beside it"
    )
    report.set_defaults(command=_report)

    selftest = commands.add_parser("selftest", help="prove the checks: faults are killed, forms and forks survive")
    selftest.add_argument("selectors", metavar="WHAT", nargs="*", help="areas or pages; default: all")
    selftest.add_argument("--seed", type=int, default=0)
    selftest.add_argument("--jobs", type=int, metavar="N", help="processes; default: one for each core")
    selftest.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write the kill matrix as Markdown, for which every check is asked; takes three times as long",
    )
    selftest.set_defaults(command=_selftest)
    return parser


def _run(parsed: argparse.Namespace) -> int:
    from lm_conformance import results
    from lm_conformance.console import Progress, say
    from lm_conformance.plan import plan
    from lm_conformance.report import tables
    from lm_conformance.run import run

    if not 0 < parsed.examples < math.inf:
        raise UsageError(f"--examples is {parsed.examples:g}, but must be a number above 0.")
    if not 0 < parsed.timeout <= LONGEST:
        raise UsageError(f"--timeout is {parsed.timeout:g}, but must be above 0 and at most {LONGEST} seconds.")
    seed = parsed.seed if parsed.seed is not None else random.SystemRandom().randrange(2**32)
    output = parsed.output and parsed.output.absolute()  # a trainer may go to another folder
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    made = plan([parsed.trainer, *parsed.also], parsed.selectors, dtypes=parsed.dtype, variants=parsed.variants)
    for problem in made.problems:
        print(f"lm-conformance: {problem}", file=sys.stderr)
    if not made.rows:
        if made.problems:
            return 2
        raise SuiteError("nothing to run: the trainer offers none of what was asked for.")
    report = results.Report(results.header(made, parsed.selectors, seed=seed, factor=parsed.examples))
    jobs = _jobs(parsed, short=len(made.rows) <= MANY_ROWS)
    try:
        with Progress(len(made.rows)) as progress:
            run(
                made,
                report,
                seed=seed,
                factor=parsed.examples,
                timeout=parsed.timeout,
                jobs=jobs,
                output=output,
                on_result=progress.advance,
            )
    finally:
        for part in tables.terminal(report.document()):
            say(part)
        say(f"seed {seed}; {len(report.results)} of {len(made.rows)} rows")
    return exit_code(report.results, problems=bool(made.problems))


MANY_ROWS = 60  # from here on, starting workers pays
LONGEST = 24 * 60 * 60  # seconds; timers refuse what is far beyond, which would look like an error of the trainer


def _jobs(parsed: argparse.Namespace, *, short: bool = False) -> int:
    if parsed.jobs is not None and parsed.jobs < 1:
        raise UsageError(f"--jobs is {parsed.jobs}, but must be at least 1.")
    return parsed.jobs or (1 if short else os.cpu_count() or 1)


def exit_code(rows: Sequence[Result], *, problems: bool) -> int:
    """0, 1, 2 or 3, as the help says."""
    if any(row.level == "MUST" and row.verdict in {"fail", "error"} for row in rows):
        return 1
    if problems:
        return 2
    return 3 if all(row.verdict == "skip" for row in rows) else 0


def _list(parsed: argparse.Namespace) -> int:  # noqa: ARG001 every command has this signature
    from lm_conformance.loading import installed

    print("pages")
    for page in pages().values():
        print(f"  {page.id:<36} {len(page.clauses):>2} clauses  {page.title}")
    print("\ntrainers")
    for name, point in installed().items():
        print(f"  {name:<36} {point.dist.name if point.dist else ''} {point.dist.version if point.dist else ''}")
    return 0


def _show(parsed: argparse.Namespace) -> int:
    from lm_conformance.show import clause, page, row_check

    name, _, part = parsed.name.partition("/")
    if name not in pages():
        raise UsageError(f"there is no page {name!r}{nearest(name, pages())}. `lm-conformance list` shows them.")
    text = page(name) if not part else clause(name, int(part)) if part.isdecimal() else row_check(name, part)
    print(text)
    return 0


def _report(parsed: argparse.Namespace) -> int:
    from lm_conformance.console import say
    from lm_conformance.report import pictures, tables
    from lm_conformance.results import read, write_text

    documents = [read(path) for path in parsed.files]
    if parsed.format == "markdown":
        text = tables.markdown(documents, pictures.write(documents, parsed.output) if parsed.output else {})
    else:
        text = "\n\n".join(part for document in documents for part in tables.terminal(document)) + "\n"
    if parsed.output is None:
        say(text.rstrip("\n"))
        return 0
    write_text(parsed.output, text)
    return 0


def _selftest(parsed: argparse.Namespace) -> int:
    from lm_conformance.selftest import main as prove

    return prove(parsed.selectors, seed=parsed.seed, jobs=_jobs(parsed), output=parsed.output)


if __name__ == "__main__":
    sys.exit(main())
