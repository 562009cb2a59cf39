"""Cases for formats of 16 bits: every number of the format, every place where rounding turns, and random bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from hypothesis import strategies as st
from lm_reference.rounding import FORMATS
from torch import Tensor

from lm_conformance.cases.optimizers import shown
from lm_conformance.cases.tensors import LAYOUTS, laid_out

if TYPE_CHECKING:
    from lm_conformance.check import Target

MANY = 2048  # numbers of a random case
CHUNK = 2**14  # numbers of a case that is one of many
SIZES = ((1,), (7,), (8,), (9,), (31,), (64,), (65,), (1000,), (), (0,), (5, 3), (2, 3, 4), (16, 33))


@dataclass(frozen=True, repr=False)
class Case:
    """Numbers to be cast, or to be added in pairs."""

    what: str
    values: Tensor  # float32, or where there are others of the format
    others: Tensor | None = None

    def describe(self) -> list[str]:
        """The case in words."""
        lines = [f"{self.what}: {shown(self.values)}"]
        return lines if self.others is None else [*lines, f"added to {shown(self.others)}"]


def name_of(target: Target) -> str:
    """The format of the target's page."""
    return target.offer.page.partition(".")[2]


@cache
def every_number(format_name: str) -> Tensor:
    """All 65,536 patterns of 16 bits as tensor of the format."""
    return torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(getattr(torch, format_name))


@cache
def turns(format_name: str) -> Tensor:
    """All midpoints between neighbouring numbers from 0 upwards, with their float32 neighbours; some of them negative.

    Behind the largest number lies the one that would follow it.
    """
    numbers = every_number(format_name).double()
    numbers = numbers[numbers.isfinite() & ~numbers.signbit()].sort().values
    following = torch.cat([numbers[1:], 2 * numbers[-1:] - numbers[-2:-1]])
    middle = ((numbers + following) / 2).float()
    around = torch.stack(
        [middle.nextafter(torch.zeros(())), middle, middle.nextafter(torch.full((), torch.inf))], dim=1
    )
    return torch.cat([around, -around[::17]]).reshape(-1)


def turning(target: Target, where: Callable[[Tensor], Tensor], what: str) -> list[Case]:
    """The places of a region where rounding turns; `where` chooses it by magnitudes."""
    found = turns(name_of(target))
    return chunks(what, asked(target, found[where(found.abs())]))


def chunks(what: str, values: Tensor) -> list[Case]:
    """Many numbers as several cases, each small enough that no library starts threads for it."""
    return [Case(what, values[start : start + CHUNK]) for start in range(0, len(values), CHUNK)]


def smallest_normal(target: Target) -> float:
    """The smallest normal number of the format."""
    return FORMATS[name_of(target)].smallest_normal


def asked(target: Target, values: Tensor) -> Tensor:
    """The numbers without those of which nothing is said where subnormal numbers are flushed."""
    if target.offer.forks["subnormals"] == "kept":
        return values
    least = smallest_normal(target)
    unclear = (values.abs() < least) & (values.abs() > least - FORMATS[name_of(target)].smallest_subnormal)
    return values[~unclear]


def floats(bits: list[int]) -> Tensor:
    """float32 numbers of their bits."""
    return torch.tensor(bits, dtype=torch.int64).to(torch.int32).view(torch.float32)


def limits(target: Target) -> list[Case]:
    """The largest number, the first that is infinite with its neighbours, and all powers of two around and beyond."""
    numbers = FORMATS[name_of(target)]
    first = torch.tensor(numbers.largest * (1 + numbers.roundoff / (2 - 2 * numbers.roundoff)), dtype=torch.float32)
    beyond = torch.exp2(torch.arange(10.0, 128.0))
    around = [torch.tensor(numbers.largest), first, first.nextafter(torch.zeros(())), first.nextafter(beyond[-1] * 2)]
    values = torch.cat([torch.stack(around), beyond, 1.5 * beyond, torch.tensor([torch.finfo(torch.float32).max])])
    return [Case("large numbers", torch.cat([values, -values]))]


