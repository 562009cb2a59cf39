"""How initial weights are judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lm_reference.laws import Constant
from lm_reference.page import PageError, Variant

from lm_conformance import draw_tests
from lm_conformance import initialization_runs as runs
from lm_conformance.check import Check, NotOffered, Outcome, Picture, Target
from lm_conformance.draw_tests import Matrix
from lm_conformance.draws import Sums, standard, sums, together
from lm_conformance.errors import TrainerError
from lm_conformance.faults import faults_of
from lm_conformance.judge import broken
from lm_conformance.statistics import FIRST, SECOND, Finding, Stage, Trial, two_stages

if TYPE_CHECKING:
    from lm_reference.laws import Law
    from torch import Tensor

    from lm_conformance.cases.initialization import Case

Pools = Mapping[str, Sequence[str]]  # the name of a pool -> its roles; empty: every role by itself
Sample = list[runs.Drawn]

BINS = 80  # of a picture
WIDTH = 4.5  # of a picture, in standard deviations on either side


def follows(check: Check, target: Target, case: Case, *, pools: Pools) -> Outcome:
    """The elements of some roles follow the page's law."""
    roles = [role for own in pools.values() for role in own]

    def ask(sample: Sample, stage: Stage) -> list[Finding]:
        return law_tests(sample, pools, stage)

    trial = two_stages(lambda stage: _sample(check, target, case, stage, roles), ask)
    return _outcome(trial, picture=_density(trial, pools), obtained=trial.sample)


def _sample(check: Check, target: Target, case: Case, stage: Stage, roles: Sequence[str] = ()) -> Sample:
    first, *others = runs.seeds(check, target, FIRST.size + SECOND.size)
    finite = check.name != "largest"  # which says itself what is not
    return runs.drawn(target, case, [first] if stage is FIRST else others, roles=roles, finite=finite)


def law_tests(sample: Sample, pools: Pools, stage: Stage, laws: Mapping[str, Law] | None = None) -> list[Finding]:
    """What the tests of a law say of a sample; `laws` takes the place of the page's."""
    if laws is not None:
        sample = [replace(one, place=replace(one.place, law=laws[one.place.name])) for one in sample]
    tensors = _sums(sample)
    members: dict[str, dict[str, Sums]] = {}
    for one in sample:
        members.setdefault(_pool(one.place, pools), {})[one.place.name] = tensors[one.place.name]
    pooled = [together(name, list(own.values())) for name, own in members.items()]
    found = [draw_tests.scale(pooled, stage)]
    if any(math.isfinite(pool.law.support[1]) for pool in pooled):
        found.insert(0, draw_tests.support(pooled, stage))
    if len(tensors) > len(pooled):
        each = draw_tests.scale(list(tensors.values()), stage)
        found.append(replace(each, test=each.test.replace("std of", "std, tensor by tensor, of")))
    return found + [test(pooled, stage) for test in (draw_tests.center, draw_tests.tails, draw_tests.form)]


def _sums(sample: Sample) -> dict[str, Sums]:
    """The sums of each tensor, over all models that were drawn."""
    parts: dict[str, list[Sums]] = {}
    for one in sample:
        parts.setdefault(one.place.name, []).append(sums(one.place.name, one.weights, one.place.law))
    return {name: together(name, own) for name, own in parts.items()}


def _pool(place: runs.Place, pools: Pools) -> str:
    return next((name for name, roles in pools.items() if place.role in roles), place.role)


def _outcome(trial: Trial[Sample], *, picture: Picture | None = None, obtained: Any = None) -> Outcome:
    if not trial.rejected:
        return Outcome(0.0, conclusive=True, statistics=trial.statistics)
    first, *others = trial.rejected
    return Outcome(
        math.inf,
        conclusive=True,
        failure=_words(first),
        details=tuple(map(_words, others)),
        obtained=obtained,
        statistics=trial.statistics,
        picture=picture,
    )


def _words(finding: Finding) -> str:
    return f"{finding.says} (p {finding.p:.2g}, {finding.draws:,} draws)"


