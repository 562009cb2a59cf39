"""Tables and words made of reports: for the terminal, and in Markdown for publication."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from lm_reference.page import Clause, Page, pages
from lm_reference.rounding import FORMATS
from tabulate import tabulate

from lm_conformance.report import pictures
from lm_conformance.statistics import SECOND_SAMPLE

# from the worst to the best; a cell shows the worst of its rows
ORDER = ("error", "fail", "known", "fixed", "pass", "skip")
Row = Mapping[str, Any]
Document = Mapping[str, Any]


def worst(rows: Iterable[Row]) -> Row | None:
    """The row with the worst verdict, of several the one with the largest margin."""
    return min(rows, key=lambda row: (ORDER.index(row["verdict"]), -number(row["margin"])), default=None)


def number(margin: float | str | None) -> float:
    """A margin as a number."""
    return 0.0 if margin is None else float(margin)


def cell(rows: Iterable[Row]) -> str:
    """What a table says of some rows: the largest margin where all pass, else the worst verdict."""
    row = worst(rows)
    if row is None:
        return ""
    if row["verdict"] in {"pass", "fixed"}:
        return passed(row) + (" fixed" if row["verdict"] == "fixed" else "")
    if row["verdict"] == "fail" and number(row["margin"]) < float("inf"):
        return f"FAIL ×{number(row['margin']):.2g}"
    return "skip" if row["verdict"] == "skip" else str(row["verdict"]).upper() if row["verdict"] != "known" else "known"


def passed(row: Row) -> str:
    """How well a row passes: the margin, or the smallest p of its tests times their number."""
    if row["statistics"]:
        ps = [one["p"] for one in decisive(row)]
        return f"p {min(1, len(ps) * min(ps)):.2g}"
    return f"{number(row['margin']):.2f}"


def matrix_cell(rows: Sequence[Row]) -> str:
    """What the matrix says of a clause: the cell of the rows that pass, and the dtypes of those that do not."""
    text = cell(row for row in rows if row["verdict"] in {"pass", "skip"})
    for verdict in ("fixed", "known", "fail", "error"):
        found = [row for row in rows if row["verdict"] == verdict]
        if found:
            name = cell(found) if verdict == "fail" else verdict.upper() if verdict == "error" else verdict
            text += f"{', ' if text else ''}{name} {' '.join(dtypes_of(found))}"
    return text


def summary(documents: Sequence[Document], *, variants: bool = True) -> str:
    """Trainers down, areas across: how many of the clauses that could be judged pass, and how many are known or red.

    Without `variants` each report's first trainer stands for its library.
    """
    columns = [(document, one) for document in documents for one in document["trainers"][: None if variants else 1]]
    areas = list(dict.fromkeys(page.partition(".")[0] for page in pages()))
    lines = [[one["name"], *(_tally(document, one["name"], area) for area in areas)] for document, one in columns]
    return _table(["", *areas], lines)


def _tally(document: Document, trainer: str, area: str) -> str:
    """`9 of 9`; with ` (1 known)` or ` (1 FAIL)` where a row of a clause is that."""
    rows = [row for row in document["results"] if row["trainer"] == trainer]
    verdicts = []
    for page in pages().values():
        for clause in page.clauses.values() if page.id.partition(".")[0] == area else ():
            row = worst(row for row in rows if covers(row, clause))
            if row is not None and row["verdict"] != "skip":
                verdicts.append(row["verdict"])
    if not verdicts:
        return ""
    count = Counter("FAIL" if verdict in {"fail", "error"} else verdict for verdict in verdicts)
    other = ", ".join(f"{count[name]} {name}" for name in ("FAIL", "known") if count[name])
    return f"{count['pass'] + count['fixed']} of {len(verdicts)}" + (f" ({other})" if other else "")


def dtypes_of(rows: Iterable[Row]) -> list[str]:
    """The dtypes that occur, in their usual order."""
    found = {row["dtype"] for row in rows}
    return [name for name in (*FORMATS, "mixed", "any") if name in found]


def covers(row: Row, clause: Clause) -> bool:
    """Whether a row is about a clause."""
    return row["page"] == clause.page and clause.number in row["clauses"]


def counts(document: Document, trainer: str) -> str:
    """How much ran of how much, in one line."""
    rows = [row for row in document["results"] if row["trainer"] == trainer]
    verdicts = Counter(row["verdict"] for row in rows)
    ran = len(rows) - verdicts["skip"]
    words = ", ".join(
        f"{verdicts[name]} {name}" for name in ("pass", "fail", "error", "known", "fixed") if verdicts[name]
    )
    missing = next(one["not_offered"] for one in document["trainers"] if one["name"] == trainer)
    absent = f"; {len(pages()) - len(missing)} of {len(pages())} pages are offered" if missing else ""
    return f"{ran} of {len(rows)} rows ran: {words or 'nothing'}; {verdicts['skip']} skipped{absent}"


def partial(document: Document) -> str:
    """What must stand above a report that is not whole; nothing if it is."""
    if document["complete"]:
        return ""
    return f"PARTIAL: the run was not finished; {len(document['results'])} of {document['planned']} rows are here."


def clause_table(document: Document, trainer: str, page: Page) -> str:
    """Clauses down, dtypes across, for one trainer."""
    rows = [row for row in document["results"] if row["trainer"] == trainer and row["page"] == page.id]
    names = dtypes_of(rows)
    lines = [
        [clause.number, shortened(clause.text), clause.level]
        + [cell(row for row in rows if covers(row, clause) and row["dtype"] == name) for name in names]
        for clause in page.clauses.values()
        if any(covers(row, clause) for row in rows)
    ]
    return tabulate(lines, headers=["", page.id, "level", *names], tablefmt="simple", disable_numparse=True)


def shortened(text: str, width: int = 52) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def terminal(document: Document) -> Iterator[str]:
    """A run for the terminal, part by part."""
    if partial(document):
        yield partial(document)
    for trainer in document["trainers"]:
        name = trainer["name"]
        if document["results"] and not any(row["trainer"] == name for row in document["results"]):
            continue
        yield f"{name} {trainer['version']}".strip()
        for page_id, forks in trainer["forks"].items():
            page = pages()[page_id]
            if any(row["trainer"] == name and row["page"] == page_id for row in document["results"]):
                chosen = ", ".join(f"{fork} = {side}" for fork, side in forks.items())
                yield clause_table(document, name, page) + (f"\nforks: {chosen}" if chosen else "")
        yield from (failure(row) for row in document["results"] if row["trainer"] == name and is_red(row))
        yield from declared(document, name)
        yield f"{name}: {counts(document, name)}"


def is_red(row: Row) -> bool:
    """Whether a row needs explaining."""
    return row["verdict"] in {"fail", "error"}


def declared(document: Document, trainer: str) -> Iterator[str]:
    """A line for each deviation that is known, and for each that no longer is one."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for row in document["results"]:
        if row["trainer"] == trainer and row["verdict"] in {"known", "fixed"}:
            grouped.setdefault((row["verdict"], row["check"], row["reason"]), []).append(row["dtype"])
    for (verdict, check, reason), dtypes in grouped.items():
        yield f"{verdict}: {check} ({', '.join(dtypes)}): {reason}"


