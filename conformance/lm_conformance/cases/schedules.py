"""Cases for schedules: settings, and the points at which the curve is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from lm_conformance.check import Target

# the first of each is what a counter-example shrinks to; numbers with few bits are the same in every format
PEAKS = (1.0, 0.5, 2.0**-10, 1e-3, 6e-4)
FLOORS = (0.125, 0.0, 0.1, 0.5)  # shares of the peak
WARMUPS = (4, 1, 2, 3, 10, 0, 37, 100)
DECAYS = (8, 1, 2, 3, 5, 10, 64, 100, 333)
LONG = ((375_000_000, 259_625_000_000), (10_000, 990_000), (0, 1_000_000), (2**20, 2**31))  # tokens, updates, sequences
ROWS = (1, 8, 128, 2048)
RAMPS = (64, 7, 100, 1000, 4096)
LONG_RAMPS = (12_000_000_000, 4_000_000_000, 2**22)
STEPS = 2_000  # the longest run of a schedule that can only be followed update by update


@dataclass(frozen=True)
class Case:
    """What is asked of one schedule."""

    settings: Mapping[str, float]
    points: Sequence[int]  # in the order in which they are asked
    resume: int | None = None  # the update before which a followed schedule is saved, and continued by another one

    def describe(self) -> list[str]:
        """The case in words."""
        lines = [f"settings: {', '.join(f'{name}={value}' for name, value in self.settings.items())}"]
        shown = ", ".join(map(str, self.points[:12])) + (", …" if len(self.points) > 12 else "")
        lines.append(f"asked at x = {shown}")
        if self.resume is not None:
            lines.append(f"saved and loaded before update {self.resume + 1}")
        return lines


def end(target: Target, settings: Mapping[str, float]) -> int:
    """Where the last part of the curve begins: the horizon, the third restart, or four warm-ups."""
    if target.offer.page == "schedules.batch_ramp":
        return int(settings["ramp"])
    if "period" in settings:
        factor = int(settings["factor"])
        return int(settings["period"] * (1 + factor + factor * factor))
    if "horizon" not in settings:
        return 4 * int(settings["warmup"])
    after = target.offer.forks.get("horizon") == "after_warmup"
    itself = target.offer.forks.get("counted") == "after"  # an update that counts itself is there one earlier
    return int(settings["horizon"] + (settings["warmup"] if after else 0) - itself)


def landmarks(target: Target, settings: Mapping[str, float]) -> list[int]:
    """The points around which curves differ: begin, borders with their neighbours, quarters, and far beyond."""
    begin, last = int(settings.get("warmup", settings.get("period", 0))), end(target, settings)
    near = [border + step for border in (begin, last) for step in (-1, 0, 1)]
    between = [begin // 2, begin + (last - begin) // 4, (begin + last) // 2, begin + 3 * (last - begin) // 4]
    beyond = [last + max(last // 4, 1), 2 * last, 3 * last]
    return sorted({x for x in (0, 1, 2, *near, *between, *beyond) if x >= 0})


def pools(target: Target, *, long: bool) -> st.SearchStrategy[dict[str, float]]:
    """Settings of the target's page, in tokens' sizes where `long`."""
    make = {
        "schedules.warmup_cosine": _decaying,
        "schedules.warmup_linear": _decaying,
        "schedules.cosine_restarts": _restarting,
        "schedules.inverse_sqrt": _endless,
        "schedules.batch_ramp": _ramping,
    }[target.offer.page]
    return make(target, long=long)


def _rates(target: Target) -> st.SearchStrategy[dict[str, float]]:
    floors = (0.0,) if target.offer.forks.get("floor") == "zero" else FLOORS

    def rates(peak: float, share: float) -> dict[str, float]:
        return {"peak": peak, "floor": peak * share}

    return st.builds(rates, st.sampled_from(PEAKS), st.sampled_from(floors))


def _decaying(target: Target, *, long: bool) -> st.SearchStrategy[dict[str, float]]:
    after = target.offer.forks.get("horizon") == "after_warmup"
    floored = target.offer.page == "schedules.warmup_cosine"
    short = st.tuples(st.sampled_from(WARMUPS), st.sampled_from(DECAYS))

    def settings(rates: dict[str, float], lengths: tuple[int, int]) -> dict[str, float]:
        warmup, decay = lengths
        own = rates if floored else {"peak": rates["peak"]}
        return {**own, "warmup": warmup, "horizon": decay if after else warmup + decay}

    return st.builds(settings, _rates(target), st.sampled_from(LONG) if long else short)


def _restarting(target: Target, *, long: bool) -> st.SearchStrategy[dict[str, float]]:
    factors = (1,) if target.offer.forks["periods"] == "equal" else (2, 1, 3)
    periods = (1_000_000, 2**22) if long else (4, 1, 2, 3, 10, 50)

    def settings(rates: dict[str, float], period: int, factor: int) -> dict[str, float]:
        return {**rates, "period": period, "factor": factor}

    return st.builds(settings, _rates(target), st.sampled_from(periods), st.sampled_from(factors))


def _endless(target: Target, *, long: bool) -> st.SearchStrategy[dict[str, float]]:  # noqa: ARG001 of one signature
    warmups = (10_000, 2**20) if long else (4, 1, 2, 3, 10, 64, 100)
    return st.fixed_dictionaries({"peak": st.sampled_from((*PEAKS, 0.01)), "warmup": st.sampled_from(warmups)})


def _ramping(target: Target, *, long: bool) -> st.SearchStrategy[dict[str, float]]:
    in_rows = target.offer.forks["unit"] == "rows"
    rows = (1,) if in_rows else ROWS

    def settings(row: int, first: int, more: int, length: int) -> dict[str, float]:
        return {"first": first * row, "full": (first + more) * row, "ramp": length * row, "row": row}

    lengths = tuple(size // 2048 for size in LONG_RAMPS) if long else RAMPS
    whole = st.builds(
        settings,
        st.sampled_from(rows),
        st.sampled_from((1, 2, 4, 16)),
        st.sampled_from((4, 1, 3, 16, 1500)),
        st.sampled_from(lengths),
    )
    if in_rows:
        return whole
    gpt3 = {"first": 32_000, "full": 3_200_000, "ramp": 12_000_000_000, "row": 2048}
    less_than_a_row = {"first": 100, "full": 8_000, "ramp": 100_000, "row": 1000}
    return st.one_of(whole, st.sampled_from((less_than_a_row, gpt3) if long else (less_than_a_row,)))


def fixed(target: Target, *, random_access: bool) -> list[Case]:
    """The shortest curves there are, and GPT-3's where any point can be asked."""
    after, zero = target.offer.forks.get("horizon") == "after_warmup", target.offer.forks.get("floor") == "zero"
    lengths = [(0, 1), (1, 1), (1, 2), (2, 1)] + [LONG[0]] * random_access
    found: list[dict[str, float]] = []
    if target.offer.page in {"schedules.warmup_cosine", "schedules.warmup_linear"}:
        found = [{"peak": 1.0, "warmup": w, "horizon": t if after else w + t} for w, t in lengths]
    if target.offer.page == "schedules.warmup_cosine":
        found = [{**settings, "floor": 0.0 if zero else 0.125} for settings in found]
    if target.offer.page == "schedules.inverse_sqrt":
        found = [{"peak": 0.01, "warmup": warmup} for warmup in (1, 2, *[10_000] * random_access)]
    if target.offer.page == "schedules.cosine_restarts":
        found = [{"peak": 1.0, "floor": 0.0, "period": period, "factor": 1} for period in (1, 2, 3)]
    return [Case(settings, tuple(landmarks(target, settings))) for settings in found]