def _density(trial: Trial[Sample], pools: Pools) -> Picture | None:
    """The density of the pool that was rejected, beside the law's."""
    if not trial.rejected:
        return None
    place = trial.rejected[0].place
    own = [one for one in trial.sample if place in (one.place.name, _pool(one.place, pools))]
    weights = torch.cat([one.weights.double().reshape(-1) for one in own])
    law = own[0].place.law
    wide = min(float(weights.std()), 4 * law.std)
    edges = torch.linspace(-WIDTH, WIDTH, BINS + 1, dtype=torch.float64) * max(law.std, wide)
    counts, _ = np.histogram(weights.numpy(), edges.numpy())
    step = float(edges[1] - edges[0])
    return Picture(
        f"{place}, initial value",
        "density",
        tuple(((edges[1:] + edges[:-1]) / 2).tolist()),
        tuple((law.cdf(edges).diff() / step).tolist()),
        tuple((counts / (len(weights) * step)).tolist()),
    )


Ask = Callable[[Sample, Stage], list[Finding]]


def asked(check: Check, target: Target, case: Case, *, ask: Ask) -> Outcome:
    """Tests that are asked of all tensors that are drawn."""
    padded = _padded(check, target, case) if ask is complete else None
    if padded is not None:
        return broken(padded)
    trial = two_stages(lambda stage: _sample(check, target, case, stage), ask)
    return _outcome(trial, obtained=_signature(trial.rejected))


def complete(sample: Sample, stage: Stage) -> list[Finding]:
    """No row and no column is drawn otherwise than the others."""
    return [draw_tests.lines(_matrices(sample), stage)]


def independent(sample: Sample, stage: Stage) -> list[Finding]:
    """No tensor, row or column follows from another.

    How much the std of rows may differ depends on the law. Where that is rejected, this says nothing more of it.
    """
    matrices = _matrices(sample)
    spread = draw_tests.spread(matrices, stage)
    if any(finding.p < stage.level for finding in law_tests(sample, {}, stage)):
        spread = replace(spread, p=1.0)
    found = [draw_tests.related_lines(matrices, stage), spread]
    alone = len(sample) == len({one.call for one in sample})
    return found if alone else [draw_tests.related_tensors(matrices, stage), *found]


def largest(sample: Sample, stage: Stage) -> list[Finding]:
    """Every element is finite, and none is larger than its law, or chance, allows."""
    found = [draw_tests.finite({one.place.name: one.weights for one in sample}, stage)]
    if found[0].p:
        bounded = [one for one in sample if math.isfinite(one.place.law.support[1])]
        endless = [one for one in sample if math.isinf(one.place.law.support[1])]
        if bounded:
            found.append(draw_tests.support(list(_sums(bounded).values()), stage))
        if endless:
            found.append(draw_tests.largest(_matrices(endless), stage))
    return found


def _padded(check: Check, target: Target, case: Case) -> str | None:
    """What is wrong with the rows that are declared to be zero."""
    (seed,) = runs.seeds(check, target, 1)
    for place in runs.places(target, case):
        count = runs.padding_rows(target, place.role)
        if count and bool(runs.obtained(target, case, seed)[place.role][0][:count].any()):
            return f"declared: padding = zero, but row 0 of {place.name} is not zero"
    return None


def _matrices(sample: Sample) -> list[Matrix]:
    """The draws, carried over to the standard normal distribution."""
    return [Matrix(one.place.name, standard(one.weights, one.place.law), one.call, one.skipped) for one in sample]


def constant(check: Check, target: Target, case: Case, *, role: str) -> Outcome:
    """Every element of a role has the page's value."""
    (seed,) = runs.seeds(check, target, 1)
    vectors = runs.obtained(target, case, seed)[role]
    if not vectors:
        raise NotOffered(f"its model has no {role}")
    elements = torch.cat([vector.double().reshape(-1) for vector in vectors])
    value = next(place.law.support[0] for place in runs.places(target, case) if place.role == role)
    wrong = elements[elements != value]
    if not len(wrong):
        return Outcome(0.0, conclusive=True)
    least, most = float(wrong.min()), float(wrong.max())
    return broken(
        f"{len(wrong):,} of {len(elements):,} elements of {role} are not {value:g}: they lie between {least:.6g} and "
        f"{most:.6g}",
        elements,
    )


