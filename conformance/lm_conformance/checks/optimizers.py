"""Checks that every optimizer gets: a new page adds a line to `ROLES`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lm_conformance import optimizer_judges as judges
from lm_conformance.cases import optimizer_edges as edges
from lm_conformance.cases.optimizers import cases
from lm_conformance.cases.tensors import LAYOUTS, SHAPES, Style, styles
from lm_conformance.check import MIXED

if TYPE_CHECKING:
    from hypothesis import strategies as st

    from lm_conformance.check import Check, Target


@dataclass(frozen=True)
class Role:
    """Which clauses of a page say what every optimizer's page says."""

    equations: tuple[int, ...]
    update: tuple[int, ...]  # the last equation
    rate: tuple[int, ...]  # where the rate of an update enters
    missing: int  # what happens without a gradient
    alone: int  # tensors do not influence each other
    state: int | None = None  # what is saved and restored
    quiet: bool = False  # with rate 0 the parameters stand still while the state goes on
    long_settings: Mapping[str, Any] = field(default_factory=dict)


_SMALL_STEPS = {"lr": 2.0**-10, "weight_decay": 0.0}
_LONG_MEMORY = {"beta1": 0.9375, "beta2": 1 - 2.0**-10, "eps": 1e-8}

ROLES = {
    "optimizers.sgd": Role((1, 2), update=(2,), rate=(2,), missing=3, alone=4, long_settings=_SMALL_STEPS),
    "optimizers.momentum": Role(
        (1, 2, 3, 4), update=(4,), rate=(4,), missing=5, state=6, alone=7, long_settings=_SMALL_STEPS
    ),
    "optimizers.nesterov": Role(
        (1, 2, 3), update=(3,), rate=(3,), missing=4, state=5, alone=6, long_settings=_SMALL_STEPS
    ),
    "optimizers.adam": Role(
        (1, 2, 3, 4, 5), update=(5,), rate=(5,), missing=7, state=8, alone=9, quiet=True, long_settings=_LONG_MEMORY
    ),
    "optimizers.adamw": Role(
        (1, 2, 3, 4, 5, 6),
        update=(6,),
        rate=(6,),
        missing=9,
        state=10,
        alone=11,
        quiet=True,
        long_settings=_LONG_MEMORY,
    ),
    "optimizers.adafactor": Role(
        tuple(range(1, 13)), update=(12,), rate=(9,), missing=16, state=17, alone=18, quiet=True
    ),
}


def _gradients_may_be_missing(target: Target) -> str | None:
    if target.offer.forks.get("missing") == "refused":
        return "declared: every parameter must have a gradient"
    return None


def _rounds_away(target: Target, *, quiet: bool) -> str | None:
    """Long runs need a state with more than 16 bits, and parameters that stand still until the end or round little."""
    dtype = target.dtypes[0]
    state = target.precision(dtype).state
    if SHORT & {target.arithmetic(dtype).compute, state}:
        return "over 1,000 updates sums of 16 bits round by more than any fault moves them"
    if SHORT & {target.dtype} and not (quiet and target.offer.forks.get("rate") != "relative"):
        return "in 1,000 updates 16-bit parameters round by more than they move"
    return None


_SHORT = {"float16", "bfloat16"}


def _with_zeros(target: Target) -> st.SearchStrategy[Style]:
    return styles(target.narrowest).map(lambda style: replace(style, zeros=True))


SHORT = {"float16", "bfloat16"}


def _checks(page: str, role: Role) -> list[Check]:
    check = judges.checks_of(page)
    found = [
        check(
            name="updates",
            clauses=role.equations,
            title="For any settings, gradients and parameters, the first updates are the page's.",
            search=lambda target: cases(target, updates=(1, 2, 3, 5, 10), tensors=(1, 2)),
            examples=24,
        ),
        check(
            name="learning_rate",
            clauses=role.rate,
            title="Each update uses its own rate, whatever the rates before it were.",
            search=lambda target: cases(target, updates=(2, 3, 5), changing_rate=True),
            skip=lambda target: "declared: rate = relative" if target.offer.forks.get("rate") == "relative" else None,
        ),
        check(
            name="zero_gradient",
            clauses=role.update,
            title="A gradient that is exactly zero is a gradient: updates are finite, moments decay, zero stays zero.",
            judge=judges.same_and_still,
            edges=lambda target: [*edges.zeros(target), edges.beside_zero(target)],
            search=lambda target: cases(target, updates=(2, 3, 4), style=_with_zeros(target)),
            examples=5,
        ),
        check(
            name="missing_gradient",
            clauses=(role.missing,),
            title="A parameter without a gradient keeps its value, and its state as declared, while others go on.",
            search=lambda target: cases(
                target, updates=(2, 3, 4, 5), tensors=(1, 2, 3), missing=True, changing_rate=True, drifts=(0,)
            ),
            skip=_gradients_may_be_missing,
        ),
        check(
            name="tensors",
            clauses=(role.alone,),
            title="Many tensors of any sizes are updated as if each came alone.",
            edges=edges.sized,
            search=lambda target: cases(
                target, updates=(2, 1, 3), tensors=(2, 3, 6, 1), shapes=[s for s in SHAPES if 0 not in s]
            ),
            examples=10,
        ),
        check(
            name="layouts",
            clauses=(role.alone,),
            title="Transposed and strided parameters and gradients are updated like contiguous ones.",
            edges=edges.crossed,
            search=lambda target: cases(
                target, updates=(1, 2), tensors=(1, 2), shapes=((2, 3), (5,), (2, 3, 4)), layouts=LAYOUTS
            ),
            examples=5,
        ),
        check(
            name="no_elements",
            clauses=(role.alone,),
            title="A tensor without elements, as a shard may be, does not disturb the others.",
            edges=edges.empty,
        ),
        check(
            name="mixed_dtypes",
            clauses=(role.alone,),
            title="Parameters of different dtypes in one optimizer are each updated in their own precision.",
            search=lambda target: cases(target, updates=(2, 1, 3), tensors=(2, 4), drifts=(0,)),
            at=MIXED,
            examples=5,
        ),
        check(
            name="two_optimizers",
            clauses=(role.alone,),
            title="Two optimizers that take turns share no state.",
            judge=judges.same_side_by_side,
            edges=edges.together,
            search=lambda target: cases(target, updates=(2, 3), tensors=(2,), shapes=((3,),)),
            examples=3,
        ),
        check(
            name="long_run",
            clauses=role.equations,
            title="After 300 and after 1,000 updates the parameters are still the page's.",
            edges=lambda target: edges.long(target, role.long_settings, quiet=role.quiet),
            slow=True,
            skip=partial(_rounds_away, quiet=role.quiet),
        ),
    ]
    if role.state is not None:
        found.append(
            check(
                name="resume",
                clauses=(role.state,),
                title="Save, load and continue gives the bits of the run that was not interrupted.",
                judge=judges.same_after_resume,
                edges=edges.resumed,
                search=lambda target: cases(target, updates=(2, 3, 5), tensors=(1, 2), resume=True, changing_rate=True),
                examples=6,
            )
        )
    return found


CHECKS = [check for page, role in ROLES.items() for check in _checks(page, role)]
