"""Checks of update rules: the parameters after each update against the page's.

Every page gets the checks of `_common`; what follows them are cases in which one equation stands alone: without
second moment the first is seen, without momentum the second, with gradients as small as ε the place of ε.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from lm_conformance import guard, judge
from lm_conformance import optimizer_runs as runs
from lm_conformance.cases.optimizers import EPSILONS, Case, build, cases
from lm_conformance.cases.tensors import LAYOUTS, SHAPES, Style, styles
from lm_conformance.check import Check, NotOffered, Outcome, Target
from lm_conformance.trainer import Resumable, Stateful

if TYPE_CHECKING:
    from lm_reference.rounding import Array

# -- judges


def same_updates(check: Check, target: Target, case: Case) -> Outcome:
    """The parameters after each watched update are the page's."""
    try:
        results = runs.obtained(target, case)
    except runs.Moved as moved:
        return _broken(str(moved))
    return judge.against_page(check, target, case, results, runs.expected, runs.faulty)


def same_after_resume(check: Check, target: Target, case: Case) -> Outcome:
    """A run that is saved, loaded by another optimizer and continued has the bits of the uninterrupted run."""
    session = runs.open_session(target, case)
    if not isinstance(session, Resumable):
        raise NotOffered("its optimizer has no save() and load()")
    whole = runs.obtained(target, case, resumed=False)
    results = runs.obtained(target, case)
    for update, row, continued in zip(sorted(case.watched), whole, results, strict=True):
        for index, (one, other) in enumerate(zip(row, continued, strict=True)):
            if not np.array_equal(one, other, equal_nan=True):
                difference = float(np.max(np.abs(one - other)))
                return _broken(
                    f"saved after update {case.resume} and continued, parameter {index} differs by {difference:.3g} "
                    f"after update {update} from the run that was not interrupted, but must be equal bit for bit",
                    results,
                )
    return judge.against_page(check, target, case, results, runs.expected, runs.faulty)


def same_side_by_side(check: Check, target: Target, case: Case) -> Outcome:
    """Two optimizers that take turns do not touch each other's parameters and state."""
    other = replace(case, gradients=tuple(reversed(case.gradients)))
    sessions = [runs.open_session(target, case), runs.open_session(target, other)]
    like = list(case.parameters)
    results: list[list[list[Array]]] = [[], []]
    for update, rate in enumerate(case.rates):
        for which, one in enumerate((case, other)):
            row = runs.take_step(target, sessions[which], one.gradients[update], rate, list(like))
            results[which].append([runs.array(result) for result in row])
    outcomes = [
        judge.against_page(check, target, one, result, runs.expected, runs.faulty)
        for one, result in zip((case, other), results, strict=True)
    ]
    return max(outcomes, key=lambda outcome: outcome.margin)


def little_memory(check: Check, target: Target, case: Case) -> Outcome:  # noqa: ARG001 every judge has this signature
    """Between updates a factored tensor keeps no more numbers than rows and columns."""
    session = runs.open_session(target, case)
    if not isinstance(session, Stateful):
        raise NotOffered("its optimizer has no state(), so its memory cannot be counted")
    runs.take_step(target, session, case.gradients[0], case.rates[0], list(case.parameters))
    page = target.page.module(*target.page.sides(target.offer.forks))
    for index, parameter in enumerate(case.parameters):
        kept = guard.call("state()", session.state, index, timeout=target.timeout)
        numbers = sum(guard.as_tensor("state()", part).numel() for part in kept)
        wanted = sum(part.numel() for part in page.init(parameter) if hasattr(part, "numel"))
        wanted += parameter.numel() if case.settings["beta1"] is not None else 0
        if numbers > wanted + SCALARS_KEPT:
            return _broken(
                f"{numbers} numbers are kept for a parameter of shape {tuple(parameter.shape)}, but {wanted} are enough"
            )
    return Outcome(0.0, conclusive=True)


