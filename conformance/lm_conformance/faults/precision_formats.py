"""Mistakes in the formats of 16 bits."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import SLIP, Fault, fault


def _format(page: str, fraction: int, least: int, largest: str, limit: str) -> list[Fault]:
    """The mistakes of a format: its bits of fraction, exponent of the smallest normal number, largest number, limit."""
    here = partial(fault, page)
    smallest = least - fraction
    infinite = f"y = torch.where({{}}, y.sign() * torch.inf, y.clamp(min=-({largest}), max={largest}))"
    finite = "torch.where(x.isfinite(), y, x)"
    return [
        here(1, "one bit less of fraction", f"spacing = torch.exp2(e.double() - {fraction - 1})", SLIP),
        here(
            1,
            "powers of two count as the numbers below",
            f"spacing = torch.exp2((x.abs().log2().ceil() - {fraction}))",
            SLIP,
        ),
        here(
            2,
            "two bits less below the smallest normal number",
            f"spacing = spacing.clamp(min=2.0**{smallest + 2})",
            SLIP,
        ),
        here(
            2,
            "subnormal numbers become zero, which is not declared",
            {4: f"y = torch.where(x.abs() < 2.0**{least}, 0 * x, n * spacing)"},
            "the flags of flush-to-zero left on",
        ),
        here(3, "truncated", "n = (x / spacing).trunc()", "a bfloat16 made of the upper 16 bits of a float32"),
        here(3, "halves away from zero", "n = x.sign() * (x.abs() / spacing + 0.5).floor()", "half added to the bits"),
        here(3, "halves upwards", "n = (x / spacing + 0.5).floor()", SLIP),
        here(
            3,
            "halves to the odd number",
            "q = x / spacing; n = torch.where(q % 1 == 0.5, (q / 2).floor() * 2 + 1, q.round())",
            SLIP,
        ),
        here(3, "rounded up", "n = (x / spacing).ceil()", "another rounding mode"),
        here(
            3,
            "rounded to odd",
            "q = x / spacing; n = torch.where(q == q.floor(), q, (q / 2).floor() * 2 + 1)",
            "another rounding mode",
        ),
        here(
            3,
            "rounded twice",
            "n = ((x / spacing * 4).round() / 4).round()",
            "by way of a format that has two bits more",
        ),
        here(
            4,
            "what is below the smallest number becomes zero",
            f"y = torch.where(x.abs() < 2.0**{smallest}, 0 * x, n * spacing)",
            "lecture notes",
        ),
        here(
            4,
            "half of the smallest number does not become zero",
            f"y = torch.where(x.abs() == 2.0**{smallest - 1}, 2 * x, n * spacing)",
            "halves away from zero, for the smallest alone",
        ),
        here(
            4,
            "nothing becomes zero",
            f"y = torch.where((n == 0) & (x != 0), x.sign() * 2.0**{smallest}, n * spacing)",
            SLIP,
        ),
        here(
            5,
            "the largest number in the place of infinity",
            f"y = y.clamp(min=-({largest}), max={largest})",
            "saturation",
        ),
        here(5, "the largest number is infinite", infinite.format(f"x.abs() >= {largest}"), SLIP),
        here(
            5,
            "infinite from what the largest number rounds away",
            infinite.format(f"x.abs() > {largest}"),
            "no rounding before",
        ),
        here(5, "the limit itself is not infinite", infinite.format(f"x.abs() > {limit}"), "a half rounded downwards"),
        here(5, "infinite without a sign", f"y = torch.where(y.abs() > {largest}, torch.inf, y)", SLIP),
        here(
            6,
            "NaN becomes infinite",
            f"return torch.where(x.isnan(), torch.inf, {finite})",
            "the upper 16 bits of a NaN",
        ),
        here(6, "NaN becomes zero", f"return torch.where(x.isnan(), 0.0, {finite})", "nan_to_num"),
        here(6, "infinity becomes NaN", f"return torch.where(x.isinf(), torch.nan, {finite})", SLIP),
        here(
            6,
            "infinity becomes the largest number",
            f"return torch.where(x.isinf(), x.sign() * ({largest}), {finite})",
            "saturation",
        ),
        here(
            6, "zero without a sign", "return torch.where(x.isfinite(), y + 0.0, x)", "the sign lost with the magnitude"
        ),
        here(
            7,
            "sums are truncated",
            "s = one + other; spacing = torch.exp2(torch.frexp(s).exponent.double() - "
            f"{fraction + 1}); return torch.where(s.isfinite(), cast((s / spacing).trunc() * spacing), s)",
            "an adder without rounding",
        ),
        here(
            7,
            "small terms are lost",
            f"return cast(torch.where(other.abs() < one.abs() * 2.0**{-fraction}, one, one + other))",
            "an adder without guard bits",
        ),
        here(7, "stagnation one bit too late", "return cast(one + other + (one == 1) * other)", SLIP),
        here(
            8,
            "the tail of a vector loop is truncated",
            {
                3: "q = x / spacing; i = torch.arange(x.numel()).reshape(x.shape); "
                "n = torch.where(i < x.numel() // 8 * 8, q.round(), q.trunc())"
            },
            "two loops that round differently",
        ),
        here(
            8,
            "large tensors are truncated",
            {3: "n = (x / spacing).round() if x.numel() < 512 else (x / spacing).trunc()"},
            "two kernels that round differently",
        ),
        here(
            8,
            "transposed tensors are read in the order of memory",
            {
                1: "x = x.as_strided(x.shape, torch.empty(x.shape).stride()); "
                f"spacing = torch.exp2(torch.frexp(x).exponent.double() - {fraction + 1})"
            },
            "strides ignored",
        ),
    ]


FAULTS = [
    *_format("precision.float16", 10, -14, "65504", "65520"),
    *_format("precision.bfloat16", 7, -126, "2.0**128 - 2.0**120", "2.0**128 - 2.0**119"),
]