Region = Callable[["Target", Mapping[str, float], Sequence[int]], Iterable[int]]


def cases(
    target: Target,
    region: Region = lambda target, settings, points: points,  # noqa: ARG005 all of them
    *,
    random_access: bool,
    settings: Mapping[str, Sequence[Any]] | None = None,
    resume: bool = False,
    shuffled: bool = False,
) -> st.SearchStrategy[Case]:
    """Cases whose points are the landmarks of a region and a few between; `settings` narrow what is drawn.

    Schedules that can only be followed are asked of short curves alone.
    """
    drawn = pools(target, long=False)
    if random_access and not resume:
        drawn = st.one_of(drawn, pools(target, long=True))

    @st.composite
    def draw_case(draw: st.DrawFn) -> Case:
        chosen = draw(drawn)
        for name, pool in (settings or {}).items():
            chosen[name] = draw(st.sampled_from(tuple(pool)))
        marks = landmarks(target, chosen)
        extra = draw(st.lists(st.integers(0, 2 * max(marks)), max_size=6))
        points = sorted(set(region(target, chosen, sorted({*marks, *extra}))))
        if not random_access or resume:
            points = [x for x in points if x < STEPS]
        if not points:
            points = [0]
        if shuffled:
            points = draw(st.permutations(points + points))
        return Case(chosen, tuple(points), draw(st.integers(1, max(points) + 1)) if resume else None)

    return draw_case()
