"""Cases that are always tried: exact zeros, long runs, sizes, layouts, tensors without elements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from lm_conformance.cases.optimizers import Case, build
from lm_conformance.cases.tensors import Style

if TYPE_CHECKING:
    from lm_conformance.check import Target


def _last_rates_only(case: Case) -> Case:
    """Only watched updates have a rate, so no rounding of the parameters piles up before them."""
    rates = [rate if update in case.watched else 0.0 for update, rate in enumerate(case.rates, start=1)]
    return replace(case, rates=tuple(rates))


def long(target: Target, settings: Mapping[str, Any], *, quiet: bool) -> list[Case]:
    """1,000 updates, looked at after 300 and after all."""
    style = Style(scale=0, spread=1, bits=12)
    watched = frozenset({300, 1000})
    case = build(target, settings, shapes=((4,),), updates=1000, style=style, offset=None, seed=1000, watched=watched)
    return [_last_rates_only(case) if quiet and case.base_rate is not None else case]


def silent(case: Case, updates: Iterable[int]) -> Case:
    """The case with gradients that are exactly zero at some updates, counted from 0."""
    silent = set(updates)
    rows = [
        tuple(None if g is None else g * 0 for g in row) if update in silent else row
        for update, row in enumerate(case.gradients)
    ]
    return replace(case, gradients=tuple(rows))


def zeros(target: Target, settings: Mapping[str, Any] | None = None) -> list[Case]:
    """Zero gradients from the first update on, in the middle, and at the end; parameters are not zero."""
    three = [build(target, settings or {}, updates=3, seed=seed) for seed in range(3)]
    return [
        silent(build(target, settings or {}), {0}),
        silent(three[0], {0, 1}),
        silent(three[1], {1}),
        silent(three[2], {1, 2}),
    ]


def beside_zero(target: Target) -> Case:
    """Two elements that never get a gradient, as the row of an embedding that no text names, beside others that do."""
    case = build(target, {}, shapes=((6,),), updates=4, offset=None, seed=15)
    named = torch.arange(6) >= 2
    rows = tuple(tuple(None if g is None else g * named for g in row) for row in case.gradients)
    return replace(case, gradients=rows)


# gradients so far apart, at elements that start at zero, that updates in 16 bits tell right from wrong
APART = Style(scale=2, spread=3, bits=12)


def together(target: Target) -> list[Case]:
    """Elements that start at zero, which shows updates to their last bit, so that every precision is conclusive."""
    return [build(target, {}, shapes=((3,), (4, 3)), updates=3, style=APART, offset=None, seed=14)]


def resumed(target: Target) -> list[Case]:
    """Many elements that start at zero: a state that is rounded when it is saved or loaded shows in the last bits.

    And few, whose sums no precision rounds away.
    """
    style, many, few = Style(scale=0, spread=3, bits=12), ((97,), (8, 12)), ((3,), (2, 3))
    return [
        build(target, {}, shapes=many, updates=5, style=style, offset=None, seed=13, changing_rate=True, resume=2),
        build(target, {}, shapes=few, updates=4, style=APART, offset=None, seed=13, changing_rate=True, resume=1),
    ]


def sized(target: Target) -> list[Case]:
    """Tensors beyond vector widths and blocks, many at once, of the same and of different shapes."""
    style = Style(scale=0, spread=1, bits=12)
    several = ((3,), (2, 2), (3,), (), (1,), (2, 3, 2), (3,))
    return [
        build(target, {}, shapes=((4097,),), updates=2, style=style, seed=1),
        build(target, {}, shapes=((70001,), (5,)), style=style, seed=2),
        build(target, {}, shapes=several, updates=2, style=style, seed=4),
        build(target, {}, shapes=several, updates=2, style=APART, offset=None, seed=4),
    ]


def crossed(target: Target) -> list[Case]:
    """Parameters in another layout than their gradients, and in the same."""
    style = Style(0, 1, 12)
    one = build(target, {}, shapes=((4, 6),), layouts=("transposed",), style=style, seed=3)
    two = build(target, {}, shapes=((4, 6), (6, 4)), layouts=("transposed", "strided"), updates=2, style=style, seed=3)
    return [_contiguous_gradients(one), _contiguous_gradients(two), two]


def _contiguous_gradients(case: Case) -> Case:
    rows = tuple(tuple(None if g is None else g.contiguous() for g in row) for row in case.gradients)
    return replace(case, gradients=rows)


def empty(target: Target) -> list[Case]:
    """Tensors without elements beside others."""
    return [
        build(target, {}, shapes=((0,), (3,)), updates=2, seed=5),
        build(target, {}, shapes=((0, 3), (2, 0, 2), (3,)), updates=2, seed=6),
        build(target, {}, shapes=((0, 3), (2, 0, 2), (3,)), updates=2, style=APART, offset=None, seed=6),
    ]
