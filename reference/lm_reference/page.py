"""Pages: clauses, forks and forms read out of a page's docstring, and the page with other lines in it.

A page is one module. Its docstring is the specification, its tagged lines compute it:

    First line: what the method is.

        equation or sentence, on one line or several                                 (1)
        another one that is only recommended                                     (2, SHOULD)

    Source: where it is published, with version and section.
    Differs: where the page departs from the source, and why.
    Forks:
        name = first | second
            second (1): the line of code that replaces the line tagged (1)
            Where the second side is published. A side that only a check can tell apart replaces no line.
    Forms:
        (1): an honest rewriting of the line tagged (1)

and in the code the line ends in `# (1)`. Forks, forms and faults are one thing, a `Variant`: other lines
for some clauses. Reading a page imports neither the page nor torch.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TypeAlias

LEVELS = ("MUST", "SHOULD", "MAY")

_CLAUSE_END = re.compile(r"\((?P<number>\d+)(?:, (?P<level>[A-Z]+))?\)$")
_TAG = re.compile(r"#\s*(?P<numbers>\(\d+\)(?:\s*\(\d+\))*)\s*$")
_HEADING = re.compile(r"^(?P<name>Source|Differs|Forks|Forms):(?: (?P<text>.*))?$")
_FORK = re.compile(r"^(?P<name>\w+) = (?P<sides>\w+(?: \| \w+)*)$")
_SIDE = re.compile(r"^(?P<side>\w+) \((?P<number>\d+)\): (?P<code>.+)$")
_FORM = re.compile(r"^\((?P<number>\d+)\): (?P<code>.+)$")

Lines: TypeAlias = list[tuple[int, str]]  # of a docstring, with their numbers in the file


class PageError(Exception):
    """A page does not follow the form that this module's docstring describes."""


