"""Cases for loss scalers: settings, and the gradients of a run of updates, some of them with something not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from lm_conformance.cases.optimizers import shown
from lm_conformance.cases.tensors import LAYOUTS, Style, fill, laid_out

if TYPE_CHECKING:
    from lm_conformance.check import Target

MANY = 60  # updates that are shown
LONG = 70_001  # elements: more than a chunk of any kernel
GOOD = "."
BAD = {"i": (math.inf,), "m": (-math.inf,), "n": (math.nan,), "p": (math.inf, -math.inf)}  # what an update may hold

Gradients = Sequence[Tensor | None]


@dataclass(frozen=True, repr=False)
class Case:
    """What one loss scaler is given."""

    settings: Mapping[str, Any]
    updates: Sequence[Gradients]
    losses: Sequence[float] = (1.0,)  # that are scaled before every update
    resume: int | None = None  # the update after which the scaler is saved, and continued by another
    note: str = ""  # what the updates are, in words

    def describe(self) -> list[str]:
        """The case in words."""
        lines = [", ".join(f"{name}={value:g}" for name, value in self.settings.items())]
        if self.note:
            lines.append(self.note)
        if len(self.updates) <= 3 and len(self.updates[0]) < 4:
            lines += [
                f"update {number}: {'; '.join('no gradient' if g is None else shown(g) for g in gradients)}"
                for number, gradients in enumerate(self.updates, start=1)
            ]
        return lines if self.resume is None else [*lines, f"saved and loaded after update {self.resume}"]


def settings(target: Target, **own: Any) -> dict[str, Any]:
    """Settings of the target's page; those that are not given are a scale of 65,536 and an interval of 4."""
    if target.offer.page == "precision.static_loss_scaling":
        return {"scale": own.get("initial_scale", 2.0**16)}
    found = {"initial_scale": 2.0**16, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 4, **own}
    forks = target.offer.forks
    if forks["floor"] == "given":
        found.setdefault("floor", 2.0**-60)
    if forks["hysteresis"] != "none":
        found.setdefault("hysteresis", 1)
    return found


def factors(target: Target, *, exact: bool) -> list[tuple[float, float]]:
    """Pairs of growth and backoff that the trainer can have; `exact` leaves powers of two."""
    how = target.offer.forks.get("factors", "free")
    pairs = [(2.0, 0.5)]
    if how != "two":
        pairs.append((4.0, 0.25))
    if how == "free":
        pairs += [(2.0, 0.25), (4.0, 0.5)] if exact else [(1.5, 0.5), (2.0, 0.75), (1.5, 0.75)]
    return pairs


def run(
    target: Target,
    pattern: str,
    *,
    resume: int | None = None,
    shapes: Sequence[tuple[int, ...]] = ((3,),),
    seed: int = 0,
    **own: Any,
) -> Case:
    """A run of updates, one for each letter of the pattern: good, or with what `BAD` says, somewhere in a gradient."""
    generator = torch.Generator().manual_seed(seed)
    style, count = Style(4, spread=8, bits=12), len(pattern)
    columns = [fill(generator, style, (count, *shape), torch.float32).unbind() for shape in shapes]
    updates = [tuple(g.clone() for g in row) for row in zip(*columns, strict=True)]
    for gradients, letter in zip(updates, pattern, strict=True):
        if letter != GOOD:
            _spoil(gradients, letter, generator)
    some = pattern if len(pattern) <= MANY else f"{pattern[:MANY]}…, {len(pattern)} in all"
    note = f"updates {some} (. finite, i infinite, m minus infinite, n NaN, p infinite and minus infinite)"
    return Case(settings(target, **own), updates, resume=resume, note=note)


def _spoil(gradients: Sequence[Tensor], letter: str, generator: torch.Generator) -> None:
    """Put what is not finite somewhere."""
    which = int(torch.randint(0, len(gradients), (), generator=generator))
    flat = gradients[which].reshape(-1)
    places = torch.randperm(flat.numel(), generator=generator)[: len(BAD[letter])]
    for place, value in zip(places.tolist(), BAD[letter], strict=False):
        flat[place] = value


def patterns(longest: int = 12, bad: str = "imnp") -> st.SearchStrategy[str]:
    """Runs in which about every fourth update is not finite."""
    letters = st.sampled_from((GOOD,) * 12 + tuple(bad))
    return st.lists(letters, min_size=1, max_size=longest).map("".join)


def runs(
    target: Target, *, exact: bool = True, resume: bool = False, **pools: Sequence[Any]
) -> st.SearchStrategy[Case]:
    """Runs of any pattern, factors and intervals; more settings are drawn from `pools`."""

    @st.composite
    def draw_case(draw: st.DrawFn) -> Case:
        pattern = draw(patterns())
        growth, backoff = draw(st.sampled_from(tuple(factors(target, exact=exact))))
        own = {name: draw(st.sampled_from(tuple(pool))) for name, pool in pools.items()}
        own |= {"growth_factor": growth, "backoff_factor": backoff}
        own.setdefault("growth_interval", draw(st.sampled_from((2, 1, 3, 4, 5))))
        own.setdefault("initial_scale", draw(st.sampled_from((1.0, 2.0**16, 8.0, 2.0**10))))
        return run(
            target,
            pattern,
            seed=draw(st.integers(0, 2**32 - 1)),
            resume=draw(st.integers(1, len(pattern))) if resume else None,
            shapes=draw(st.sampled_from((((3,),), ((2, 3), (1,)), ((), (5,), (2,))))),
            **own,
        )

    return draw_case()