def reproducible(check: Check, target: Target, case: Case) -> Outcome:
    """Equal seeds give equal weights; with another seed every tensor is another."""
    (seed,) = runs.seeds(check, target, 1)
    other = (seed + 1) % runs.SEEDS
    first, second, again = (runs.drawn(target, case, [one]) for one in (seed, other, seed))
    for one, two, three in zip(first, second, again, strict=True):
        name = one.place.name
        if not torch.equal(one.weights, three.weights):
            return broken(f"drawn twice with the seed {seed}, {name} differs", ("differs", name))
        if torch.equal(one.weights, two.weights):
            return broken(f"drawn with the seeds {seed} and {other}, {name} is the same", ("same", name))
    return Outcome(0.0, conclusive=True)


def _signature(rejected: Sequence[Finding]) -> frozenset[tuple[str, frozenset[str]]] | None:
    """What was rejected, and where."""
    return frozenset((finding.test, finding.places) for finding in rejected) or None


def looks_like_law(check: Check, target: Target, case: Case, sample: Sample, *, pools: Pools) -> str | None:  # noqa: ARG001
    """The known fault, or other side of a fork, whose law the sample does not reject."""
    own = {place.name: place.law for place in runs.places(target, case)}
    asked = {one.place.name for one in sample}
    for variant, words in _candidates(target):
        try:
            laws = {place.name: place.law for place in runs.places(target, case, variant)}
        except (PageError, ArithmeticError, ValueError, TypeError, KeyError):
            continue  # the variant does not fit these forks
        if not asked <= set(laws) or all(laws[name] == own[name] for name in asked):
            continue
        if all(finding.p >= SECOND.level for finding in law_tests(sample, pools, SECOND, laws)):
            return words
    return None


def looks_like_constant(check: Check, target: Target, case: Case, elements: Tensor, *, role: str) -> str | None:  # noqa: ARG001
    """The known fault whose value the elements have, or whose law they do not reject."""
    for variant, words in _candidates(target):
        try:
            law = next(place.law for place in runs.places(target, case, variant) if place.role == role)
        except (PageError, ArithmeticError, ValueError, TypeError, KeyError):
            continue  # the variant does not fit these forks
        if isinstance(law, Constant):
            same = bool((elements == law.value).all())
        else:
            tests = (draw_tests.support, draw_tests.scale, draw_tests.center, draw_tests.form)
            pool = [sums(role, elements, law)]
            same = all(test(pool, SECOND).p >= SECOND.level for test in tests)
        if same:
            return words
    return None


def looks_like(check: Check, target: Target, case: Case, obtained: Any, *, ask: Ask | None = None) -> str | None:
    """The known fault of the check's clauses, or other side of a fork, that fails in the same places."""
    from lm_conformance.reference_trainer import Reference

    for variant, words in _candidates(target):
        if not set(variant.lines) & set(check.clauses) and variant not in _of_clauses(check):
            continue
        trainer = Reference(forks={check.page: target.offer.forks}, variants=[variant])
        offer = next(offer for offer in trainer.offered() if offer.page == check.page)
        other = replace(target, offer=offer)
        try:
            if ask is None:
                found = check.judge(check, other, case).obtained
            else:
                findings = ask(_sample(check, other, case, FIRST), FIRST)
                found = _signature([finding for finding in findings if finding.p < FIRST.level])
        except (TrainerError, NotOffered):
            continue  # the variant does not fit these forks
        if found == obtained:
            return words
    return None


def _of_clauses(check: Check) -> set[Variant]:
    return {fault.variant for fault in faults_of(check.page) if fault.clause in check.clauses}


def _candidates(target: Target) -> Iterator[tuple[Variant, str]]:
    """The faults that may be under the declared forks, and the sides that are not declared, with their words."""
    declared = target.offer.forks
    for name, fork in target.page.forks.items():
        for side, variant in fork.sides.items():
            if side != declared[name] and variant.lines:
                yield variant, f"the fork {name} = {side}, which the trainer does not declare"
    for fault in faults_of(target.page.id):
        if all(declared[name] == side for name, side in fault.forks.items()):
            yield fault.variant, f"{fault.variant.name} (clause {fault.clause}; {fault.variant.source})"
