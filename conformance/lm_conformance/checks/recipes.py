"""Checks of recipes: a trainer's configuration beside the published one, name by name and size by size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lm_conformance import exact, guard, judge
from lm_conformance.check import ANY, Check, NotOffered, Outcome
from lm_conformance.compare import K
from lm_conformance.errors import TrainerError
from lm_conformance.faults import faults_of

if TYPE_CHECKING:
    from lm_reference.rounding import Arithmetic

    from lm_conformance.check import Target

Configurations = Mapping[str, Mapping[str, Any]]  # size -> name -> value


@dataclass(frozen=True)
class Case:
    """Some names of the configurations of all sizes."""

    sizes: Sequence[str]
    names: Sequence[str]

    def describe(self) -> list[str]:
        """The case in words."""
        return [f"{', '.join(self.names)} of the sizes {', '.join(self.sizes)}"]


def configurations(target: Target, case: Case) -> Configurations:
    """What the trainer says of each size that it has.

    Raises:
        TrainerError: it raised, or returned no dictionary with the names of the case.
        NotOffered: it has none of the sizes.

    """
    name = target.offer.method.__name__
    found = {}
    for size in case.sizes:
        configuration = guard.call(name, target.offer.method, size, timeout=target.timeout)
        if configuration is None:
            continue
        if not isinstance(configuration, Mapping):
            raise TrainerError(
                f"{name}({size!r}) returned {type(configuration).__name__}, but must return a dictionary"
            )
        missing = [one for one in case.names if one not in configuration]
        if missing:
            raise TrainerError(f"{name}({size!r}) has no {missing[0]!r}, but must have {', '.join(case.names)}")
        found[size] = {one: configuration[one] for one in case.names}
    if not found:
        raise NotOffered(f"it has none of the sizes {', '.join(case.sizes)}")
    return found


def difference(found: Configurations, page: Any, arithmetic: Arithmetic) -> str | None:
    """The first value that is not the page's, in words, or nothing."""
    for size, configuration in found.items():
        wanted = page.configuration(size)
        for name, value in configuration.items():
            if not _agree(value, wanted[name], arithmetic, page.Between):
                return f"{name} of {size} is {value!r}, expected {_said(wanted[name], page.Between)}"
    return None


def _agree(value: Any, wanted: Any, arithmetic: Arithmetic, between: type) -> bool:
    """Whether a value is the published one; of a number that the trainer's scalars do not hold, the nearest will do."""
    if isinstance(wanted, (bool, str)):
        return type(value) is type(wanted) and bool(value == wanted)
    if isinstance(value, (bool, str)):
        return False
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    if isinstance(wanted, between):
        return bool(wanted.least <= number <= wanted.most and number % wanted.unit == 0)  # type: ignore[attr-defined]
    bound = arithmetic.scalar(wanted)
    return bool(number == wanted or abs(number - wanted) <= K * float(bound.error))


def _said(wanted: Any, between: type) -> str:
    if not isinstance(wanted, between):
        return repr(wanted)
    unit = "" if wanted.unit == 1 else f"a multiple of {wanted.unit} "  # type: ignore[attr-defined]
    return f"{unit}from {wanted.least:.10g} to {wanted.most:.10g}"  # type: ignore[attr-defined]


def same_configuration(check: Check, target: Target, case: Case) -> Outcome:
    """The values of some names are the page's, in every size that the trainer has."""
    found = configurations(target, case)
    page = target.page.module(*target.page.sides(target.offer.forks))
    wrong = difference(found, page, target.scalars)
    if wrong is not None:
        return judge.broken(wrong, found)

    def seen(faulty: Target) -> bool:
        return difference(configurations(faulty, case), page, target.scalars) is not None

    return Outcome(0.0, exact.conclusive(check, target, seen))


def _explain(check: Check, target: Target, case: Case, found: Any) -> str | None:  # noqa: ARG001 the values suffice
    """The fault, or the other side of a fork, with these values: under its lines nothing is wrong any more."""
    known = [fault.variant for fault in faults_of(check.page) if fault.clause in check.clauses]
    sides = [side for fork in target.page.forks.values() for side in fork.sides.values() if side.lines]
    declared = target.page.sides(target.offer.forks)
    for variant in [*known, *sides]:
        page = target.page.module(*declared, variant)
        if variant not in declared and difference(found, page, target.scalars) is None:
            if variant.kind == "fork":
                return f"the fork {variant.name}, which the trainer does not declare"
            return f"{variant.name} ({variant.source})"
    return None


def _gpt3() -> list[Check]:
    sizes = ("125M", "350M", "760M", "1.3B", "2.7B", "6.7B", "13B", "175B")

    def check(
        name: str, clauses: tuple[int, ...], names: Sequence[str], title: str, some: Sequence[str] = sizes
    ) -> Check:
        return Check(
            "recipes.gpt3",
            name,
            clauses,
            title,
            same_configuration,
            edges=lambda target: [Case(some, names)],  # noqa: ARG005 the signature of edges
            at=ANY,
            explain=_explain,
        )

    consistent = tuple(size for size in sizes if size not in {"1.3B", "13B"})
    shape = ("layers", "width", "heads", "head_width")
    return [
        check("shapes", (1,), shape, "Six models have the shape of table 2.1.", consistent),
        check("heads_of_1_3B", (1, 2), shape, "The 1.3B model has the heads that are declared.", ("1.3B",)),
        check("width_of_13B", (1, 3), shape, "The 13B model has the width that is declared.", ("13B",)),
        check("feed_forward", (4,), ("feed_forward",), "The feed-forward layer is four times as wide as the model."),
        check("context", (5,), ("context",), "Rows have 2,048 tokens."),
        check("peak", (6,), ("peak",), "Each size has its own peak rate."),
        check("adam", (7,), ("beta1", "beta2", "eps"), "Adam has the published β1, β2 and ε."),
        check("clipping", (8,), ("max_norm",), "Gradients are clipped to the norm 1."),
        check("weight_decay", (9,), ("weight_decay", "decoupled"), "Weights decay by 0.1, decoupled."),
        check("warmup", (10,), ("warmup", "schedule"), "The rate rises over 375 million tokens."),
        check("decay", (11,), ("floor", "horizon"), "The rate falls to a tenth of the peak over 260 billion tokens."),
        check("tokens", (12,), ("tokens",), "Training takes 300 billion tokens."),
        check(
            "batch", (13,), ("full",), "Each size has its own batch, within 5 % of the rounded figure, in whole rows."
        ),
        check("first_batch", (14,), ("first",), "The first batch has 32k tokens, in whole rows."),
        check("ramp", (15,), ("ramp",), "The batch is full after 4 to 12 billion tokens."),
        check(
            "packing", (16,), ("packed", "separated"), "Rows are full, with documents that are separated by a token."
        ),
        check("documents", (17,), ("document_mask", "document_positions"), "Attention and positions cross documents."),
        check(
            "network",
            (18,),
            ("norm", "vocabulary", "initialization"),
            "Norms, vocabulary and initial weights are those of GPT-2.",
        ),
        check(
            "attention",
            (19,),
            ("attention",),
            "Layers of attention are dense, or dense and sparse in turn, as declared.",
        ),
    ]


CHECKS = _gpt3()