SCALARS_KEPT = 8  # counters and rates that may stand beside the arrays


def _broken(reason: str, results: Any = None) -> Outcome:
    return Outcome(float("inf"), conclusive=True, failure=reason, obtained=results)


def _explain(check: Check, target: Target, case: Any, results: Any) -> str | None:
    return judge.looks_like(check, target, case, results, runs.expected)


# -- conditions


def _gradients_may_be_missing(target: Target) -> str | None:
    if target.offer.forks.get("missing") == "refused":
        return "declared: every parameter must have a gradient"
    return None


def _rounds_away(target: Target, *, quiet: bool) -> str | None:
    """Long runs need a state with more than 16 bits, and parameters that stand still until the end or round little."""
    dtype = target.dtypes[0]
    state = target.precision(dtype).state
    if _SHORT & {target.arithmetic(dtype).compute, state}:
        return "over 1,000 updates sums of 16 bits round by more than any fault moves them"
    if _SHORT & {target.dtype} and not (quiet and target.offer.forks.get("rate") != "relative"):
        return "in 1,000 updates 16-bit parameters round by more than they move"
    return None


_SHORT = {"float16", "bfloat16"}


def _side(fork: str, *sides: str) -> Callable[[Target], str | None]:
    def skip(target: Target) -> str | None:
        side = target.offer.forks[fork]
        return None if side in sides else f"declared: {fork} = {side}"

    return skip


# -- cases


def _last_rates_only(case: Case) -> Case:
    """Only watched updates have a rate, so no rounding of the parameters piles up before them."""
    rates = [rate if update in case.watched else 0.0 for update, rate in enumerate(case.rates, start=1)]
    return replace(case, rates=tuple(rates))


def _long(target: Target, *, quiet: bool, **settings: Any) -> list[Case]:
    """1,000 updates, looked at after 300 and after all."""
    style = Style(scale=0, spread=1, bits=12)
    watched = frozenset({300, 1000})
    case = build(target, settings, shapes=((4,),), updates=1000, style=style, offset=None, seed=1000, watched=watched)
    return [_last_rates_only(case) if quiet and case.base_rate is not None else case]


def _silent(case: Case, updates: Iterable[int]) -> Case:
    """The case with gradients that are exactly zero at some updates, counted from 0."""
    silent = set(updates)
    rows = [
        tuple(None if g is None else g * 0 for g in row) if update in silent else row
        for update, row in enumerate(case.gradients)
    ]
    return replace(case, gradients=tuple(rows))


def _zeros(target: Target, **settings: Any) -> list[Case]:
    """Zero gradients from the first update on, in the middle, and at the end; parameters are not zero."""
    three = [build(target, settings, updates=3, seed=seed) for seed in range(3)]
    return [
        _silent(build(target, settings), {0}),
        _silent(three[0], {0, 1}),
        _silent(three[1], {1}),
        _silent(three[2], {1, 2}),
    ]


def _sized(target: Target) -> list[Case]:
    """Tensors beyond vector widths and blocks, many at once, of the same and of different shapes."""
    style = Style(scale=0, spread=1, bits=12)
    several = ((3,), (2, 2), (3,), (), (1,), (2, 3, 2), (3,))
    return [
        build(target, {}, shapes=((4097,),), updates=2, style=style, seed=1),
        build(target, {}, shapes=((70001,), (5,)), style=style, seed=2),
        build(target, {}, shapes=several, updates=2, style=style, seed=4),
    ]


def _crossed(target: Target) -> list[Case]:
    """Parameters in another layout than their gradients, and in the same."""
    style = Style(0, 1, 12)
    one = build(target, {}, shapes=((4, 6),), layouts=("transposed",), style=style, seed=3)
    two = build(target, {}, shapes=((4, 6), (6, 4)), layouts=("transposed", "strided"), updates=2, style=style, seed=3)
    return [_contiguous_gradients(one), _contiguous_gradients(two), two]


