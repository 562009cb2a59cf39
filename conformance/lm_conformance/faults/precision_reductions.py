"""Mistakes in reductions. Those that go element by element stand last, because the first that is seen is enough."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import SLIP, fault

_here = partial(fault, "precision.reductions")
_LOOP = "from functools import reduce; value = reduce(lambda s, v: rounded(s + v), {}.reshape(-1), 0 * x.sum())"
_NARROW = "an accumulator in the format of the terms"

FAULTS = [
    _here(1, "the mean", "value = x.mean()", SLIP),
    _here(1, "only 4,096 terms", "value = x.reshape(-1)[:4096].sum()", "a loop of fixed length"),
    _here(
        1,
        "blocks of four are added up in float32, and kept in 16 bits",
        "value = sum((rounded(b.sum()) for b in x.reshape(-1).split(4)), 0 * x.sum())",
        "partial sums in the format of the terms",
    ),
    _here(1, "added up in 16 bits", _LOOP.format("x"), _NARROW),
    _here(2, "the first half", "value = (x * y).reshape(-1)[: x.numel() // 2].sum()", "a loop of the wrong length"),
    _here(2, "products of one operand", "value = (x * x).sum()", SLIP),
    _here(2, "products in 16 bits", "value = rounded(x * y).sum()", "multiplied before they are widened"),
    _here(2, "added up in 16 bits", _LOOP.format("(x * y)"), _NARROW),
    _here(3, "no root", "value = x.square().sum()", SLIP),
    _here(3, "squares in 16 bits", "value = rounded(x.square()).sum().sqrt()", "squared before they are widened"),
    _here(3, "added up in 16 bits", _LOOP.format("x.square()") + "; value = value.sqrt()", _NARROW),
    _here(4, "a result of bfloat16", "return value.bfloat16().float()", "another format in between"),
    _here(4, "a result of six bits", "return value.bfloat16().float() * (1 + 2.0**-6)", SLIP),
]
