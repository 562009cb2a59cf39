"""Mistakes in schedules."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import LIMIT, SLIP, Fault, fault

_cosine = partial(fault, "schedules.warmup_cosine")
_linear = partial(fault, "schedules.warmup_linear")
_restarts = partial(fault, "schedules.cosine_restarts")
_root = partial(fault, "schedules.inverse_sqrt")
_ramp = partial(fault, "schedules.batch_ramp")

_HALF_WAVE = "0.5 * (peak - floor) * (1 + (math.pi * p).cos())"
_ASKED = "rate.asked = getattr(rate, 'asked', 0) + 1; x = before + rate.asked"


def _begin(page: str, clause: int) -> list[Fault]:
    """Mistakes about what x is."""
    return [
        fault(page, clause, "the update itself is counted", "x = before + 1", "stepped before the first update"),
        fault(page, clause, "one update late", "x = (before - 1).clamp(min=0)", "pytorch-lightning#4655"),
        fault(page, clause, "micro-batches are counted", "x = 2 * before", "jzhang38/TinyLlama#172"),
    ]


def _alone(page: str, clause: int, first: int) -> list[Fault]:
    """Mistakes about what is kept between updates."""
    return [
        fault(page, clause, "resumed one update behind", "return (x - 1).clamp(min=0)", "last_epoch = k - 1"),
        fault(page, clause, "resumed one update ahead", "return x + 1", SLIP),
        fault(page, clause, "cold start", "return 0 * x", "NVIDIA-NeMo/Automodel#763"),
        fault(page, clause, "each question is an update", {first: _ASKED}, "a counter inside of the schedule"),
    ]


def _rise(page: str, clause: int) -> list[Fault]:
    """Mistakes in a straight warm-up."""
    return [
        fault(
            page, clause, "warm-up one update early", "return peak * (x + 1) / warmup", "a fork that was not declared"
        ),
        fault(page, clause, "warm-up one update late", "return peak * (x - 1).clamp(min=0) / warmup", SLIP),
        fault(page, clause, "never reaches the peak", "return peak * x / (warmup + 1)", SLIP),
        fault(page, clause, "squared", "return peak * (x / warmup) ** 2", SLIP),
        fault(page, clause, "in whole steps", "return peak * (x / warmup).floor()", "integer division"),
        fault(page, clause, "no warm-up", "return peak", "optimizer steps before the schedule is made"),
        fault(page, clause, "warm-up off by 1e-5", "return 1.00001 * peak * x / warmup", LIMIT),
    ]


FAULTS = [
    *_rise("schedules.warmup_cosine", 1),
    _cosine(1, "warm-up from the floor", "return floor + (peak - floor) * x / warmup", "verl#1400"),
    _cosine(1, "half of the warm-up", "return peak * x / (2 * warmup)", "Megatron-Bridge#2609: 20 updates for 10"),
    _cosine(2, "a horizon that forgets the warm-up", "p = (x - warmup) / horizon", "8.6 % of the peak"),
    _cosine(2, "the decay begins at x = 0", "p = x / (horizon - warmup)", SLIP),
    _cosine(2, "share of the whole", "p = x / horizon", "a fork that was not declared"),
    _cosine(2, "decay one update late", "p = (x - warmup - 1).clamp(min=0) / (horizon - warmup)", SLIP),
    _cosine(2, "decay one update early", "p = (x - warmup + 1) / (horizon - warmup)", SLIP),
    _cosine(2, "share off by 1e-5", "p = 1.00001 * (x - warmup) / (horizon - warmup)", LIMIT),
    _cosine(3, "floor and peak swapped", "return peak - " + _HALF_WAVE, "fairseq#2916"),
    _cosine(3, "floor on top", "return floor + 0.5 * peak * (1 + (math.pi * p).cos())", SLIP),
    _cosine(
        3,
        "floor as a limit",
        "return (0.5 * peak * (1 + (math.pi * p).cos())).clamp(min=floor)",
        "maximum with the floor",
    ),
    _cosine(
        3, "floor is ignored", "return 0.5 * peak * (1 + (math.pi * p).cos())", "verl#1400: null in the configuration"
    ),
    _cosine(3, "a quarter of a period", "return floor + (peak - floor) * (0.5 * math.pi * p).cos()", SLIP),
    _cosine(3, "a whole period", "return floor + 0.5 * (peak - floor) * (1 + (2 * math.pi * p).cos())", SLIP),
    _cosine(3, "straight", "return floor + (peak - floor) * (1 - p)", "another schedule"),
    _cosine(3, "without the half", "return floor + (peak - floor) * (1 + (math.pi * p).cos())", SLIP),
    _cosine(3, "π as 3.14", "return floor + 0.5 * (peak - floor) * (1 + (3.14 * p).cos())", SLIP),
    _cosine(4, "climbs back", "return floor + " + _HALF_WAVE, "transformers: a cosine that nobody stops"),
    _cosine(4, "drops to zero", "return 0 * floor", SLIP),
    _cosine(4, "back to the peak", "return peak", SLIP),
    _cosine(4, "begins again", "p = p - p.floor(); return floor + " + _HALF_WAVE, "restarts where none were asked for"),
    *_begin("schedules.warmup_cosine", 5),
    _cosine(6, "without warm-up 0 / 0", "if not x > warmup:", "division by the length of the warm-up"),
    _cosine(6, "the peak is not used", "if x < warmup + 1:", SLIP),
    *_alone("schedules.warmup_cosine", 7, 5),
    *_rise("schedules.warmup_linear", 1),
    _linear(2, "the line begins at x = 0", "return peak * (1 - x / horizon)", "google-research/bert, undeclared"),
    _linear(2, "a horizon that forgets the warm-up", "return peak * (1 - (x - warmup) / horizon)", SLIP),
    _linear(2, "one update late", "return peak * (horizon - x + 1) / (horizon - warmup)", SLIP),
    _linear(2, "one update early", "return peak * (horizon - x - 1) / (horizon - warmup)", SLIP),
    _linear(2, "constant", "return peak", "transformers: constant_with_warmup"),
    _linear(2, "squared", "return peak * ((horizon - x) / (horizon - warmup)) ** 2", "polynomial decay of power 2"),
    _linear(2, "decay off by 1e-5", "return 1.00001 * peak * (horizon - x) / (horizon - warmup)", LIMIT),
    _linear(3, "below zero", "return peak * (horizon - x) / (horizon - warmup)", "no limit after the horizon"),
    _linear(3, "back to the peak", "return peak", SLIP),
    _linear(3, "a floor that nobody asked for", "return 1e-7 * peak", "lr_end of a polynomial decay"),
    *_begin("schedules.warmup_linear", 4),
    _linear(5, "without warm-up 0 / 0", "if not x > warmup:", "division by the length of the warm-up"),
    _linear(5, "the peak is not used", "if x < warmup + 1:", SLIP),
    *_alone("schedules.warmup_linear", 6, 4),
    _restarts(
        1,
        "floor and peak swapped",
        "return peak - 0.5 * (peak - floor) * (1 + (math.pi * current / length).cos())",
        SLIP,
    ),
    _restarts(
        1, "floor is ignored", "return 0.5 * peak * (1 + (math.pi * current / length).cos())", "an option never read"
    ),
    _restarts(
        1,
        "the floor is reached",
        "return floor + 0.5 * (peak - floor) * (1 + (math.pi * current / (length - 1).clamp(min=1)).cos())",
        "pytorch#47560, the other way",
    ),
    _restarts(
        1,
        "rate off by 1e-5",
        "return floor + 0.500005 * (peak - floor) * (1 + (math.pi * current / length).cos())",
        LIMIT,
    ),
    _restarts(1, "straight", "return floor + (peak - floor) * (1 - current / length)", "another schedule"),
    _restarts(2, "never restarts", "current = x", SLIP),
    _restarts(2, "restarts one update late", "current = (x - start - (start > 0) * 1).clamp(min=0)", SLIP),
    _restarts(2, "the restart has no peak", "current = x - start + (start > 0) * 1", SLIP),
    _restarts(3, "periods never grow", "start, length = start + length, length", "an option never read"),
    _restarts(3, "periods grow by a sum", "start, length = start + length, length + factor", SLIP),
    _restarts(3, "periods grow twice", "start, length = start + length, length * factor * factor", SLIP),
    _restarts(3, "grown before the restart", "start, length = start + length * factor, length * factor", SLIP),
    *_begin("schedules.cosine_restarts", 4),
    *_alone("schedules.cosine_restarts", 5, 4),
    _root(1, "a rise that nobody asked for", "return peak * x / warmup", "a fork that was not declared"),
    _root(1, "the decay begins at once", "return peak * warmup.sqrt() / x.clamp(min=1).sqrt()", SLIP),
    _root(1, "the rate itself for the peak", "return 1 / warmup.sqrt()", "T5's own formula under another peak"),
    _root(2, "exponential", "return peak * (1 - x / warmup).exp()", "T5's text: an exponential decay"),
    _root(2, "inverse", "return peak * warmup / x", "without the root"),
    _root(2, "the root of the warm-up is lost", "return peak / x.sqrt()", "a jump at the end of the warm-up"),
    _root(2, "counted from the end of the warm-up", "return peak / (x - warmup + 1).sqrt()", SLIP),
    _root(2, "one update early", "return peak * warmup.sqrt() / (x + 1).sqrt()", SLIP),
    _root(2, "decay off by 1e-5", "return 1.00001 * peak * warmup.sqrt() / x.sqrt()", LIMIT),
    _root(
        2,
        "lowered to zero over the last tenth",
        "return peak * warmup.sqrt() / x.sqrt() * ((4 * warmup - x) / (0.4 * warmup)).clamp(min=0, max=1)",
        "Mesh TensorFlow, linear_decay_fraction",
    ),
    *_begin("schedules.inverse_sqrt", 3),
    *_alone("schedules.inverse_sqrt", 4, 3),
    _ramp(1, "from zero", "tokens = full * n / ramp", SLIP),
    _ramp(1, "the first size is added at the end", "tokens = first + full * n / ramp", SLIP),
    _ramp(1, "no ramp", "tokens = full", "Megatron-Bridge#2609"),
    _ramp(1, "doubling", "tokens = first * (full / first) ** (n / ramp)", "exponential instead of straight"),
    _ramp(1, "one jump", "tokens = first", "two stages instead of a ramp"),
    _ramp(2, "goes on growing", "tokens = first + (full - first) * n / ramp", "no limit after the ramp"),
    _ramp(2, "one row short", "tokens = full - row", SLIP),
    _ramp(
        2,
        "its end is divided as well",
        "tokens = full if n > ramp else first + (n / (ramp / (full - first))).floor()",
        "Megatron-LM, num_microbatches_calculator.py",
    ),
    _ramp(3, "rounded down", "rows = (tokens / row).floor()", "a fork that was not declared"),
    _ramp(3, "rounded up", "rows = -(-tokens / row).floor()", "a fork that was not declared"),
    _ramp(3, "always a row more", "rows = (tokens / row).floor() + 1", SLIP),
    _ramp(3, "rounded to pairs of rows", "rows = (tokens / row / 2 + 0.5).floor() * 2", "mosaicml/examples#41"),
    _ramp(4, "counted as full batches", "return n + full", "Megatron-Bridge#4796: iterations × full batch"),
    _ramp(4, "updates are counted", "return n + 1", SLIP),
    _ramp(
        4, "the last batch is not yet counted", "return n + (batch if n > 0 else 0 * batch)", "counted one batch late"
    ),
    _ramp(5, "cold start", "return 0 * n", "NVIDIA-NeMo/Automodel#763"),
    _ramp(
        5,
        "each question is a batch",
        {2: "rate.asked = getattr(rate, 'asked', 0) + 1; n = n + rate.asked * full; tokens = full"},
        "a counter inside of the ramp",
    ),
    _ramp(5, "resumed one token behind", "return n * 0.5", SLIP),
]
