"""Checks of memory: the bytes of what a trainer really keeps, divided by its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from lm_conformance import exact, guard
from lm_conformance.cases.master_weights import formats
from lm_conformance.check import ANY, Check
from lm_conformance.errors import TrainerError
from lm_conformance.exact import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lm_conformance.check import Outcome, Target

KINDS = ("weights", "masters", "gradients", "moments")
SHAPES = ((16, 16), (128,), (32, 16))  # multiples of 128, so that flat buffers need no padding


@dataclass(frozen=True)
class Case:
    """A format of the model's weights, and which kinds of arrays are counted."""

    dtype: str
    kinds: Sequence[str]

    def describe(self) -> list[str]:
        """The case in words."""
        return [f"weights and gradients of {self.dtype}, shapes {', '.join(map(str, SHAPES))}"]


def answers(target: Target, case: Case) -> list[Answer]:
    """The bytes per parameter of each kind of arrays, and of all.

    Raises:
        TrainerError: the trainer raised, or returned something else than lists of arrays under the names of the kinds.

    """
    name, dtype = target.offer.method.__name__, getattr(torch, case.dtype)
    weights = [torch.ones(shape) for shape in SHAPES]
    gradients = [torch.ones(shape, dtype=dtype) for shape in SHAPES]
    kept = guard.call(name, target.offer.method, weights, gradients, dtype=case.dtype, timeout=target.timeout)
    if not hasattr(kept, "keys") or set(kept.keys()) != set(KINDS):
        got = ", ".join(map(str, kept.keys())) or "nothing" if hasattr(kept, "keys") else type(kept).__name__
        raise TrainerError(f"{name} returned {got}, but must return a dictionary of {', '.join(KINDS)}")
    parameters = sum(weight.numel() for weight in weights)
    sizes = {kind: _bytes(name, kind, kept[kind]) / parameters for kind in KINDS}
    counted = [Answer(f"{kind} in bytes per parameter", sizes[kind]) for kind in case.kinds]
    whole = Answer("all together in bytes per parameter", sum(sizes.values()))
    return counted if len(case.kinds) < len(KINDS) else [*counted, whole]


def _bytes(name: str, kind: str, arrays: Any) -> int:
    if isinstance(arrays, torch.Tensor) or not hasattr(arrays, "__iter__"):
        raise TrainerError(f"{name} returned {type(arrays).__name__} as {kind}, but must return a list of arrays")
    tensors = [guard.as_tensor(name, array) for array in arrays]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def same_sizes(check: Check, target: Target, case: Case) -> Outcome:
    """The bytes are the page's, and those of all arrays together their sum."""
    return exact.compared(check, target, case, answers)


def _check(name: str, clauses: tuple[int, ...], kinds: Sequence[str], title: str) -> Check:
    def edges(target: Target) -> list[Case]:
        return [Case(dtype, kinds) for dtype in (*formats(target), "float32")]

    explain = exact.explained(answers)
    return Check("precision.memory", name, clauses, title, same_sizes, edges=edges, at=ANY, explain=explain)


CHECKS = [
    _check(
        "weights", (1, 2), KINDS[:2], "Weights of 16 bits have 2 bytes and masters of 4, float32 weights 4 and none."
    ),
    _check("gradients", (3,), KINDS[2:3], "Gradients have the bytes that are declared."),
    _check("moments", (4,), KINDS[3:], "The moments have 8 bytes."),
    _check("all", (5,), KINDS, "All that is kept adds up to 16 bytes, or 18 with wide gradients."),
]