def failure(row: Row) -> str:
    """A failure in words: what was demanded, where it is published, what was found, what it looks like."""
    page = pages()[row["page"]]
    lines = [f"{row['verdict'].upper()} {row['trainer']} {row['check']} {row['dtype']} ({row['level']})"]
    lines += [f"  clause {n}: {' '.join(page.clauses[n].text.split())}" for n in row["clauses"]]
    lines += [f"  source: {page.source}", f"  {row['reason']}"]
    lines += [f"    {line}" for line in row["counterexample"]]
    if row["as_if"]:
        lines.append(f"  as if: {row['as_if']}")
    lines += [f"  tested: {tested(one)}" for one in decisive(row)]
    return "\n".join([*lines, f"  repeat: {row['repeat']}"])


def decisive(row: Row) -> list[Mapping[str, Any]]:
    """The tests of a row, each of the second sample where there was one."""
    return list({one["test"].removesuffix(SECOND_SAMPLE): one for one in row["statistics"]}.values())


def tested(statistic: Mapping[str, Any]) -> str:
    """One test of a hypothesis in words: its result, and what it can see."""
    result = f"{statistic['test']}, {statistic['draws']:,} draws, p {statistic['p']:.2g}"
    return f"{result}; rejected below {statistic['level']:g}; sees {statistic['detects']}"


