"""Cases for optimizers: settings, parameters, and for each update the gradients and the rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from lm_conformance.cases import tensors as draw_tensors
from lm_conformance.cases.tensors import SMALL, Style, fill, laid_out, styles

if TYPE_CHECKING:
    from lm_conformance.check import Target

# Numbers with few significant bits are the same in every format, so a trainer cannot be excused by having rounded
# them; the others are what people use. The first of each is what a counter-example shrinks to.
RATES = (1.0, 0.5, 0.125, 2.0**-10, 0.3, 1e-3)
MOMENTA = (0.5, 0.75, 0.9375, 0.9, 0.0)
DECAYS = (0.5, 0.125, 0.0, 0.01)
BETAS1 = (0.5, 0.75, 0.9375, 0.9, 0.0)
BETAS2 = (0.5, 0.75, 0.96875, 0.999, 0.99, 0.0)
EPSILONS = {
    "float64": (2.0**-3, 2.0**-13, 2.0**-27, 1e-8, 2.0**-40),
    "float32": (2.0**-3, 2.0**-13, 2.0**-27, 1e-8),
    "bfloat16": (2.0**-3, 2.0**-13, 2.0**-27, 1e-8),
    "float16": (2.0**-3, 2.0**-5, 2.0**-10),
}


@dataclass(frozen=True, repr=False)
class Case:
    """What one run of an optimizer is given."""

    settings: Mapping[str, Any]  # the keywords of the page's step, `decayed` a list
    base_rate: float | None
    parameters: Sequence[Tensor]
    gradients: Sequence[Sequence[Tensor | None]]  # for each update one for each parameter
    rates: Sequence[float | None]  # one for each update
    watched: frozenset[int]  # the updates after which parameters are compared, counted from 1
    resume: int | None = None  # the update after which the run is saved, and continued by another optimizer

    def describe(self) -> list[str]:
        """The case in words, the first three updates and all that are watched in full."""
        settings = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        lines = [f"settings: {settings or 'none'}; base rate {self.base_rate}"]
        lines += [f"parameter {i}: {shown(tensor)}" for i, tensor in enumerate(self.parameters)]
        for update, (gradients, rate) in enumerate(zip(self.gradients, self.rates, strict=True), start=1):
            if update <= 3 or (update in self.watched and len(self.watched) < 8):
                row = "; ".join("no gradient" if g is None else shown(g) for g in gradients)
                lines.append(f"update {update}, rate {rate}: gradients {row}")
            if update == self.resume:
                lines.append(f"saved and loaded after update {update}")
        if len(self.rates) > 3:
            lines.append(f"{len(self.rates)} updates in all")
        return lines


def shown(tensor: Tensor, most: int = 8) -> str:
    """A tensor as text: dtype, shape, layout, and its first elements in full precision."""
    numbers = [f"{x:.17g}" for x in tensor.detach().reshape(-1)[:most].double().tolist()]
    more = ", …" if tensor.numel() > most else ""
    layout = "" if tensor.is_contiguous() else f", strides {tuple(tensor.stride())}"
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}{layout} [{', '.join(numbers)}{more}]"


def settings_of(target: Target) -> dict[str, Sequence[Any]]:
    """For each setting of the target's page the values that cases draw from, as far as its forks leave them free."""
    forks = target.offer.forks
    epsilons = EPSILONS[target.narrowest]
    decays = (0.0,) if forks.get("weight_decay") == "absent" else DECAYS
    pools: dict[str, dict[str, Sequence[Any]]] = {
        "optimizers.sgd": {"weight_decay": decays},
        "optimizers.momentum": {
            "momentum": tuple(m for m in MOMENTA if m or forks.get("without") != "refused"),
            "dampening": (0.0,) if forks.get("dampening") == "absent" else (0.0, 0.5, 0.25),
            "weight_decay": decays,
        },
        "optimizers.nesterov": {"momentum": tuple(m for m in MOMENTA if m), "weight_decay": decays},
        "optimizers.adam": {"beta1": BETAS1, "beta2": BETAS2, "eps": epsilons},
        "optimizers.adamw": {"beta1": BETAS1, "beta2": BETAS2, "eps": epsilons, "weight_decay": decays},
        "optimizers.adafactor": {
            "eps1": (2.0**-6, 2.0**-10) if target.narrowest == "float16" else (2.0**-6, 2.0**-20),
            "eps2": (2.0**-3, 2.0**-6, 1e-3),
            "clipping_threshold": (1.0, 1.25, 2.0),
            "decay_exponent": (0.75, 0.5, 0.8, 1.0),
            "beta1": (None,) if forks.get("momentum") == "none" else (0.5, 0.75, 0.9375, 0.0),
        },
    }
    return pools[target.offer.page]