def _contiguous_gradients(case: Case) -> Case:
    rows = tuple(tuple(None if g is None else g.contiguous() for g in row) for row in case.gradients)
    return replace(case, gradients=rows)


def _empty(target: Target) -> list[Case]:
    return [
        build(target, {}, shapes=((0,), (3,)), updates=2, seed=5),
        build(target, {}, shapes=((0, 3), (2, 0, 2), (3,)), updates=2, seed=6),
    ]


def _common(  # the checks that every page has
    page: str,
    *,
    equations: tuple[int, ...],
    update: tuple[int, ...],
    rate: tuple[int, ...],
    missing: int,
    alone: int,
    state: int | None = None,
    quiet: bool = False,
    long_settings: dict[str, Any] | None = None,
) -> list[Check]:
    check = partial(Check, page, judge=same_updates, explain=_explain)
    found = [
        check(
            name="updates",
            clauses=equations,
            title="For any settings, gradients and parameters, the first updates are the page's.",
            search=lambda target: cases(target, updates=(1, 2, 3, 5, 10), tensors=(1, 2)),
            examples=24,
        ),
        check(
            name="learning_rate",
            clauses=rate,
            title="Each update uses its own rate, whatever the rates before it were.",
            search=lambda target: cases(target, updates=(2, 3, 5), changing_rate=True),
            skip=lambda target: "declared: rate = relative" if target.offer.forks.get("rate") == "relative" else None,
        ),
        check(
            name="zero_gradient",
            clauses=update,
            title="A gradient that is exactly zero is a gradient: the update is finite, and moments decay.",
            edges=_zeros,
            search=lambda target: cases(target, updates=(2, 3, 4), style=_with_zeros(target)),
            examples=5,
        ),
        check(
            name="missing_gradient",
            clauses=(missing,),
            title="A parameter without a gradient keeps its value, and its state as declared, while others go on.",
            search=lambda target: cases(
                target, updates=(2, 3, 4, 5), tensors=(1, 2, 3), missing=True, changing_rate=True, drifts=(0,)
            ),
            skip=_gradients_may_be_missing,
        ),
        check(
            name="tensors",
            clauses=(alone,),
            title="Many tensors of any sizes are updated as if each came alone.",
            edges=_sized,
            search=lambda target: cases(
                target, updates=(2, 1, 3), tensors=(2, 3, 6, 1), shapes=[s for s in SHAPES if 0 not in s]
            ),
            examples=10,
        ),
        check(
            name="layouts",
            clauses=(alone,),
            title="Transposed and strided parameters and gradients are updated element by element, like contiguous ones.",
            edges=_crossed,
            search=lambda target: cases(
                target, updates=(1, 2), tensors=(1, 2), shapes=((2, 3), (5,), (2, 3, 4)), layouts=LAYOUTS
            ),
            examples=5,
        ),
        check(
            name="no_elements",
            clauses=(alone,),
            title="A tensor without elements, as a shard may be, does not disturb the others.",
            edges=_empty,
        ),
        check(
            name="mixed_dtypes",
            clauses=(alone,),
            title="Parameters of different dtypes in one optimizer are each updated in their own precision.",
            search=lambda target: cases(target, updates=(2, 1, 3), tensors=(2, 4), drifts=(0,)),
            mixed=True,
            examples=5,
        ),
        check(
            name="two_optimizers",
            clauses=(alone,),
            title="Two optimizers that take turns share no state.",
            judge=same_side_by_side,
            search=lambda target: cases(target, updates=(2, 3), tensors=(2,), shapes=((3,),)),
            examples=3,
        ),
        check(
            name="long_run",
            clauses=equations,
            title="After 300 and after 1,000 updates the parameters are still the page's.",
            edges=lambda target: _long(target, quiet=quiet, **(long_settings or {})),
            slow=True,
            skip=partial(_rounds_away, quiet=quiet),
        ),
    ]
    if state is not None:
        found.append(
            check(
                name="resume",
                clauses=(state,),
                title="Save, load and continue gives the bits of the run that was not interrupted.",
                judge=same_after_resume,
                search=lambda target: cases(target, updates=(2, 3, 5), tensors=(1, 2), resume=True, changing_rate=True),
                examples=6,
            )
        )
    return found