@dataclass(frozen=True)
class Clause:
    """One numbered requirement of a page."""

    page: str
    number: int
    level: str
    text: str

    @property
    def id(self) -> str:
        """The name of the clause everywhere: `optimizers.adam/5`."""
        return f"{self.page}/{self.number}"

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits that change with the clause's level or text, but not with its line breaks."""
        return hashlib.sha256(f"{self.level} {' '.join(self.text.split())}".encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Variant:
    """Other lines for some clauses of a page: a side of a fork, a form, or a fault."""

    page: str
    kind: str  # "fork", "form" or "fault"
    name: str
    lines: Mapping[int, str]  # clause number -> the statement that replaces its tagged line
    source: str = ""

    def __hash__(self) -> int:
        return hash((self.page, self.kind, self.name, tuple(self.lines.items())))


@dataclass(frozen=True)
class Fork:
    """A point where published sources disagree. `sides` starts with the page's own."""

    name: str
    sides: Mapping[str, Variant]

    @property
    def default(self) -> str:
        """The side of a trainer that declares none."""
        return next(iter(self.sides))


@dataclass(frozen=True)
class Page:
    """One published method: its clauses, and a module for every choice of lines."""

    id: str
    title: str
    path: Path
    source: str
    differs: str
    clauses: Mapping[int, Clause]
    forks: Mapping[str, Fork]
    forms: tuple[Variant, ...]
    tagged: Mapping[int, int]  # clause number -> line number, counted from 1
    text: str = field(repr=False)

    def module(self, *variants: Variant) -> ModuleType:
        """The page as a module, with the lines of all `variants` in place of its own.

        Raises:
            PageError: a variant belongs to another page, or names a clause that no line computes.

        """
        return _compiled(self.path, variants)

    def sides(self, forks: Mapping[str, str]) -> tuple[Variant, ...]:
        """The variants that a declaration of forks selects.

        Raises:
            PageError: the page has no such fork, or the fork no such side.

        """
        chosen = []
        for name, side in forks.items():
            if name not in self.forks:
                known = ", ".join(self.forks) or "none"
                raise PageError(f"{self.id} has no fork {name!r}; its forks: {known}.")
            if side not in self.forks[name].sides:
                known = ", ".join(self.forks[name].sides)
                raise PageError(f"fork {name!r} of {self.id} has no side {side!r}; its sides: {known}.")
            chosen.append(self.forks[name].sides[side])
        return tuple(variant for variant in chosen if variant.lines)


@cache
def pages() -> Mapping[str, Page]:
    """All pages by id, in alphabetical order."""
    root = Path(__file__).parent
    paths = sorted(path for path in root.glob("*/*.py") if path.name != "__init__.py")
    return MappingProxyType({f"{path.parent.name}.{path.stem}": read(path) for path in paths})


@cache
def read(path: Path) -> Page:
    """The page in the file `path`.

    Raises:
        PageError: with file and line, where the file is not a page.

    """
    text = path.read_text(encoding="utf-8")
    page_id = f"{path.parent.name}.{path.stem}"
    tree = ast.parse(text)
    docstring, raw = ast.get_docstring(tree), ast.get_docstring(tree, clean=False) or ""
    if not docstring:
        raise PageError(f"{path}:1: a page starts with a docstring.")
    leading = raw[: len(raw) - len(raw.lstrip())]
    sections = _sections(docstring, first=tree.body[0].lineno + leading.count("\n"))
    clauses = _clauses(path, page_id, sections[""])
    tagged = _tags(path, text, clauses)
    return Page(
        id=page_id,
        title=sections[""][0][1],
        path=path,
        source=_text(sections.get("Source", [])),
        differs=_text(sections.get("Differs", [])),
        clauses=clauses,
        forks=_forks(path, page_id, sections.get("Forks", []), tagged),
        forms=_forms(path, page_id, sections.get("Forms", []), tagged),
        tagged=tagged,
        text=text,
    )


def _sections(docstring: str, first: int) -> dict[str, Lines]:
    """The lines of a docstring under their headings; the part before the first heading is named ''."""
    sections: dict[str, Lines] = {"": []}
    current = ""
    for place, line in enumerate(docstring.splitlines(), start=first):
        heading = _HEADING.match(line)
        if heading:
            current = heading["name"]
            sections[current] = [(place, heading["text"])] if heading["text"] else []
        else:
            sections[current].append((place, line))
    return sections


def _text(lines: Lines) -> str:
    return " ".join(" ".join(line for _, line in lines).split())


def _clauses(path: Path, page: str, lines: Lines) -> dict[int, Clause]:
    clauses: dict[int, Clause] = {}
    pending: list[str] = []
    for place, line in lines:
        if not line.startswith("    "):
            pending = []
            continue
        pending.append(line.strip())
        end = _CLAUSE_END.search(pending[-1])
        if end is None:
            continue
        number, level = int(end["number"]), end["level"] or "MUST"
        if level not in LEVELS:
            raise PageError(f"{path}:{place}: level is {level!r}, but must be one of {', '.join(LEVELS)}.")
        if number != len(clauses) + 1:
            raise PageError(f"{path}:{place}: clause ({number}) follows ({len(clauses)}); clauses count 1, 2, 3, …")
        pending[-1] = pending[-1][: end.start()].rstrip()
        clauses[number] = Clause(page, number, level, "\n".join(pending))
        pending = []
    if not clauses:
        raise PageError(f"{path}:1: a page has at least one numbered clause.")
    return clauses


def _tags(path: Path, text: str, clauses: Mapping[int, Clause]) -> dict[int, int]:
    tagged: dict[int, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        tag = _TAG.search(line)
        if tag is None:
            continue
        for clause in map(int, re.findall(r"\d+", tag["numbers"])):
            if clause not in clauses:
                raise PageError(f"{path}:{number}: the line is tagged ({clause}), but there is no such clause.")
            if clause in tagged:
                raise PageError(f"{path}:{number}: clause ({clause}) is tagged twice.")
            tagged[clause] = number
    return tagged


def _forks(path: Path, page: str, lines: Lines, tagged: Mapping[int, int]) -> dict[str, Fork]:
    names: dict[str, list[str]] = {}
    replaced: dict[tuple[str, str], dict[int, str]] = {}
    prose: dict[tuple[str, str], list[str]] = {}
    fork = side = ""
    for place, line in ((place, line.strip()) for place, line in lines):
        if head := _FORK.match(line):
            fork, side = head["name"], ""
            names[fork] = head["sides"].split(" | ")
        elif entry := _SIDE.match(line):
            side = entry["side"]
            if side not in names.get(fork, []):
                known = ", ".join(names.get(fork, [])) or "none"
                raise PageError(f"{path}:{place}: fork {fork!r} has no side {side!r}; its sides: {known}.")
            _require_tag(f"{path}:{place}", int(entry["number"]), tagged)
            replaced.setdefault((fork, side), {})[int(entry["number"])] = entry["code"]
        elif line:
            prose.setdefault((fork, side), []).append(line)
    forks = {}
    for name, sides in names.items():
        forks[name] = Fork(
            name,
            {
                s: Variant(
                    page, "fork", f"{name} = {s}", replaced.get((name, s), {}), " ".join(prose.get((name, s), []))
                )
                for s in sides
            },
        )
    return forks


def _forms(path: Path, page: str, lines: Lines, tagged: Mapping[int, int]) -> tuple[Variant, ...]:
    forms = []
    for place, line in lines:
        if entry := _FORM.match(line.strip()):
            _require_tag(f"{path}:{place}", int(entry["number"]), tagged)
            forms.append(Variant(page, "form", entry["code"], {int(entry["number"]): entry["code"]}))
    return tuple(forms)


def _require_tag(where: str, number: int, tagged: Mapping[int, int]) -> None:
    if number not in tagged:
        raise PageError(f"{where}: a variant replaces the line of clause ({number}), but no line carries that tag.")


@cache
def _compiled(path: Path, variants: tuple[Variant, ...]) -> ModuleType:
    page = read(path)
    lines = page.text.splitlines()
    for variant in variants:
        if variant.page != page.id:
            raise PageError(f"{variant.name!r} is a variant of {variant.page}, not of {page.id}.")
        for number, code in variant.lines.items():
            _require_tag(page.id, number, page.tagged)
            index = page.tagged[number] - 1
            indent = lines[index][: len(lines[index]) - len(lines[index].lstrip())]
            lines[index] = f"{indent}{code}  # ({number})"
    label = "".join(f" [{variant.kind} {variant.name}]" for variant in variants)
    name = f"lm_reference.{page.id}{label}"
    module = ModuleType(name, page.title)
    module.__file__ = str(page.path)
    sys.modules[name] = module  # NamedTuple and dataclass look their module up
    exec(compile("\n".join(lines), f"{page.path}{label}", "exec"), module.__dict__)  # noqa: S102 a page is our own file
    return module
