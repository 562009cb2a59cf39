"""The proof of the checks: every fault is killed by a check of its own clause, every form and fork survives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from lm_reference.page import Page, pages
from tabulate import tabulate

from lm_conformance.check import MIXED, Check, Target, checks
from lm_conformance.console import Progress
from lm_conformance.errors import UsageError, nearest
from lm_conformance.evaluate import Verdict, evaluate
from lm_conformance.faults import Fault, faults
from lm_conformance.reference_trainer import Reference
from lm_conformance.results import write_text

DTYPE = "float32"  # of the proof; the limits that the suite promises hold in float32


@dataclass(frozen=True)
class Trial:
    """One variant of a page, and what each check of the page said of it."""

    page: str
    kind: str  # fault, form or fork
    name: str
    clause: int | None  # that a fault breaks
    verdicts: Mapping[str, Verdict]  # check name -> verdict

    @property
    def killers(self) -> list[str]:
        """The names of the checks that failed; an error is no kill."""
        return [name for name, verdict in self.verdicts.items() if verdict.verdict == "fail"]

    @property
    def problem(self) -> str | None:
        """What the trial proves against the suite, if anything."""
        broken = [f"{name}: {v.reason}" for name, v in self.verdicts.items() if v.verdict == "error"]
        if self.kind != "fault":
            failed = [f"{name}: {self.verdicts[name].reason}" for name in self.killers] + broken
            return f"rejected by {'; '.join(failed)}" if failed else None
        own = {check.name for check in checks() if check.page == self.page and self.clause in check.clauses}
        if not own & set(self.killers):
            return f"survives the checks of clause {self.clause} ({', '.join(sorted(own)) or 'there is none'})"
        return None


def survivors(page: Page) -> Iterator[tuple[str, str, Reference]]:
    """Trainers that must pass: every form, and every side of every fork that lines can tell apart."""
    for form in page.forms:
        yield "form", form.name, Reference(variants=[form])
    for name, fork in page.forks.items():
        for side, variant in fork.sides.items():
            if variant.lines:
                yield "fork", f"{name} = {side}", Reference(forks={page.id: {name: side}})


def trial(
    page: str, kind: str, name: str, trainer: Reference, *, seed: int, clause: int | None = None, whole: bool = True
) -> Trial:
    """What the checks of a page say of a trainer. Slow ones are only asked of what no other has killed.

    Not `whole`, a fault is asked of no more checks once one of its own clause has killed it.
    """
    offer = next(offer for offer in trainer.offered() if offer.page == page)
    own = [check for check in checks() if check.page == page and check.at != MIXED]
    verdicts: dict[str, Verdict] = {}
    for check in sorted(own, key=lambda check: (check.slow, not whole and clause not in check.clauses)):
        killed = kind == "fault" and any(verdict.verdict == "fail" for verdict in verdicts.values())
        if killed and (check.slow or not whole):
            break
        verdicts[check.name] = evaluate(check, Target(offer, check.at or DTYPE), seed=seed, shrink=False)
    return Trial(page, kind, name, clause, verdicts)


def fault_trial(fault: Fault, *, seed: int, whole: bool = True) -> Trial:
    """What the checks say of a fault."""
    page = fault.variant.page
    trainer = Reference(forks={page: fault.forks}, variants=[fault.variant])
    return trial(page, "fault", fault.variant.name, trainer, seed=seed, clause=fault.clause, whole=whole)


def uncovered() -> list[str]:
    """Clauses that no check verifies."""
    covered = {(check.page, clause) for check in checks() for clause in check.clauses}
    return [
        clause.id
        for page in pages().values()
        for clause in page.clauses.values()
        if (page.id, clause.number) not in covered
    ]


def without_fault(faults: tuple[Fault, ...]) -> list[str]:
    """Clauses that a line computes, but that no fault breaks."""
    broken = {(fault.variant.page, fault.clause) for fault in faults}
    return [
        page.clauses[number].id
        for page in pages().values()
        for number in sorted(page.tagged)
        if (page.id, number) not in broken
    ]


def idle_checks(trials: list[Trial]) -> list[str]:
    """Checks that kill no fault, of those that were asked of one."""
    faults_tried = [one for one in trials if one.kind == "fault"]
    killers = {(one.page, name) for one in faults_tried for name in one.killers}
    asked = {(one.page, name) for one in faults_tried for name in one.verdicts}
    return [check.id for check in checks() if (check.page, check.name) in asked - killers]


def main(selectors: Sequence[str], *, seed: int, jobs: int, output: Path | None) -> int:
    """Run the proof, print what it proves against the suite, and write the kill matrix; the exit code.

    Without `output` every fault is only asked of as many checks as it takes to kill it.
    """
    whole = output is not None
    names = [*pages(), *dict.fromkeys(name.partition(".")[0] for name in pages())]
    for selector in selectors:
        if selector not in names:
            raise UsageError(f"there is no page or area {selector!r}{nearest(selector, names)}.")
    tasks = [
        task for task in _tasks() if not selectors or task[0] in selectors or task[0].partition(".")[0] in selectors
    ]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool, Progress(len(tasks)) as progress:
        trials = []
        for one in pool.map(partial(_work, seed=seed, whole=whole), tasks):
            trials.append(one)
            progress.step(f"{one.page} {one.name}")
    problems = [f"{one.page}: {one.kind} {one.name!r} {one.problem}" for one in trials if one.problem]
    if not selectors:
        problems += [f"{name} is covered by no check" for name in uncovered()]
        problems += [f"{name} is computed, but no fault breaks it" for name in without_fault(faults())]
        problems += [f"{name} kills no fault" for name in idle_checks(trials) if whole]
    if output is not None:
        write_text(output, matrix(trials))
    for problem in problems:
        print(problem)  # noqa: T201 the command line speaks
    kinds = Counter(one.kind for one in trials)
    print(f"{kinds['fault']} faults, {kinds['form']} forms, {kinds['fork']} sides of forks; {len(problems)} problems")  # noqa: T201
    return 3 if problems else 0


def _tasks() -> list[tuple[str, str, str]]:
    """Page, kind and name of everything that is tried."""
    tasks = [(fault.variant.page, "fault", fault.id) for fault in faults()]
    for page in pages().values():
        tasks += [(page.id, kind, name) for kind, name, _ in survivors(page)]
    return tasks


def _work(task: tuple[str, str, str], *, seed: int, whole: bool) -> Trial:
    page, kind, name = task
    if kind == "fault":
        return fault_trial(next(fault for fault in faults() if fault.id == name), seed=seed, whole=whole)
    return next(
        trial(page, k, n, trainer, seed=seed) for k, n, trainer in survivors(pages()[page]) if (k, n) == (kind, name)
    )


_LEGEND = f"""\
Made by `lm-conformance selftest`, with parameters in {DTYPE}. Every line is the page's own trainer with one mistake in
it. ● a check of the mistake's own clause fails, ○ another check fails. Forms and sides of forks must pass every check.
Slow checks are only asked of what no other check has killed."""


def matrix(trials: Sequence[Trial]) -> str:
    """The kill matrix in Markdown: for each page faults down, checks across."""
    parts = [
        "# Kill matrix",
        _LEGEND,
    ]
    for page in pages().values():
        own = [check for check in checks() if check.page == page.id and check.at != MIXED]
        found = [one for one in trials if one.page == page.id and one.kind == "fault"]
        if not found:
            continue
        lines = [[one.clause, one.name.replace("|", "\\|")] + [_mark(one, check) for check in own] for one in found]
        survived = [one for one in trials if one.page == page.id and one.kind != "fault"]
        parts += [
            f"## {page.id}",
            tabulate(lines, headers=["", "fault", *(c.name for c in own)], tablefmt="github", disable_numparse=True),
        ]
        parts.append("\n".join(f"- {one.kind} `{one.name}`: {one.problem or 'passes'}" for one in survived))
    return "\n\n".join(parts) + "\n"


def _mark(one: Trial, check: Check) -> str:
    if check.name not in one.killers:
        return ""
    return "●" if one.clause in check.clauses else "○"
