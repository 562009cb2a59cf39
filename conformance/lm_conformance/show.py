"""What there is to know of a page, a clause or a check, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from lm_reference.page import Clause, pages

from lm_conformance.check import Check, checks
from lm_conformance.errors import UsageError, nearest
from lm_conformance.faults import Fault, faults_of


def page(name: str) -> str:
    """A page: its text, its checks, and the clauses that none of them covers."""
    found = pages()[name]
    own = [check for check in checks() if check.page == name]
    covered = {number for check in own for number in check.clauses}
    missing = [clause for clause in found.clauses.values() if clause.number not in covered]
    parts = [_docstring(name), "Checks:", *(_check_line(check) for check in own)]
    if missing:
        parts += ["Not covered:", *(f"    {clause.id}" for clause in missing)]
    return "\n".join([*parts, "", f"Code: {found.path}"])


def _docstring(name: str) -> str:
    text = pages()[name].text
    return text[text.index('"""') + 3 :].partition('"""')[0]


def clause(name: str, number: int) -> str:
    """A clause: its text, source, line of code, forks, forms, checks and faults.

    Raises:
        UsageError: the page has no such clause.

    """
    found = pages()[name]
    if number not in found.clauses:
        raise UsageError(f"{name} has no clause {number}: its clauses are 1 to {len(found.clauses)}.")
    one: Clause = found.clauses[number]
    lines = [
        f"{one.id} ({one.level}, {one.hash})",
        "",
        textwrap.indent(one.text, "    "),
        "",
        f"Source: {found.source}",
    ]
    if number in found.tagged:
        lines += ["", "Line:", f"    {found.text.splitlines()[found.tagged[number] - 1].strip()}"]
    sides = [
        f"    {side.name}: {side.lines[number]}"
        for fork in found.forks.values()
        for side in fork.sides.values()
        if number in side.lines
    ]
    forms = [f"    {form.lines[number]}" for form in found.forms if number in form.lines]
    lines += _titled("Forks:", sides) + _titled("Forms:", forms)
    lines += _titled(
        "Checks:", (_check_line(check) for check in checks() if check.page == name and number in check.clauses)
    )
    lines += _titled("Faults:", (_fault_line(fault) for fault in faults_of(name) if fault.clause == number))
    return "\n".join(lines)


def row_check(name: str, part: str) -> str:
    """A check: its sentence, its clauses, and the faults of these.

    Raises:
        UsageError: there is no such check.

    """
    own = {check.id: check for check in checks() if check.page == name}
    identity = f"{name}/{part}"
    if identity not in own:
        raise UsageError(f"{name} has no check {part!r}{nearest(identity, own)}.")
    check = own[identity]
    lines = [f"{check.id} ({check.level})", "", f"    {check.title}", "", "Clauses:"]
    lines += [f"    {n}: {' '.join(pages()[name].clauses[n].text.split())}" for n in check.clauses]
    faults = (_fault_line(fault) for fault in faults_of(name) if fault.clause in check.clauses)
    return "\n".join(lines + _titled("Faults of these clauses:", faults))


def _titled(title: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return ["", title, *found] if found else []


def _check_line(check: Check) -> str:
    return f"    {check.id}  {list(check.clauses)}  {check.title}"


def _fault_line(fault: Fault) -> str:
    return f"    {fault.variant.name} ({fault.variant.source})"