def _with_zeros(target: Target) -> st.SearchStrategy[Style]:
    return styles(target.narrowest).map(lambda style: replace(style, zeros=True))


def _near_epsilon(target: Target) -> st.SearchStrategy[Style]:
    """Gradients between a quarter and four times ε, where ε decides half of the update."""
    return st.builds(Style, scale=st.sampled_from((0, -1, 1, 2, -2)), spread=st.just(0), bits=st.sampled_from((1, 2, 12)))


def _epsilon_cases(target: Target) -> st.SearchStrategy[Case]:
    epsilons = [eps for eps in EPSILONS[target.narrowest] if target.narrowest != "float16" or eps >= 2.0**-5]

    def with_epsilon(eps: float) -> st.SearchStrategy[Case]:
        exponent = round(float(np.log2(eps)))
        near = _near_epsilon(target).map(lambda style: replace(style, scale=style.scale + exponent))
        return cases(target, updates=(1, 2, 3), style=near, drifts=(0,), eps=(eps,))

    return st.sampled_from(epsilons).flatmap(with_epsilon)


def _narrow(target: Target, **narrow: Sequence[Any]) -> st.SearchStrategy[Case]:
    return cases(target, updates=(2, 3, 4, 6), **narrow)


def _adam(page: str, *, decay: bool) -> list[Check]:
    """Checks of Adam and AdamW, whose first four clauses are the same."""
    update, zero_state = (6, 8) if decay else (5, 6)
    check = partial(Check, page, judge=same_updates, explain=_explain)
    free = {"weight_decay": (0.0,)} if decay else {}
    return [
        check(
            name="first_moment",
            clauses=(1,),
            title="With β2 = 0 each update shows the first moment alone.",
            search=lambda target: _narrow(target, beta2=(0.0,), beta1=(0.5, 0.75, 0.9375, 0.9), **free),
        ),
        check(
            name="second_moment",
            clauses=(2,),
            title="With β1 = 0 each update shows the second moment alone.",
            search=lambda target: _narrow(target, beta1=(0.0,), beta2=(0.5, 0.75, 0.96875, 0.999), **free),
        ),
        check(
            name="bias_correction",
            clauses=(3, 4),
            title="The first updates are corrected by 1 - β^t with t = 1, 2, 3, …, each moment by its own β.",
            search=lambda target: cases(
                target, updates=(1, 2, 3, 10), drifts=(0,), beta1=(0.5, 0.75, 0.9375), beta2=(0.75, 0.96875, 0.999), **free
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
            edges=lambda target: _zeros(target, eps=1e-8),
        ),
    ]


def _adamw() -> list[Check]:
    check = partial(Check, "optimizers.adamw", judge=same_updates, explain=_explain)
    decays = {"weight_decay": (0.5, 0.125, 0.01)}
    return [
        check(
            name="decay",
            clauses=(5, 6),
            title="Without gradients to speak of, parameters shrink by the decay of each update's own rate.",
            edges=lambda target: [
                _silent(build(target, {"lr": lr, "weight_decay": 0.5}, updates=3, changing_rate=True, seed=seed), {0, 1, 2})
                for seed, lr in enumerate((0.5, 0.125))
            ],
            search=lambda target: cases(
                target, updates=(2, 3), changing_rate=True, lr=(0.5, 0.125, 0.3), drifts=(0,), **decays
            ),
        ),
        check(
            name="exclusions",
            clauses=(7,),
            title="Parameters on the list of exclusions do not decay, and all others do.",
            search=lambda target: cases(
                target, updates=(1, 2), tensors=(3, 4), lr=(0.5, 0.125), drifts=(0,), **decays
            ),
            skip=_side("exclusions", "list"),
        ),
    ]


_MATRICES = ((2, 3), (3, 2), (4, 4), (1, 3), (3, 1), (5, 7))


def _adafactor() -> list[Check]:
    check = partial(Check, "optimizers.adafactor", judge=same_updates, explain=_explain)
    calm = {"clipping_threshold": (2.0**20,)}  # so high that nothing is clipped
    big = ((128, 130), (2, 129, 128))
    return [
        check(
            name="factored",
            clauses=(2, 3, 4, 5, 7),
            title="The second moment of a matrix is the product of its rows' and columns' means.",
            edges=lambda target: [build(target, {"clipping_threshold": 2.0**20}, shapes=(big[0],), updates=2, seed=8)],
            search=lambda target: cases(target, updates=(1, 2, 3), shapes=_MATRICES, **calm),
            examples=12,
        ),
        check(
            name="vectors",
            clauses=(2, 6, 7, 13),
            title="Vectors and scalars keep a second moment for every element.",
            search=lambda target: cases(target, updates=(1, 2, 3, 5), shapes=((3,), (1,), (), (7,)), **calm),
        ),
        check(
            name="decay_schedule",
            clauses=(1,),
            title="β̂_t is 1 - t^(-c), so it is 0 at the first update.",
            search=lambda target: cases(target, updates=(2, 3, 10, 1), drifts=(2, -2), **calm),
        ),
        check(
            name="clipping",
            clauses=(8,),
            title="An update is scaled down to the threshold by its root mean square, and never up.",
            search=lambda target: cases(
                target, updates=(2, 3, 5, 10), shapes=((2, 3), (3,)), drifts=(2, 0), clipping_threshold=(1.0, 1.25, 1.5)
            ),
        ),
        check(
            name="rate",
            clauses=(9,),
            title="The rate of an update is the one that the trainer declares: its own, capped, or from outside.",
            search=lambda target: cases(target, updates=(1, 2, 5, 10), drifts=(0,)),
        ),
        check(
            name="parameter_scale",
            clauses=(10,),
            title="The step is in proportion to the parameter's root mean square, and ε2 is its floor.",
            edges=lambda target: [build(target, {"eps2": eps2}, offset=None, updates=2, seed=9) for eps2 in (0.125, 1e-3)],
            search=lambda target: cases(
                target, updates=(1, 2), drifts=(0,), offsets=(10, 7, 5, None), eps2=(2.0**-3, 2.0**-6, 1e-3, 2.0)
            ),
            skip=_side("scale", "parameter"),
        ),
        check(
            name="momentum",
            clauses=(11, 12),
            title="With momentum, updates are averaged in the declared order of rate and average.",
            search=lambda target: cases(target, updates=(2, 3, 5), changing_rate=target.offer.forks["rate"] != "relative"),
            skip=_side("momentum", "after_rate", "before_rate"),
        ),
        check(
            name="axes",
            clauses=(13, 14),
            title="Which axes of a tensor are factored, and from which size on, is as declared.",
            edges=lambda target: [
                build(target, {}, shapes=(shape,), updates=2, style=Style(0, 3, 12), seed=10)
                for shape in ((2, 3, 4), (4, 3, 2), (3, 2, 3, 2), (127, 200), (128, 128), (128, 2, 130), (130, 2, 128))
            ],
            search=lambda target: cases(target, updates=(1, 2), shapes=((2, 3, 4), (5, 4, 3), (4, 1, 3), (1, 1))),
            examples=5,
        ),
        check(
            name="memory",
            clauses=(15,),
            title="The state of a factored tensor is its rows and its columns, not its elements.",
            judge=little_memory,
            edges=lambda target: [build(target, {}, shapes=((40, 50), (130, 140), (60,)), updates=1, seed=11)],
        ),
        check(
            name="default_epsilon",
            clauses=(2, 5, 7),
            title="With the default ε1 = 1e-30 a zero gradient gives a finite update in every precision.",
            edges=lambda target: [
                *_zeros(target, eps1=1e-30),
                _silent(build(target, {"eps1": 1e-30}, shapes=((2, 3),), updates=2, seed=12), {0}),
            ],
        ),
    ]


_SMALL_STEPS = {"lr": 2.0**-10, "weight_decay": 0.0}

CHECKS = [
    *_common("optimizers.sgd", equations=(1, 2), update=(2,), rate=(2,), missing=3, alone=4, long_settings=_SMALL_STEPS),
    Check(
        "optimizers.sgd",
        "penalty",
        (1,),
        "The gradient of the penalty is added before the rate, with its own sign.",
        same_updates,
        search=lambda target: cases(target, updates=(1, 2), weight_decay=(0.5, 0.125, 0.01), drifts=(0,)),
        skip=_side("weight_decay", "coupled"),
        explain=_explain,
    ),
    *_common("optimizers.momentum", equations=(1, 2, 3, 4), update=(4,), rate=(4,), missing=5, alone=7, state=6, long_settings=_SMALL_STEPS),
    Check(
        "optimizers.momentum",
        "first_update",
        (2,),
        "The first buffer is the first gradient, as declared.",
        same_updates,
        search=lambda target: cases(target, updates=(1, 2), momentum=(0.5, 0.75)),
        explain=_explain,
    ),
    Check(
        "optimizers.momentum",
        "buffer",
        (3,),
        "The buffer decays by μ and takes each new gradient in, dampened.",
        same_updates,
        search=lambda target: cases(target, updates=(2, 3, 5), momentum=(0.5, 0.75, 0.9)),
        explain=_explain,
    ),
    Check(
        "optimizers.momentum",
        "penalty",
        (1,),
        "The gradient of the penalty goes into the buffer.",
        same_updates,
        search=lambda target: cases(target, updates=(1, 2, 3), weight_decay=(0.5, 0.125), drifts=(0,)),
        skip=_side("weight_decay", "coupled"),
        explain=_explain,
    ),
    *_common("optimizers.nesterov", equations=(1, 2, 3), update=(3,), rate=(3,), missing=4, alone=6, state=5, long_settings=_SMALL_STEPS),
    Check(
        "optimizers.nesterov",
        "buffer",
        (2,),
        "The buffer decays by μ and takes each new gradient in whole.",
        same_updates,
        search=lambda target: cases(target, updates=(1, 2, 3, 5)),
        explain=_explain,
    ),
    Check(
        "optimizers.nesterov",
        "penalty",
        (1,),
        "The gradient of the penalty goes into the buffer and into the step ahead.",
        same_updates,
        search=lambda target: cases(target, updates=(1, 2, 3), weight_decay=(0.5, 0.125), drifts=(0,)),
        skip=_side("weight_decay", "coupled"),
        explain=_explain,
    ),
    *_adam("optimizers.adam", decay=False),
    *_common(
        "optimizers.adam",
        equations=(1, 2, 3, 4, 5),
        update=(5,),
        rate=(5,),
        missing=7,
        alone=9,
        state=8,
        quiet=True,
        long_settings={"beta1": 0.9375, "beta2": 1 - 2.0**-10, "eps": 1e-8},
    ),
    *_adam("optimizers.adamw", decay=True),
    *_adamw(),
    *_common(
        "optimizers.adamw",
        equations=(1, 2, 3, 4, 5, 6),
        update=(6,),
        rate=(6,),
        missing=9,
        alone=11,
        state=10,
        quiet=True,
        long_settings={"beta1": 0.9375, "beta2": 1 - 2.0**-10, "eps": 1e-8},
    ),
    *_adafactor(),
    *_common(
        "optimizers.adafactor",
        equations=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
        update=(12,),
        rate=(9,),
        missing=16,
        alone=18,
        state=17,
        quiet=True,
    ),
]
