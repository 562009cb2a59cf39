"""Mistakes in Adafactor."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import CROSSED, LIMIT, SLIP, fault

_adafactor = partial(fault, "optimizers.adafactor")
_AVERAGED = {"momentum": "after_rate"}
_GIVEN = {"rate": "external"}

FAULTS = [
    _adafactor(1, "t one behind", "beta2 = 1 - max(t - 1, 1)**-decay_exponent", "counter raised after use"),
    _adafactor(1, "t one ahead", "beta2 = 1 - (t + 1)**-decay_exponent", "counter raised twice"),
    _adafactor(1, "exponent 0.8 always", "beta2 = 1 - t**-0.8", "an option never read"),
    _adafactor(1, "constant β2", "beta2 = 0.999 if t > 1 else 0.0", "Adam's decay"),
    _adafactor(2, "no ε1", "s = g * g", SLIP),
    _adafactor(2, "ε1 squared", "s = g * g + eps1 * eps1", SLIP),
    _adafactor(3, "mean of roots", "r = beta2 * state.r + (1 - beta2) * abs(g).mean(dim=column, keepdim=True)", SLIP),
    _adafactor(3, "β̂ and 1 - β̂ swapped", "r = (1 - beta2) * state.r + beta2 * s.mean(dim=column, keepdim=True)", SLIP),
    _adafactor(3, "no memory of rows", "r = s.mean(dim=column, keepdim=True)", "state created anew"),
    _adafactor(4, "no memory of columns", "c = s.mean(dim=row, keepdim=True)", "state created anew"),
    _adafactor(4, "constant weight for columns", "c = 0.5 * state.c + 0.5 * s.mean(dim=row, keepdim=True)", SLIP),
    _adafactor(
        5,
        "R C before the root",
        "root = (r * c / r.mean(dim=row, keepdim=True)).sqrt()",
        "10^-30 × 10^-30 is 0 in float32",
    ),
    _adafactor(5, "not normalised", "root = r.sqrt() * c.sqrt()", SLIP),
    _adafactor(5, "root of the mean", "root = (r * c / r.mean(dim=row, keepdim=True).sqrt()).sqrt()", SLIP),
    _adafactor(
        5,
        "normalised by this update's mean",
        "root = (r / s.mean()).sqrt() * c.sqrt()",
        "the mean of this update, not of the average",
    ),
    _adafactor(6, "no memory", "v = s", "state created anew"),
    _adafactor(6, "constant β2", "v = 0.999 * state.v + 0.001 * s", "Adam's decay"),
    _adafactor(7, "no root", "u = g / (root * root)", SLIP),
    _adafactor(7, "ε outside the root", "u = g / (root + eps1)", "Adam's ε"),
    _adafactor(8, "no clipping", "u = u", "an option never read"),
    _adafactor(
        8,
        "clipped by its norm",
        "u = u / (u.square().sum().sqrt() / clipping_threshold).clamp(min=1)",
        "‖U‖ for RMS(U)",
    ),
    _adafactor(8, "scaled up as well", "u = u / (rms(u) / clipping_threshold)", "normalised, not clipped"),
    _adafactor(8, "clipped elementwise", "u = u.clamp(min=-clipping_threshold, max=clipping_threshold)", SLIP),
    _adafactor(9, "relative step of 1e-3", "rho = min(1e-3, t**-0.5)", SLIP),
    _adafactor(9, "rate multiplied again and again", "rho = min(1e-2, t**-0.5) ** min(t, 20)", "ParlAI#2547"),
    _adafactor(9, "rate off by 1e-5", "rho = 1.00001 * min(1e-2, t**-0.5)", LIMIT),
    _adafactor(9, "rate of the paper over the given one", "rho = min(1e-2, t**-0.5)", "an option never read", _GIVEN),
    _adafactor(9, "given rate cut off", "rho = min(1e-2, lr)", "relative step and given rate mixed", _GIVEN),
    _adafactor(10, "norm for root mean square", "alpha = theta.square().sum().sqrt().clamp(min=eps2) * rho", SLIP),
    _adafactor(10, "no floor", "alpha = rms(theta) * rho", SLIP),
    _adafactor(10, "ε2 added", "alpha = (rms(theta) + eps2) * rho", SLIP),
    _adafactor(10, "scale of the parameter ignored", "alpha = rho", "scale_parameter off"),
    _adafactor(11, "no average", "m = alpha * u", "an option never read", _AVERAGED),
    _adafactor(
        11,
        "average without the factor 1 - β1",
        "m = (beta1 or 0.0) * state.m + alpha * u",
        "the heavy ball's buffer",
        _AVERAGED,
    ),
    _adafactor(
        11,
        "momentum off by one update",
        "m = alpha * u; m = m if t == 1 else (beta1 or 0.0) * state.m + (1 - (beta1 or 0.0)) * m",
        "first average not weighted",
        _AVERAGED,
    ),
    _adafactor(12, "uphill", "theta = theta + m", SLIP),
    _adafactor(12, "update off by 1e-5", "theta = theta - 1.00001 * m", LIMIT),
    _adafactor(13, "vectors as rows", "if len(shape) < 1:", "a vector treated as a matrix"),
    _adafactor(
        13,
        "matrices from 32 on",
        "if len(shape) < 2 or min(shape[-2:]) < 32:",
        "min_dim_size_to_factor where none was declared",
    ),
    _adafactor(13, "nothing is factored", "if shape is not None:", "plain RMS scaling"),
    _adafactor(14, "first two axes", "return [0, 1]", SLIP),
    _adafactor(
        14, "only matrices are factored", "return [0, 1] if len(shape) == 2 else []", "the paper read to the letter"
    ),
    _adafactor(
        15,
        "rows kept as a whole array",
        {
            15: "r, c = zero, zero.sum(dim=row, keepdim=True)",
            3: "r = beta2 * state.r + (1 - beta2) * s.mean(dim=column, keepdim=True) + 0 * g",
        },
        "no memory saved",
    ),
    _adafactor(16, "a missing gradient is a zero gradient", "g = 0 * theta", "zero_grad(set_to_none=False)"),
    _adafactor(
        17, "counter not restored", "return State(r=saved.r, c=saved.c, v=saved.v, m=saved.m, t=0)", "step lost on load"
    ),
    _adafactor(
        17,
        "second moment not restored",
        "return State(*(0 * part if hasattr(part, 'sqrt') else part for part in saved))",
        "Automodel#763",
    ),
    _adafactor(18, "gradient read in the parameter's layout", {2: f"{CROSSED}; s = g * g + eps1"}, "bitsandbytes#1187"),
    _adafactor(
        18, "large tensors stand still", {12: "theta = theta - m if theta.numel() < 4096 else theta"}, "DeepSpeed#7640"
    ),
    _adafactor(18, "elements clipped", {2: "g = g.clamp(min=-1.0, max=1.0); s = g * g + eps1"}, SLIP),
]