def not_numbers() -> list[Case]:
    """NaNs of every kind, infinities, and zeros of both signs."""
    payloads = [1, 1 << 12, 1 << 13, 1 << 15, 1 << 16, 1 << 21, 1 << 22, (1 << 23) - 1, (1 << 22) + 1, 0x1FFF, 0xFFFF]
    nans = [sign | 0x7F800000 | payload for sign in (0, 1 << 31) for payload in payloads]
    return [
        Case("NaNs", floats(nans)),
        Case("infinities and zeros", floats([0x7F800000, 0xFF800000, 0, 0x80000000])),
    ]


def signs(target: Target) -> list[Case]:
    """Numbers on the way to zero and to infinity, of both signs."""
    numbers = FORMATS[name_of(target)]
    tiny = torch.exp2(torch.arange(-6.0, 0, dtype=torch.float64)) * numbers.smallest_subnormal
    huge = torch.tensor([numbers.largest, 2 * numbers.largest, 3e38], dtype=torch.float64).clamp(max=3.4e38)
    values = torch.cat([tiny, huge]).float()
    return [Case("tiny and huge numbers", torch.cat([values, -values]))]


def around_one(target: Target) -> list[Case]:
    """1 + u and 1 - u for every u of the format up to four spacings at 1."""
    numbers = every_number(name_of(target)).double()
    small = numbers[(numbers >= 0) & (numbers <= 8 * FORMATS[name_of(target)].roundoff)]
    if target.offer.forks["subnormals"] == "flushed":
        small = small[(small == 0) | (small >= smallest_normal(target))]
    u = torch.cat([small, -small]).to(getattr(torch, name_of(target)))
    return [Case("1", torch.ones_like(u), u)]


def random_bits(target: Target) -> st.SearchStrategy[Case]:
    """float32 numbers of random bits."""

    def build(seed: int) -> Case:
        generator = torch.Generator().manual_seed(seed)
        bits = torch.randint(0, 2**32, (MANY,), generator=generator, dtype=torch.int64)
        return Case("random bits", asked(target, bits.to(torch.int32).view(torch.float32)))

    return st.integers(0, 2**32 - 1).map(build)


def random_pairs(target: Target) -> st.SearchStrategy[Case]:
    """Pairs of numbers of the format: any two, and two of about the same size."""
    numbers = every_number(name_of(target))

    def build(seed: int) -> Case:
        generator = torch.Generator().manual_seed(seed)
        first = torch.randint(0, 2**16, (MANY,), generator=generator)
        near = first + torch.randint(-(2**12), 2**12, (MANY,), generator=generator)
        far = torch.randint(0, 2**16, (MANY,), generator=generator)
        second = torch.where(torch.arange(MANY) % 2 == 0, near, far) % 2**16
        one, other = numbers[first], numbers[second]
        if target.offer.forks["subnormals"] == "flushed":
            normal = (_normal(target, one)) & _normal(target, other) & _normal(target, one.double() + other.double())
            one, other = one[normal], other[normal]
        return Case("random numbers", one, other)

    return st.integers(0, 2**32 - 1).map(build)


def _normal(target: Target, values: Tensor) -> Tensor:
    return (values == 0) | ~(values.abs() < smallest_normal(target))


def sized(target: Target) -> list[Case]:
    """Tensors of many sizes, in every layout, of numbers that are about to be rounded."""
    found = turns(name_of(target))
    found = found[(found.abs() > 2.0**-4) & (found.abs() < 2.0**4)]
    cases = []
    for i, shape in enumerate(SIZES):
        count = torch.Size(shape).numel()
        for layout in LAYOUTS if len(shape) > 1 else LAYOUTS[::2]:
            values = found[31 * i : 31 * i + count].reshape(shape)
            cases.append(Case(f"{layout} tensor of shape {shape}", laid_out(values, layout)))
    return cases
