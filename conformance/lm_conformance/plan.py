"""What a run consists of: rows, in an order that depends on nothing but their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from lm_reference.page import pages
from lm_reference.rounding import FORMATS

from lm_conformance import known, loading
from lm_conformance.check import ANY, MIXED, Check, checks
from lm_conformance.errors import UsageError, nearest
from lm_conformance.known import Known
from lm_conformance.trainer import Offer, Trainer

DTYPES = (*FORMATS, MIXED, ANY)


@dataclass(frozen=True)
class Row:
    """A check, asked of one trainer's offer at one dtype. Plain names, so that a worker can find it again."""

    plugin: str
    trainer: str
    check: str
    dtype: str

    def __str__(self) -> str:
        return f"{self.trainer} {self.check} {self.dtype}"


@dataclass
class Plan:
    """The rows of a run, and what could not be planned."""

    rows: list[Row] = field(default_factory=list)
    trainers: dict[str, Trainer] = field(default_factory=dict)  # by name
    known: list[Known] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # plugins that do not load, offers of unknown pages: a line each
    not_offered: dict[str, list[str]] = field(default_factory=dict)  # trainer -> pages


def plan(
    names: Sequence[str], selectors: Sequence[str] = (), *, dtypes: Sequence[str] = (), variants: bool = False
) -> Plan:
    """The rows of some trainers, as far as selectors (area, page, clause or check) and dtypes choose them.

    Raises:
        UsageError: a selector or dtype does not exist.

    """
    chosen = selected(selectors)
    for dtype in dtypes:
        if dtype not in DTYPES:
            raise UsageError(f"there is no dtype {dtype!r}{nearest(dtype, DTYPES)}. Dtypes: {', '.join(DTYPES)}.")
    made = Plan()
    for name in dict.fromkeys(names):
        try:
            plugin = plugin_of(loading.plugin_name(name))
            trainers = loading.select(plugin, name, variants=variants)
            made.known += known.read(
                plugin.known_file,
                checks=[check.id for check in checks()],
                dtypes=DTYPES,
                trainers={trainer.name.partition("[")[0] for trainer in plugin.trainers},
            )
        except UsageError as error:
            made.problems.append(str(error))
            continue
        for trainer in trainers:
            other = made.trainers.setdefault(trainer.name, trainer)
            if other is not trainer:
                made.problems.append(f"{name} has another trainer {trainer.name!r}; only the first is run.")
            elif trainer.name not in made.not_offered:
                _add(made, plugin.name, trainer, chosen, dtypes)
    return made


def _add(made: Plan, plugin: str, trainer: Trainer, chosen: Sequence[Check], dtypes: Sequence[str]) -> None:
    offered = set()
    for offer in trainer.offered():
        problem = offer.problem()
        if problem is not None:
            made.problems.append(f"{trainer.name}: {problem}")
            continue
        offered.add(offer.page)
        for check in chosen:
            if check.page == offer.page:
                made.rows += [
                    Row(plugin, trainer.name, check.id, dtype)
                    for dtype in _dtypes(check, trainer)
                    if not dtypes or dtype in dtypes
                ]
    made.not_offered[trainer.name] = [page for page in pages() if page not in offered]


def _dtypes(check: Check, trainer: Trainer) -> list[str]:
    """A check of mixed dtypes is asked of trainers that take more than one; one without dtypes of every trainer."""
    names = [name for name in FORMATS if name in trainer.precisions]
    if check.at == MIXED:
        return [MIXED] if len(names) > 1 else []
    return [ANY] if check.at == ANY else names


def selected(selectors: Sequence[str]) -> list[Check]:
    """The checks that some selectors mean; all where there are none.

    Raises:
        UsageError: a selector means none.

    """
    if not selectors:
        return list(checks())
    chosen: dict[str, Check] = {}
    for selector in selectors:
        found = [check for check in checks() if _matches(selector, check)]
        if not found:
            raise UsageError(_nothing(selector))
        chosen |= {check.id: check for check in found}
    return [check for check in checks() if check.id in chosen]


def _matches(selector: str, check: Check) -> bool:
    page, _, part = selector.partition("/")
    if part.isdecimal():
        return page == check.page and int(part) in check.clauses
    return selector in (check.id, check.page, check.page.partition(".")[0])


def _nothing(selector: str) -> str:
    page, _, part = selector.partition("/")
    if page not in pages():
        areas = {name.partition(".")[0] for name in pages()}
        return f"there is no page {page!r}{nearest(page, [*pages(), *areas])}. `lm-conformance list` shows them."
    if not part.isdecimal():
        own = [check.id for check in checks() if check.page == page]
        return f"{page} has no check {part!r}{nearest(selector, own)}. `lm-conformance show {page}` shows them."
    count = len(pages()[page].clauses)
    if not 1 <= int(part) <= count:
        return f"{page} has no clause {part}: its clauses are 1 to {count}. `lm-conformance show {page}` shows them."
    return f"no check covers {selector}."


@cache
def plugin_of(name: str) -> loading.Plugin:
    """The plugin of a name, or of a file, loaded once."""
    return loading.load(name)


def find(row: Row) -> tuple[Check, Offer]:
    """The check and the offer of a row."""
    trainer = next(one for one in plugin_of(row.plugin).trainers if one.name == row.trainer)
    check = next(one for one in checks() if one.id == row.check)
    return check, next(offer for offer in trainer.offered() if offer.page == check.page)
