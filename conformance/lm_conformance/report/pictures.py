"""Pictures of failures that are better seen than read: the trainer's curve beside the page's, as SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm_conformance.results import write_text

FOLDER = "pictures"  # beside the Markdown that links to them


def write(documents: Sequence[Mapping[str, Any]], markdown: Path) -> dict[str, str]:
    """Draw every row that has a picture, in a folder beside `markdown`; row -> link, relative to `markdown`.

    Raises:
        UsageError: a file cannot be written.

    """
    links = {}
    for row in _drawn(documents):
        link = f"{FOLDER}/{name(row)}.svg"
        write_text(markdown.parent / link, draw(row))
        links[name(row)] = link
    return links


def name(row: Mapping[str, Any]) -> str:
    """The name of a row in files and links."""
    return re.sub(r"[^\w.]+", "-", f"{row['trainer']}-{row['check']}-{row['dtype']}").strip("-")


def _drawn(documents: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for document in documents:
        yield from (row for row in document["results"] if row["picture"] is not None)


def draw(row: Mapping[str, Any]) -> str:
    """The picture of a row as SVG; the same row gives the same text."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    picture = row["picture"]
    with rc_context({"svg.hashsalt": name(row), "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(7, 3.5), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(picture["x"], picture["expected"], label=row["page"], color="0.55", linewidth=4)
        axes.plot(picture["x"], picture["obtained"], label=row["trainer"], color="#c1272d", linewidth=1.5)
        axes.set(xlabel=picture["across"], ylabel=picture["up"], title=row["check"])
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
