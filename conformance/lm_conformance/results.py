"""Results as data: one JSON document for a run, under the schema in `report/schema.json`."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm_reference.page import pages

import lm_conformance
from lm_conformance.errors import UsageError

if TYPE_CHECKING:
    from lm_conformance.check import Check
    from lm_conformance.evaluate import Verdict
    from lm_conformance.known import Known
    from lm_conformance.plan import Plan, Row

FORMAT = 1  # of the document
SCHEMA = Path(__file__).parent / "report" / "schema.json"


@dataclass(frozen=True)
class Result:
    """One row of a report."""

    trainer: str
    page: str
    check: str
    clauses: list[int]
    level: str
    dtype: str
    verdict: str  # pass, fail, known, fixed, error or skip
    examples: int
    conclusive: int
    margin: float | str | None  # in units of the bound; "inf" where something exact is broken
    reason: str = ""
    as_if: str = ""
    counterexample: list[str] = field(default_factory=list)
    repeat: str = ""
    link: str = ""  # of a known deviation
    seconds: float = 0.0
    statistics: list[dict[str, Any]] = field(default_factory=list)
    picture: dict[str, Any] | None = None


def result(row: Row, check: Check, verdict: Verdict, *, seed: int, factor: float) -> Result:
    """The result of a row, before known deviations are taken into account."""
    margin = verdict.margin
    repeat = f"lm-conformance run {_quoted(row)} {row.check} --dtype {row.dtype} --seed {seed}"
    if factor != 1:
        repeat += f" --examples {factor:g}"
    return Result(
        trainer=row.trainer,
        page=check.page,
        check=check.id,
        clauses=list(check.clauses),
        level=check.level,
        dtype=row.dtype,
        verdict=verdict.verdict,
        examples=verdict.examples,
        conclusive=verdict.conclusive,
        margin="inf" if margin is not None and math.isinf(margin) else margin,
        reason=verdict.reason,
        as_if=verdict.as_if,
        counterexample=list(verdict.counterexample),
        repeat=repeat if verdict.verdict in {"fail", "error"} else "",
        seconds=round(verdict.seconds, 3),
        statistics=[asdict(statistic) for statistic in verdict.statistics],
        picture=None if verdict.picture is None else asdict(verdict.picture),
    )


def _quoted(row: Row) -> str:
    name = row.plugin if row.plugin.endswith(".py") else row.trainer
    return f"'{name}'" if "[" in name else name


def with_known(one: Result, entries: Sequence[Known]) -> Result:
    """The result, with `known` for a failure that is declared and `fixed` for a declared one that passes."""
    for entry in entries:
        if not entry.concerns(one.trainer, one.check, one.dtype):
            continue
        if one.verdict == "pass":
            return Result(**(asdict(one) | {"verdict": "fixed", "reason": f"declared as known: {entry.reason}"}))
        if one.verdict in {"fail", "error"} and entry.shows in one.reason:
            reason = f"{entry.reason} Shown by: {one.reason}"
            return Result(**(asdict(one) | {"verdict": "known", "reason": reason, "link": entry.link}))
    return one


@dataclass
class Report:
    """A run: what was asked, and the rows so far."""

    header: dict[str, Any]
    results: list[Result] = field(default_factory=list)
    complete: bool = False

    def document(self) -> dict[str, Any]:
        """The report as plain data."""
        return (
            {"format": FORMAT, "complete": self.complete} | self.header | {"results": [asdict(r) for r in self.results]}
        )

    def write(self, path: Path) -> None:
        """Write the report as JSON.

        Raises:
            UsageError: the file cannot be written.

        """
        write_text(path, json.dumps(self.document(), indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file; one of that name is replaced as a whole or not at all.

    Raises:
        UsageError: it cannot be written.

    """
    if not path.name:
        raise UsageError(f"{str(path)!r} cannot be written: it names no file.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror}.") from error


def header(made: Plan, selectors: Sequence[str], *, seed: int, factor: float) -> dict[str, Any]:
    """What stands above the rows."""
    from importlib.metadata import version

    return {
        "suite": lm_conformance.__version__,
        "environment": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "torch": version("torch"),
        },
        "seed": seed,
        "example_factor": factor,
        "selectors": list(selectors),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "planned": len(made.rows),
        "problems": made.problems,
        "trainers": [
            {
                "name": name,
                "version": trainer.version,
                "precisions": {dtype: _precision(p) for dtype, p in trainer.precisions.items()},
                "forks": {offer.page: offer.forks for offer in trainer.offered() if offer.problem() is None},
                "not_offered": made.not_offered[name],
            }
            for name, trainer in made.trainers.items()
        ],
    }


def _precision(precision: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(precision).items() if value}


def read(path: Path) -> dict[str, Any]:
    """A report from a file, valid under the schema.

    Raises:
        UsageError: there is none, or it is none.

    """
    import jsonschema

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"the report {str(path)!r} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{str(path)!r} is no report: it is no JSON ({error}).") from error
    except jsonschema.ValidationError as error:
        where = "/".join(map(str, error.absolute_path)) or "its top level"
        raise UsageError(f"{str(path)!r} is no report: at {where}, {error.message[:200]}.") from error
    about: list[tuple[str, list[int]]] = [(page, []) for one in document["trainers"] for page in one["forks"]]
    for page, clauses in [*about, *((row["page"], row["clauses"]) for row in document["results"])]:
        if page not in pages() or any(number not in pages()[page].clauses for number in clauses):
            own = lm_conformance.__version__
            raise UsageError(f"{str(path)!r} is about clauses of {page} that version {own} does not have.")
    return dict(document)
