"""How long the suite takes, each figure beside the floor below which it cannot go.

    python benchmarks/bench.py

Figures vary from machine to machine and from minute to minute: the ratios are what is meant.
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from lm_conformance import draw_tests
from lm_conformance.draws import sums
from lm_conformance.statistics import FIRST
from lm_reference.laws import Normal
from lm_reference.page import pages
from tabulate import tabulate

ROUNDS = 5
ELEMENTS = 10_000_000
CLI = [sys.executable, "-m", "lm_conformance.cli"]
TRAINER = "torch" if importlib.util.find_spec("lm_conformance_torch") else "reference"


def seconds(function: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median time of some calls."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def command(*arguments: str) -> Callable[[], object]:
    """A process, its output thrown away."""
    return lambda: subprocess.run([*arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def page_step() -> float:
    """The reference's Adam step in float64."""
    page = pages()["optimizers.adam"].module()
    theta, gradient = torch.randn(ELEMENTS, dtype=torch.float64), torch.randn(ELEMENTS, dtype=torch.float64)
    state = page.init(theta)
    return seconds(lambda: page.step(theta, gradient, state, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8))


def torch_step() -> float:
    """The step of torch's for-loop Adam in float64 on as many elements."""
    parameter = torch.nn.Parameter(torch.randn(ELEMENTS, dtype=torch.float64))
    parameter.grad = torch.randn(ELEMENTS, dtype=torch.float64)
    optimizer = torch.optim.Adam([parameter], foreach=False)
    return seconds(optimizer.step)


def normal_tensor() -> None:
    """Draw a tensor, and test its law."""
    pool = [sums("W", 0.02 * torch.randn(ELEMENTS), Normal(0.02))]
    for test in (draw_tests.scale, draw_tests.center, draw_tests.tails, draw_tests.form):
        test(pool, FIRST)


def main() -> None:
    """Print the figures."""
    floor = seconds(command(sys.executable, "-c", "import torch"))
    clause = seconds(command(*CLI, "run", TRAINER, "optimizers.adam/5", "--dtype", "float32", "--seed", "1"))
    step, own = page_step(), torch_step()
    print(
        tabulate(
            [
                ["lm-conformance list", seconds(command(*CLI, "list")), "0.5 s"],
                ["import torch", floor, ""],
                ["one clause, start-up included", clause, f"{2 * floor + 1:.1f} s: twice import torch plus 1 s"],
                [
                    f"all optimizers, {TRAINER}",
                    seconds(command(*CLI, "run", TRAINER, "--seed", "1"), 3),
                    "20 s on 2 cores",
                ],
                ["Adam page, float64, 10M elements", step, f"{3 * own:.2f} s: 3 times torch's for-loop"],
                ["torch's for-loop Adam, the same", own, ""],
                ["normal tensor, 10M draws and its tests", seconds(normal_tensor), "1 s"],
            ],
            headers=["", "seconds", "wanted below"],
            floatfmt=".2f",
        )
    )


if __name__ == "__main__":
    main()
