"""Checks of Adam and AdamW: cases in which one equation stands alone.

Without the second moment the first is seen, without momentum the second, with gradients as small as ε the place of ε.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from lm_conformance.cases import optimizer_edges as edges
from lm_conformance.cases.optimizers import EPSILONS, Case, build, cases
from lm_conformance.cases.tensors import Style
from lm_conformance.optimizer_judges import checks_of, side

if TYPE_CHECKING:
    from lm_conformance.check import Check, Target

# gradients between a quarter and four times ε, where ε decides half of the update; exponents relative to ε's
_NEAR = st.builds(Style, scale=st.sampled_from((0, -1, 1, 2, -2)), spread=st.just(0), bits=st.sampled_from((1, 2, 12)))


def _epsilon_cases(target: Target) -> st.SearchStrategy[Case]:
    epsilons = [eps for eps in EPSILONS[target.narrowest] if target.narrowest != "float16" or eps >= 2.0**-5]

    def with_epsilon(eps: float) -> st.SearchStrategy[Case]:
        exponent = round(math.log2(eps))
        near = _NEAR.map(lambda style: replace(style, scale=style.scale + exponent))
        return cases(target, updates=(1, 2, 3), style=near, drifts=(0,), settings={"eps": (eps,)})

    return st.sampled_from(epsilons).flatmap(with_epsilon)


def _adam(page: str, *, decay: bool) -> list[Check]:
    """Checks of Adam and AdamW, whose first four clauses are the same."""
    update, zero_state = (6, 8) if decay else (5, 6)
    check = checks_of(page)
    free: dict[str, Sequence[Any]] = {"weight_decay": (0.0,)} if decay else {}
    return [
        check(
            name="first_moment",
            clauses=(1,),
            title="With β2 = 0 each update shows the first moment alone.",
            search=lambda target: cases(
                target, updates=(2, 3, 4, 6), settings={**free, "beta2": (0.0,), "beta1": (0.5, 0.75, 0.9375, 0.9)}
            ),
        ),
        check(
            name="second_moment",
            clauses=(2,),
            title="With β1 = 0 each update shows the second moment alone.",
            search=lambda target: cases(
                target, updates=(2, 3, 4, 6), settings={**free, "beta1": (0.0,), "beta2": (0.5, 0.75, 0.96875, 0.999)}
            ),
        ),
        check(
            name="bias_correction",
            clauses=(3, 4),
            title="The first updates are corrected by 1 - β^t with t = 1, 2, 3, …, each moment by its own β.",
            search=lambda target: cases(
                target,
                updates=(1, 2, 3, 10),
                drifts=(0,),
                settings={**free, "beta1": (0.5, 0.75, 0.9375), "beta2": (0.75, 0.96875, 0.999)},
            ),
        ),
        check(
            name="epsilon",
            clauses=(update,),
            title="ε stands where the page has it, and with its own size, at gradients as small as ε.",
            search=_epsilon_cases,
            examples=12,
        ),
        check(
            name="first_update",
            clauses=(update, zero_state),
            title="The state starts at zero, and the first update is t = 1.",
            search=lambda target: cases(target, updates=(1,), shapes=((1,), (3,)), drifts=(0,)),
        ),
        check(
            name="default_epsilon",
            clauses=(update,),
            title="With the default ε = 1e-8 a zero gradient gives a finite update in every precision.",
            edges=lambda target: edges.zeros(target, {"eps": 1e-8}),
        ),
    ]


def _adamw() -> list[Check]:
    check = checks_of("optimizers.adamw")
    decays = {"weight_decay": (0.5, 0.125, 0.01)}
    return [
        check(
            name="decay",
            clauses=(5, 6),
            title="Without gradients to speak of, parameters shrink by the decay of each update's own rate.",
            edges=lambda target: [
                edges.silent(
                    build(target, {"lr": lr, "weight_decay": 0.5}, updates=3, changing_rate=True, seed=seed), {0, 1, 2}
                )
                for seed, lr in enumerate((0.5, 0.125))
            ],
            search=lambda target: cases(
                target, updates=(2, 3), changing_rate=True, drifts=(0,), settings={"lr": (0.5, 0.125, 0.3), **decays}
            ),
        ),
        check(
            name="exclusions",
            clauses=(7,),
            title="Parameters on the list of exclusions do not decay, and all others do.",
            search=lambda target: cases(
                target, updates=(1, 2), tensors=(3, 4), drifts=(0,), settings={"lr": (0.5, 0.125), **decays}
            ),
            skip=side("exclusions", "list"),
        ),
    ]


CHECKS = [*_adam("optimizers.adam", decay=False), *_adam("optimizers.adamw", decay=True), *_adamw()]