def markdown(documents: Sequence[Document], links: Mapping[str, str] = MappingProxyType({})) -> str:
    """The matrix of several reports: clauses down, trainers across. `links` are those of `pictures.write`."""
    columns = [(document, one) for document in documents for one in document["trainers"]]
    parts = ["# Conformance of trainers", _legend()]
    parts += [
        f"**{partial(document)}** ({document['trainers'][0]['name']})" for document in documents if partial(document)
    ]
    parts += [summary(documents)]
    for page in pages().values():
        offering = [(d, one) for d, one in columns if page.id in one["forks"]]
        if offering:
            parts += _page(page, offering)
    parts += ["## What ran", _table(["trainer", "version", "rows"], _coverage(columns))]
    red = [row for document in documents for row in document["results"] if is_red(row)]
    if red:
        parts += ["## Failures", *(f"```\n{failure(row)}\n```{_picture(row, links)}" for row in red)]
    known = list(_known(documents, links))
    if known:
        parts += ["## Known deviations", *known]
    return "\n\n".join(parts) + "\n"


def _known(documents: Sequence[Document], links: Mapping[str, str]) -> Iterator[str]:
    """A paragraph for each deviation that is declared: check, reason, place in the source, and who shows it."""
    grouped: dict[tuple[str, str, str, str], list[Row]] = {}
    for document in documents:
        for row in document["results"]:
            if row["verdict"] in {"known", "fixed"}:
                reason = row["reason"].partition(" Shown by: ")[0]
                grouped.setdefault((row["verdict"], row["check"], reason, row["link"]), []).append(row)
    for (verdict, check, reason, link), rows in grouped.items():
        shown = ", ".join(
            f"{trainer} {' '.join(dtypes_of(row for row in rows if row['trainer'] == trainer))}"
            for trainer in dict.fromkeys(row["trainer"] for row in rows)
        )
        picture = next(filter(None, (_picture(row, links) for row in rows)), "")
        fixed = "" if verdict == "known" else " now passes, although it is declared"
        yield f"- `{check}`{fixed}: {reason}{f' ({link})' if link else ''} Seen in {shown}.{picture}"


def _picture(row: Row, links: Mapping[str, str]) -> str:
    link = links.get(pictures.name(row), "")
    return f"\n\n![{row['trainer']}, {row['check']}]({link})" if link else ""


def _legend() -> str:
    return (
        "The first table counts clauses: 9 of 9 means that all nine pass, in every dtype and every example. In the "
        "others, a number is the largest distance between trainer and page, in units of the rounding error's derived "
        "bound; 4 is the limit. `p` is the smallest probability that a test of what was drawn found, times the number "
        "of tests; of many rows some have a small one by chance. `FAIL ×n` is the distance where it is larger, `FAIL` "
        "where something exact is broken or a NaN came back, `ERROR` a call that raised, `known` a deviation that is "
        "declared with its reason below; the dtypes stand beside them. Empty: not offered. This page is made by "
        "`lm-conformance report`."
    )


def _page(page: Page, offering: Sequence[tuple[Document, Mapping[str, Any]]]) -> Iterator[str]:
    yield f"## {page.id}"
    yield page.title
    lines: list[list[Any]] = []
    for clause in page.clauses.values():
        cells = [
            matrix_cell([row for row in document["results"] if row["trainer"] == one["name"] and covers(row, clause)])
            for document, one in offering
        ]
        lines.append([clause.number, _escaped(shortened(clause.text, 90)), clause.level, *cells])
    yield _table(["", "clause", "level", *(f"{one['name']}" for _, one in offering)], lines)
    forks = [[fork, *(one["forks"][page.id].get(fork, "") for _, one in offering)] for fork in page.forks]
    if forks:
        yield _table(["fork", *(one["name"] for _, one in offering)], forks)


def _coverage(columns: Sequence[tuple[Document, Mapping[str, Any]]]) -> list[list[str]]:
    return [[one["name"], one["version"], counts(document, one["name"])] for document, one in columns]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("_", "\\_").replace("*", "\\*")


def _table(headers: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    return tabulate(lines, headers=list(headers), tablefmt="github", disable_numparse=True)