def cases(
    target: Target,
    *,
    updates: Sequence[int] = (1, 2, 3),
    tensors: Sequence[int] = (1,),
    shapes: Sequence[tuple[int, ...]] = SMALL,
    style: st.SearchStrategy[Style] | None = None,
    drifts: Sequence[int] = (0, -3, 3),
    offsets: Sequence[int | None] = (None, 0, -2, 1),
    changing_rate: bool = False,
    missing: bool = False,
    resume: bool = False,
    layouts: Sequence[str] = ("contiguous",),
    settings: Mapping[str, Sequence[Any]] | None = None,
) -> st.SearchStrategy[Case]:
    """Cases of the target's page. `settings` narrow what settings are drawn from.

    `drifts` and `offsets` are those of `build`.
    """
    values = {**settings_of(target), **(settings or {})}
    rates: Sequence[float | None] = RATES
    if target.offer.forks.get("rate") == "relative":
        rates = (None,)
    values.setdefault("lr", rates)
    fields = st.fixed_dictionaries({name: st.sampled_from(tuple(pool)) for name, pool in values.items()})
    how = style if style is not None else styles(target.narrowest)
    count, drift, offset = (
        st.sampled_from(tuple(updates)),
        st.sampled_from(tuple(drifts)),
        st.sampled_from(tuple(offsets)),
    )
    number, shape, layout = (
        st.sampled_from(tuple(tensors)),
        st.sampled_from(tuple(shapes)),
        st.sampled_from(tuple(layouts)),
    )
    seeds = st.integers(0, 2**32 - 1)

    @st.composite
    def draw_case(draw: st.DrawFn) -> Case:
        n, sizes = draw(count), [draw(shape) for _ in range(draw(number))]
        return build(
            target,
            draw(fields),
            shapes=sizes,
            updates=n,
            style=draw(how),
            drift=draw(drift),
            offset=draw(offset),
            seed=draw(seeds),
            layouts=[draw(layout) if len(layouts) > 1 else layouts[0] for _ in sizes],
            changing_rate=changing_rate,
            missing=missing,
            resume=draw(st.integers(1, n - 1)) if resume and n > 1 else None,
        )

    return draw_case()


def build(
    target: Target,
    settings: Mapping[str, Any],
    *,
    shapes: Sequence[tuple[int, ...]] = ((3,),),
    updates: int = 1,
    style: Style | None = None,
    drift: int = 0,
    offset: int | None = 0,
    seed: int = 0,
    layouts: Sequence[str] | None = None,
    changing_rate: bool = False,
    missing: bool = False,
    resume: int | None = None,
    watched: frozenset[int] | None = None,
) -> Case:
    """One case. Settings that are not given take the first of their values.

    `drift` is the exponent of two by which gradients grow from update to update.
    `offset` places the parameters' exponents relative to the size of an update, so that neither rounds the other
    away; None makes all parameters zero, which shows updates to their last bit.
    """
    style = style or Style(scale=0, spread=1, bits=12)
    chosen = {name: pool[0] for name, pool in settings_of(target).items()} | dict(settings)
    if chosen.get("momentum") == 0 and "dampening" in chosen:
        chosen["dampening"] = 0.0
    relative = target.offer.forks.get("rate") == "relative"
    rate = chosen.pop("lr", None if relative else RATES[0])
    generator = torch.Generator().manual_seed(seed)
    layouts = layouts or ["contiguous"] * len(shapes)
    dtypes = [target.dtypes[i % len(target.dtypes)] for i in range(len(shapes))]
    size = _update_exponent(target, rate, chosen, style)
    parameters = []
    for shape, dtype, layout in zip(shapes, dtypes, layouts, strict=True):
        values = fill(generator, Style((offset or 0) + size, spread=1, bits=style.bits), shape, dtype)
        parameters.append(laid_out(values * (offset is not None), layout))
    turns = torch.randint(0, 4, (len(shapes), updates), generator=generator).tolist()
    columns: list[list[Tensor | None]] = []  # for each parameter its gradients
    for i, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True)):
        column: list[Tensor | None] = []
        for turn, tensor in zip(
            turns[i], fill(generator, style, (updates, *shape), dtype, drift).unbind(), strict=True
        ):
            layout = draw_tensors.LAYOUTS[turn % 3] if len(set(layouts)) > 1 else layouts[i]
            column.append(None if missing and turn < 2 else laid_out(tensor.clone(), layout))
        columns.append(column)
    if "beta1" in chosen and target.offer.page == "optimizers.adamw":
        listed = target.offer.forks["exclusions"] == "list"
        chosen["decayed"] = [not (listed and (seed + i) % 3 == 1) for i in range(len(shapes))]
    return Case(
        settings=chosen,
        base_rate=rate,
        parameters=tuple(parameters),
        gradients=tuple(zip(*columns, strict=True)),
        rates=_rates(rate, updates, generator) if changing_rate else (rate,) * updates,
        watched=watched or frozenset(range(1, updates + 1)),
        resume=resume,
    )


def _update_exponent(target: Target, rate: float | None, settings: Mapping[str, Any], style: Style) -> int:
    """The power of two nearest to the size of an update."""
    exponent = math.log2(rate) if rate else math.log2(1e-2)
    if target.offer.page in {"optimizers.sgd", "optimizers.momentum", "optimizers.nesterov"}:
        exponent += style.scale
    if target.offer.forks.get("scale") == "parameter":
        exponent += math.log2(settings["eps2"])
    return round(exponent)


def _rates(base: float | None, updates: int, generator: torch.Generator) -> tuple[float | None, ...]:
    """A rate for each update: the base rate times small powers of two, or zero; no two in a row are equal."""
    if base is None:
        return (None,) * updates
    factors = (1.0, 0.25, 2.0, 0.5, 0.0)
    index, rates = 0, []
    for step in torch.randint(1, len(factors), (updates,), generator=generator).tolist():
        rates.append(base * factors[index])
        index = (index + step) % len(factors)
    return tuple(rates)
