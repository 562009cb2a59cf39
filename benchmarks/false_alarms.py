"""Count false alarms: full runs of conforming trainers with fresh seeds, in which no row may be red.

    python benchmarks/false_alarms.py --runs 25 torch 'torch[foreach]' reference

At the end the p of all first samples are tested themselves: no more of them may be below 0.001, 0.01 and 0.1 than a
thousandth, a hundredth and a tenth, or the tests reject more than they say.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scipy.stats import binomtest

LEVEL = 1e-4  # of the test of the p themselves


def main() -> int:
    """Run, print a line for each run, and fail where a row was red."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainers", nargs="+")
    parser.add_argument("--runs", type=int, default=25, help="of each trainer")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    red = rows = examples = runs = 0
    largest, ps = 0.0, []
    start = time.monotonic()
    for number in range(options.runs):
        for trainer in options.trainers:
            report = run(trainer, options.first_seed + number, options.jobs)
            found = [row for row in report["results"] if row["verdict"] in {"fail", "error"}]
            passed = [float(row["margin"]) for row in report["results"] if row["verdict"] == "pass"]
            ps += [
                test["p"]
                for row in report["results"]
                for test in row["statistics"]
                if not test["test"].endswith("second sample")
            ]
            runs, red, largest = runs + 1, red + len(found), max(largest, *passed)
            rows += len(passed) + len(found)
            examples += sum(row["examples"] for row in report["results"])
            for row in found:
                print(trainer, report["seed"], row["check"], row["dtype"], row["reason"], flush=True)
            print(f"{trainer} seed {report['seed']}: {len(found)} red; {runs} runs in {minutes(start)}", flush=True)
    print(f"{runs} runs, {rows} rows, {examples} examples, {red} red, {minutes(start)}")
    print(f"largest margin of a pass {largest:.2f}")
    too_small = ledger(ps)
    return 1 if red or too_small else 0


def ledger(ps: list[float]) -> bool:
    """Whether too many p are small; a line for each limit."""
    found = False
    for limit in (0.001, 0.01, 0.1) if ps else ():
        count = sum(p < limit for p in ps)
        chance = binomtest(count, len(ps), limit, alternative="greater").pvalue
        print(f"{count} of {len(ps)} p below {limit}: as many or more have the chance {chance:.2g}")
        found |= chance < LEVEL
    return found


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