def phases(target: Target, *, resume: bool = False) -> list[Case]:
    """An interval of four with one skipped update at every place, and with two in a row; resumed anywhere."""
    found = ["." * place + bad + "." * (9 - place) for place in range(9) for bad in ("i", "nm")]
    if not resume:
        return [run(target, pattern, seed=number) for number, pattern in enumerate(["." * 9, *found])]
    return [run(target, pattern, resume=1 + number % 9, seed=number) for number, pattern in enumerate(found)]


def spots(target: Target) -> list[Case]:
    """One thing that is not finite, in any tensor, first or last element, any size and layout."""
    shapes = ((2,), (0,), (3, 4), (), (17,), (1000,))
    filled = [g for g in run(target, GOOD, shapes=shapes).updates[0] if g is not None]
    cases: list[Case] = []
    for which, shape in enumerate(shapes):
        count = torch.Size(shape).numel()
        for turn, place in enumerate(sorted({0, count // 2, count - 1}) if count else ()):
            kinds = [letter for letter in BAD if letter != "p" or count > 1]
            cases += [_spotted(target, filled, which, place, letter) for letter in kinds[(which + turn) % 2 :: 2]]
    many = [torch.ones(3)] * 300
    cases += [_spotted(target, many, which, 0, "i") for which in (0, 255, 256, 299)]
    long = [torch.ones(LONG)]
    return cases + [_spotted(target, long, 0, place, "n") for place in (65_536, LONG - 1)]


def _spotted(target: Target, gradients: Sequence[Tensor], which: int, place: int, letter: str) -> Case:
    flat = gradients[which].reshape(-1).clone()
    values = BAD[letter]
    flat[[(place + i) % flat.numel() for i in range(len(values))]] = torch.tensor(values)
    layout = LAYOUTS[(which + place) % 3]
    update = list(gradients)
    update[which] = laid_out(flat.reshape(gradients[which].shape), layout)
    where = f"gradient {which} of {len(update)}, {layout}, element {place} of {flat.numel()}"
    return Case(settings(target), [tuple(update)], note=f"{'/'.join(map(str, values))} in {where}")


def finite(target: Target) -> list[Case]:
    """Finite gradients that a careless test takes for infinite ones, and gradients without elements."""
    largest = torch.finfo(torch.float32).max
    huge = [
        torch.tensor([65504.0, 65520.0, -65536.0, 1e10]),  # beyond float16
        torch.zeros(4),
        torch.zeros(0),
        torch.tensor([2.0**-149, -(2.0**-126)]),
    ]
    if target.offer.forks.get("detection", "elements") != "sums":
        huge += [torch.full((9,), largest), torch.tensor([-largest, largest, 2.0**70]), torch.full((2, 2), -largest)]
    return [*(Case(settings(target), [(values,), (values,)]) for values in huge), Case(settings(target), [tuple(huge)])]


def below_one(target: Target) -> list[Case]:
    """A scale below 1, so that the division may overflow although every gradient is finite."""
    gradients = torch.tensor([2.0**126, -1.0, 2.0**127])
    return [Case(settings(target, initial_scale=2.0**-4), [(gradients,), (gradients / 2**10,)])]


def magnitudes(target: Target) -> list[Case]:
    """Scales that are powers of two, and gradients of every magnitude, of which some become subnormal."""
    largest = 60.0 if target.offer.forks.get("detection") == "sums" else 127.0
    values = (1.5 * torch.exp2(torch.arange(-149, largest + 1, dtype=torch.float64))).float()
    values = torch.cat([values, -values, torch.zeros(1)])
    many = values.repeat(LONG // len(values) + 1)[:LONG]
    cases = []
    for scale in (1.0, 2.0, 8.0, 1024.0, 2.0**16, 2.0**24):
        own = settings(target, initial_scale=scale)
        layouts = tuple(laid_out(values[:400].reshape(40, 10), layout) for layout in LAYOUTS)
        cases.append(Case(own, [(values, *layouts, many) if scale == 8 else (values, *layouts)]))
    return cases


def growing(target: Target) -> list[Case]:
    """Runs without anything infinite, over one interval and more."""
    intervals = (1, 2, 3, 4, 7)
    cases = [run(target, GOOD * (3 * n + 2), growth_interval=n, shapes=((1,),)) for n in intervals]
    return [*cases, run(target, GOOD * 301, growth_interval=300, shapes=((1,),))]


def losses(target: Target) -> list[Case]:
    """Losses of any sign and size, before updates that change the scale."""
    values = (1.0, 0.0, -0.0, -3.5, 2.0**-20, 1234.5678, -1e-3, 1.0)
    pattern = "......" if _ends(target) else "..i..."
    return [
        replace(run(target, pattern, growth_interval=2, initial_scale=scale), losses=values) for scale in (2.0**16, 8.0)
    ]


def _ends(target: Target) -> bool:
    """Whether training ends at a gradient that is not finite."""
    return target.offer.forks.get("nonfinite") == "raised"


def missing(target: Target) -> list[Case]:
    """Parameters without a gradient, beside good ones and infinite ones."""
    one, bad = torch.tensor([1.0, -2.0]), torch.tensor([1.0, math.inf])
    rows: list[list[Gradients]] = [[(None, one), (one, None)], [(one, None, one), (None, one, None)]]
    if not _ends(target):
        rows += [[(bad, None), (one, None)], [(None, bad), (None, one)]]
    return [Case(settings(target, growth_interval=2), row) for row in rows]
