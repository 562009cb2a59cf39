"""Mistakes in clipping."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import LIMIT, SLIP, fault

_clip = partial(fault, "gradients.global_norm_clipping")

FAULTS = [
    _clip(
        1,
        "sum of norms",
        "norm = sum(s.sqrt() for s in squares[1:]) + squares[0].sqrt()",
        "norms added, not their squares",
    ),
    _clip(1, "largest norm", "norm = max(squares, key=float).sqrt()", "infinity norm over tensors"),
    _clip(
        1, "root mean square", "norm = (sum(squares[1:], squares[0]) / sum(g.numel() for g in present)).sqrt()", SLIP
    ),
    _clip(1, "no root", "norm = sum(squares[1:], squares[0])", SLIP),
    _clip(2, "g / min(1, norm)", "scale = 1 / norm.clamp(max=1)", "lecture notes"),
    _clip(2, "no clipping", "scale = 1.0", "DeepSpeed#3790"),
    _clip(2, "always scaled to the threshold", "scale = max_norm / norm", "short gradients blown up"),
    _clip(2, "threshold is always 1", "scale = 1 / norm.clamp(min=1)", "an option never read"),
    _clip(2, "scaled to 1", "scale = 1 / (norm / max_norm).clamp(min=1) / max_norm", SLIP),
    _clip(2, "scaled by the square", "scale = (max_norm / norm.clamp(min=max_norm)) ** 2", "clipped twice"),
    _clip(2, "scale off by 1e-5", "scale = 1.00001 * max_norm / norm.clamp(min=max_norm)", LIMIT),
    _clip(
        3,
        "each tensor by its own norm",
        "clipped = [g if g is None else g * (max_norm / g.norm().clamp(min=max_norm)) for g in gradients]",
        "per-tensor clipping",
    ),
    _clip(
        3,
        "the first tensor is left out",
        "clipped = [g if g is None or i == 0 else g * scale for i, g in enumerate(gradients)]",
        SLIP,
    ),
    _clip(
        3,
        "elements are clipped",
        "clipped = [None if g is None else g.clamp(min=-max_norm, max=max_norm) for g in gradients]",
        "clip_grad_value_",
    ),
    _clip(
        4,
        "the norm counts what is missing as one",
        {
            1: "norm = (sum(squares[1:], squares[0]) + (len(gradients) - len(present))).sqrt()",
            4: "present = [g for g in gradients if g is not None]",
        },
        SLIP,
    ),
    _clip(
        5, "the norm after clipping", "return clipped, norm * scale", "a logged norm that never exceeds the threshold"
    ),
    _clip(5, "the squared norm", "return clipped, norm * norm", SLIP),
    _clip(
        6,
        "NaN becomes zero",
        {3: "clipped = [None if g is None else (g * scale).nan_to_num(0.0, 0.0, 0.0) for g in gradients]"},
        "a loss scaler that sees nothing",
    ),
]
