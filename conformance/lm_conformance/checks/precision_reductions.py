"""Checks of reductions: sums that 16 bits would lose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from hypothesis import strategies as st
from lm_reference.rounding import Arithmetic, Rounded, evaluation
from torch import Tensor

from lm_conformance import exact, guard, judge
from lm_conformance.cases.master_weights import BITS, formats
from lm_conformance.cases.optimizers import shown
from lm_conformance.cases.tensors import Style, fill
from lm_conformance.check import ANY, Check, NotOffered
from lm_conformance.compare import K
from lm_conformance.errors import TrainerError
from lm_conformance.trainer import Precision

if TYPE_CHECKING:
    from lm_reference.page import Variant
    from lm_reference.rounding import Array

    from lm_conformance.check import Outcome, Target

NAMES = {"total": "sum", "dot": "dot", "norm": "norm"}  # of the page's functions, as a trainer has them
SIZES = (4096, 1, 2, 7, 64, 1000, 300, 10_001)


@dataclass(frozen=True, repr=False)
class Case:
    """16-bit numbers, and what is to be made of them: total, dot or norm."""

    what: str
    operands: Sequence[Tensor]

    @property
    def dtype(self) -> str:
        """The name of the format."""
        return str(self.operands[0].dtype).removeprefix("torch.")

    def describe(self) -> list[str]:
        """The case in words."""
        return [f"{NAMES[self.what]} of {'; '.join(map(shown, self.operands))}"]


def reduced(target: Target, case: Case) -> list[list[Array]]:
    """The trainer's result.

    Raises:
        TrainerError: it raised, or returned no number.
        NotOffered: it has no such reduction.

    """
    name, method = target.offer.method.__name__, NAMES[case.what]
    session = guard.call(name, target.offer.method, timeout=target.timeout)
    if not any(hasattr(session, known) for known in NAMES.values()):
        raise TrainerError(f"{name} returned {type(session).__name__}, which has no {', '.join(NAMES.values())}")
    if not hasattr(session, method):
        raise NotOffered(f"it has no {method}()")
    operands = [operand.clone() for operand in case.operands]
    result = guard.call(f"{method}()", getattr(session, method), *operands, timeout=target.timeout)
    return [[np.float64(guard.number(f"{method}()", result))]]


def same_number(check: Check, target: Target, case: Case) -> Outcome:
    """The result is the page's, within the bound of a sum in float32."""
    return judge.against_page(check, target, case, reduced(target, case), expected, faulty, lambda _: case.what)


def expected(
    target: Target,
    case: Case,
    *variants: Variant,
    forms: Sequence[Variant] = (),  # noqa: ARG001 a sum has none but its orders, which its bound covers
) -> list[list[Rounded]]:
    """The page's number with its bound."""
    page: Any = target.page.module(*target.page.sides(target.offer.forks), *variants)
    precision = target.offer.trainer.precisions.get("float32", Precision())
    arithmetic = Arithmetic(precision.compute or "float32", target.offer.trainer.scalars, precision.flush)
    operands = [arithmetic.tensor(operand) for operand in case.operands]
    return [[getattr(page, case.what)(*operands, rounded=lambda number: number.stored(case.dtype))]]


def faulty(target: Target, case: Case, *variants: Variant) -> list[list[Array]]:
    """The number that a page with other lines gives, in float32."""
    try:
        return reduced(exact.by_page(target, *variants), case)
    except TrainerError as error:
        raise ValueError(str(error)) from None  # it does not fit this case


def _explain(check: Check, target: Target, case: Case, results: Any) -> str | None:
    with evaluation():
        (wanted,) = expected(target, case)[0]

    def same(other: Target) -> bool:
        (found,) = reduced(other, case)[0]
        return bool(abs(results[0][0] - found) <= K * wanted.error or results[0][0] == found)

    return exact.looks_like(check, target, same)


def _every(what: str, *rows: Sequence[float], repeat: int) -> Callable[[Target], list[Case]]:
    """In every format of the trainer, each row repeated; a dot product of the row with itself."""

    def edges(target: Target) -> list[Case]:
        found = []
        for dtype in formats(target):
            for row in rows:
                x = torch.tensor(row).repeat(repeat).to(getattr(torch, dtype))
                found.append(Case(what, (x, x) if what == "dot" else (x,)))
        return found

    return edges


def _search(target: Target, *, what: str) -> st.SearchStrategy[Case]:
    def build(dtype: str, size: int, scale: int, seed: int) -> Case:
        generator = torch.Generator().manual_seed(seed)
        style = Style(scale, spread=3, bits=BITS[dtype])
        count = 2 if what == "dot" else 1
        operands = [fill(generator, style, (size,), getattr(torch, dtype)) for _ in range(count)]
        return Case(what, [x.abs() if seed % 2 else x for x in operands])

    scales = st.sampled_from((0, -6, 3))  # squares leave the range of float16, sums do not
    return st.builds(build, st.sampled_from(formats(target)), st.sampled_from(SIZES), scales, st.integers(0, 2**32 - 1))


def _check(name: str, clauses: tuple[int, ...], title: str, what: str, edges: Any) -> Check:
    return Check(
        "precision.reductions",
        name,
        clauses,
        title,
        same_number,
        search=partial(_search, what=what),
        edges=edges,
        at=ANY,
        explain=_explain,
    )


CHECKS = [
    _check(
        "sum",
        (1, 4),
        "4096 ones add up to 4096, and terms that are small beside the sum count.",
        "total",
        _every("total", (1.0,), (8.0, 2.0**-8, 2.0**-8, 2.0**-8), (1.0, -1.0, 2.0**-8), repeat=4096),
    ),
    _check(
        "dot",
        (2, 4),
        "Products that 16 bits do not hold, and small ones beside a large sum, count in a dot product.",
        "dot",
        _every("dot", (1.0,), (2.0, 2.0**-6), (2.0**-13,), repeat=4096),
    ),
    _check(
        "norm",
        (3, 4),
        "Squares that 16 bits do not hold, as 300² and (2^-13)², count in a norm.",
        "norm",
        _every("norm", (1.0,), (300.0,), (2.0**-13,), (2.0, 2.0**-6), repeat=512),
    ),
]
