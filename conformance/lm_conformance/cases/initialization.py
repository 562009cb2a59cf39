"""Cases for initial weights: a fixed table of sizes.

None is searched for: to look for a sample that fails is to find one. Every pool of tensors that a check asks about has
more than 107,000 elements, so a deviation that is off by 1.5 % is seen in the first sample. No matrix whose fans matter
is square.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Matrices:
    """Matrices that are drawn one by one, with the same seed."""

    fans: tuple[tuple[int, int], ...]  # fan-out and fan-in

    def describe(self) -> list[str]:
        """The case in words."""
        return [f"fan_out: {fan_out}, fan_in: {fan_in}" for fan_out, fan_in in self.fans]


@dataclass(frozen=True)
class Model:
    """A model of some size."""

    sizes: Mapping[str, int]

    def describe(self) -> list[str]:
        """The case in words."""
        return [", ".join(f"{name}: {size:,}" for name, size in self.sizes.items())]


Case = Matrices | Model

_MATRICES = Matrices(((210, 520), (520, 210)))
CASES: Mapping[str, Case] = {
    "initialization.fan_in": _MATRICES,
    "initialization.glorot": _MATRICES,
    "initialization.gpt2": Model({"layers": 12, "width": 98, "heads": 7, "vocabulary": 1203, "positions": 1130}),
    "initialization.bert": Model(
        {"layers": 2, "width": 232, "heads": 8, "feed_forward": 470, "vocabulary": 471, "positions": 469}
    ),
    "initialization.t5": Model(
        {
            "layers": 4,
            "width": 40,
            "heads": 28,
            "head_width": 8,
            "feed_forward": 352,
            "vocabulary": 2707,
            "buckets": 1930,
        }
    ),
}
