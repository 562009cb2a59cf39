"""Count false alarms: full runs of conforming trainers with fresh seeds, in which no row may be red.

python benchmarks/false_alarms.py --runs 25 torch 'torch[foreach]' reference
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    """Run, print a line for each run, and fail where a row was red."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainers", nargs="+")
    parser.add_argument("--runs", type=int, default=25, help="of each trainer")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    red = rows = examples = runs = 0
    largest = 0.0
    start = time.monotonic()
    for number in range(options.runs):
        for trainer in options.trainers:
            report = run(trainer, options.first_seed + number, options.jobs)
            found = [row for row in report["results"] if row["verdict"] in {"fail", "error"}]
            passed = [float(row["margin"]) for row in report["results"] if row["verdict"] == "pass"]
            runs, red, largest = runs + 1, red + len(found), max(largest, *passed)
            rows += len(passed) + len(found)
            examples += sum(row["examples"] for row in report["results"])
            for row in found:
                print(trainer, report["seed"], row["check"], row["dtype"], row["reason"], flush=True)
            print(f"{trainer} seed {report['seed']}: {len(found)} red; {runs} runs in {minutes(start)}", flush=True)
    print(
        f"{runs} runs, {rows} rows, {examples} examples, {red} red, largest margin of a pass {largest:.2f}, {minutes(start)}"
    )
    return 1 if red else 0


def run(trainer: str, seed: int, jobs: int) -> dict:
    """The report of one full run."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "report.json"
        command = [sys.executable, "-m", "lm_conformance.cli", "run", trainer, "--seed", str(seed), "--jobs", str(jobs)]
        subprocess.run([*command, "--output", str(output)], stdout=subprocess.DEVNULL, check=False)
        report = json.loads(output.read_text(encoding="utf-8"))
    if not report["complete"]:
        raise SystemExit(f"{trainer}, seed {seed}: the run is not complete.")
    return report


def minutes(start: float) -> str:
    """The time since `start`."""
    return f"{(time.monotonic() - start) / 60:.1f} minutes"


if __name__ == "__main__":
    sys.exit(main())
