"""Known deviations: failures that a plugin's author declares, with the reason.

They stand in `<module>.known.toml` beside the plugin's module, or in `known.toml` in its package:

    [[known]]
    trainers = ["torch", "torch[foreach]"]
    check = "optimizers.adam/default_epsilon"
    dtypes = ["float16"]
    shows = "NaN"
    reason = "ε = 1e-8 is zero in float16, so a zero gradient gives 0 / 0."
    link = "torch/optim/adam.py, line 505, torch 2.13.0"

An entry turns a `fail` or `error` of these rows into `known`, but only while the row's reason contains `shows`: another
failure of the same row stays red. Where a row passes, the entry is `fixed` and should be removed. A trainer may be one
that this machine lacks, such as `torch[cuda]`, but must be one of the plugin's.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm_conformance.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection

_FIELDS = {"trainers": list, "check": str, "dtypes": list, "shows": str, "reason": str, "link": str}


@dataclass(frozen=True)
class Known:
    """One declared deviation."""

    trainers: tuple[str, ...]
    check: str
    dtypes: tuple[str, ...]
    shows: str
    reason: str
    link: str

    def concerns(self, trainer: str, check: str, dtype: str) -> bool:
        """Whether the entry is about this row."""
        return trainer in self.trainers and check == self.check and dtype in self.dtypes


def read(path: Path, *, checks: Collection[str], dtypes: Collection[str], trainers: Collection[str]) -> list[Known]:
    """The entries of a file; none if there is no file.

    Raises:
        UsageError: the file cannot be read, or names a check, dtype or trainer that does not exist.

    """
    if not path.exists():
        return []
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    entries = tables.pop("known", [])
    if tables or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        found = next(iter(tables), "known")
        raise UsageError(f"{path.name} has {found!r}, but must consist of [[known]] tables alone.")
    return [_entry(path, number, entry, checks, dtypes, trainers) for number, entry in enumerate(entries, start=1)]


def _entry(
    path: Path,
    number: int,
    entry: dict[str, Any],
    checks: Collection[str],
    dtypes: Collection[str],
    trainers: Collection[str],
) -> Known:
    where = f"{path.name}, entry {number}"
    for name in entry:
        if name not in _FIELDS:
            raise UsageError(f"{where}: {name!r} is no field{nearest(name, _FIELDS)}.")
    for name, kind in _FIELDS.items():
        if not isinstance(entry.get(name), kind) or not entry[name]:
            raise UsageError(f"{where}: {name} is {entry.get(name)!r}, but must be a {kind.__name__} and not empty.")
    for name, values, existing in (
        ("check", [entry["check"]], checks),
        ("dtype", entry["dtypes"], dtypes),
        ("trainer", [str(trainer).partition("[")[0] for trainer in entry["trainers"]], trainers),
    ):
        for value in values:
            if value not in existing:
                raise UsageError(f"{where}: there is no {name} {value!r}{nearest(str(value), existing)}.")
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    return Known(**fields)
