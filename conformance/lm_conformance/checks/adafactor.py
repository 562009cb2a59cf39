"""Checks of Adafactor: the second moment, factored or not, the clipping of updates, the rate and its scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm_conformance import guard
from lm_conformance import optimizer_runs as runs
from lm_conformance.cases import optimizer_edges as edges
from lm_conformance.cases.optimizers import Case, build, cases
from lm_conformance.cases.tensors import Style
from lm_conformance.check import NotOffered, Outcome
from lm_conformance.judge import broken
from lm_conformance.optimizer_judges import checks_of, side
from lm_conformance.trainer import Stateful

if TYPE_CHECKING:
    from lm_conformance.check import Check, Target

_MATRICES = ((2, 3), (3, 2), (4, 4), (1, 3), (3, 1), (5, 7))


_SCALARS_KEPT = 8  # counters and rates that may stand beside the arrays


def _little_memory(check: Check, target: Target, case: Case) -> Outcome:  # noqa: ARG001 every judge has this signature
    """Between updates a factored tensor keeps no more numbers than rows and columns."""
    session = runs.open_session(target, case)
    if not isinstance(session, Stateful):
        raise NotOffered("its optimizer has no state(), so its memory cannot be counted")
    runs.take_step(target, session, case.gradients[0], case.rates[0], list(case.parameters))
    page = target.page.module(*target.page.sides(target.offer.forks))
    for index, parameter in enumerate(case.parameters):
        kept = guard.call("state()", lambda i: list(session.state(i)), index, timeout=target.timeout)
        numbers = sum(guard.as_tensor("state()", part).numel() for part in kept)
        wanted = sum(part.numel() for part in page.init(parameter) if hasattr(part, "numel"))
        wanted += parameter.numel() if case.settings["beta1"] is not None else 0
        if numbers > wanted + _SCALARS_KEPT:
            return broken(
                f"{numbers} numbers are kept for a parameter of shape {tuple(parameter.shape)}, but {wanted} are enough"
            )
    return Outcome(0.0, conclusive=True)


_SCALARS_KEPT = 8  # counters and rates that may stand beside the arrays


_check = checks_of("optimizers.adafactor")
_CALM = {"clipping_threshold": (2.0**20,)}  # so high that nothing is clipped

CHECKS = [
    _check(
        name="factored",
        clauses=(2, 3, 4, 5, 7),
        title="The second moment of a matrix is the product of its rows' and columns' means.",
        edges=lambda target: [build(target, {"clipping_threshold": 2.0**20}, shapes=((128, 130),), updates=2, seed=8)],
        search=lambda target: cases(target, updates=(1, 2, 3), shapes=_MATRICES, settings=_CALM),
        examples=12,
    ),
    _check(
        name="vectors",
        clauses=(2, 6, 7, 13),
        title="Vectors and scalars keep a second moment for every element.",
        search=lambda target: cases(target, updates=(1, 2, 3, 5), shapes=((3,), (1,), (), (7,)), settings=_CALM),
    ),
    _check(
        name="decay_schedule",
        clauses=(1,),
        title="β̂_t is 1 - t^(-c), so it is 0 at the first update.",
        search=lambda target: cases(target, updates=(2, 3, 10, 1), drifts=(2, -2), settings=_CALM),
    ),
    _check(
        name="clipping",
        clauses=(8,),
        title="An update is scaled down to the threshold by its root mean square, and never up.",
        search=lambda target: cases(
            target,
            updates=(2, 3, 5, 10),
            shapes=((2, 3), (3,)),
            drifts=(2, 0),
            settings={"clipping_threshold": (1.0, 1.25, 1.5)},
        ),
    ),
    _check(
        name="rate",
        clauses=(9,),
        title="The rate of an update is the one that the trainer declares: its own, capped, or from outside.",
        search=lambda target: cases(target, updates=(1, 2, 5, 10), drifts=(0,)),
    ),
    _check(
        name="parameter_scale",
        clauses=(10,),
        title="The step is in proportion to the parameter's root mean square, and ε2 is its floor.",
        edges=lambda target: [build(target, {"eps2": eps2}, offset=None, updates=2, seed=9) for eps2 in (0.125, 1e-3)],
        search=lambda target: cases(
            target,
            updates=(1, 2),
            drifts=(0,),
            offsets=(10, 7, 5, None),
            settings={"eps2": (2.0**-3, 2.0**-6, 1e-3, 2.0)},
        ),
        skip=side("scale", "parameter"),
    ),
    _check(
        name="momentum",
        clauses=(11, 12),
        title="With momentum, updates are averaged in the declared order of rate and average.",
        search=lambda target: cases(target, updates=(2, 3, 5), changing_rate=target.offer.forks["rate"] != "relative"),
        skip=side("momentum", "after_rate", "before_rate"),
    ),
    _check(
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
    _check(
        name="memory",
        clauses=(15,),
        title="The state of a factored tensor is its rows and its columns, not its elements.",
        judge=_little_memory,
        edges=lambda target: [build(target, {}, shapes=((40, 50), (130, 140), (60,)), updates=1, seed=11)],
    ),
    _check(
        name="default_epsilon",
        clauses=(2, 5, 7),
        title="With the default ε1 = 1e-30 a zero gradient gives a finite update in every precision.",
        edges=lambda target: [
            *edges.zeros(target, {"eps1": 1e-30}),
            edges.silent(build(target, {"eps1": 1e-30}, shapes=((2, 3),), updates=2, seed=12), {0}),
        ],
    ),
]
