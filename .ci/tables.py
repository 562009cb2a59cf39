"""Make reports/README.md of the libraries' reports, and the tables of README.md and CONTRIBUTING.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from lm_conformance.report.tables import number, summary
from lm_conformance.results import read
from lm_reference.rounding import FORMATS
from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[1]


def put(path: Path, name: str, table: str) -> None:
    """Replace what stands between the two marks of a table."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    text = path.read_text(encoding="utf-8")
    made = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{table}\n\n{end}", text, flags=re.DOTALL)
    path.write_text(made, encoding="utf-8")


def margins(documents: list[dict]) -> str:
    """The largest margin of the rows that pass, library by library and dtype by dtype."""
    lines = []
    for document in documents:
        cells = []
        for dtype in FORMATS:
            rows = [row for row in document["results"] if row["verdict"] == "pass" and row["dtype"] == dtype]
            cells.append(f"{max(number(row['margin']) for row in rows):.2f}" if rows else "")
        lines.append([document["trainers"][0]["name"], *cells])
    return tabulate(lines, headers=["", *FORMATS], tablefmt="github", disable_numparse=True)


def main() -> int:
    """Write the three files; the exit code of the report."""
    files = sorted((ROOT / "reports").glob("*.json"))
    command = [sys.executable, "-m", "lm_conformance.cli", "report", *map(str, files), "--format", "markdown"]
    code = subprocess.call([*command, "--output", str(ROOT / "reports" / "README.md")])  # noqa: S603 our own command
    documents = [read(file) for file in files]
    put(ROOT / "README.md", "table", summary(documents, variants=False))
    put(ROOT / "CONTRIBUTING.md", "margins", margins(documents))
    return code


if __name__ == "__main__":
    sys.exit(main())
