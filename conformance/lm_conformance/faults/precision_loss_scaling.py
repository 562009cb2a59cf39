"""Mistakes in loss scaling."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import LIMIT, SLIP, Fault, fault

DYNAMIC, STATIC = "precision.loss_scaling", "precision.static_loss_scaling"

_EVERY = "all({} for g in present)"
_GROWS = "grows = good == growth_interval"
_KEPT = "scale = scale if scale.isfinite() else state.scale"


def _common(page: str, *, detection: int) -> list[Fault]:
    """The mistakes of both scalers."""
    here = partial(fault, page)
    finite = f"finite = {_EVERY}"
    return [
        here(1, "the loss is not scaled", "return loss", "an option never read"),
        here(1, "the loss is divided", "return loss / scale", SLIP),
        here(1, "scaled twice", "return scale * scale * loss", SLIP),
        here(1, "scaled in float16", "return (scale.half() * loss.half()).float()", "the loss under autocast"),
        here(1, "scaled by a magnitude", "return scale * abs(loss)", SLIP),
        here(2, "not unscaled", "return g", "Adam hides it"),
        here(2, "unscaled twice", "return g / scale / scale", "unscale_() called by user and step()"),
        here(2, "multiplied", "return g * scale", SLIP),
        here(2, "unscaled in float16", "return (g.half() / scale.half()).float()", "gradients widened too late"),
        here(2, "quotients rounded to float16", "return (g / scale).half().float()", "gradients narrowed again"),
        here(2, "quotient off by 1e-5", "return 1.00001 * g / scale", LIMIT),
        here(
            2,
            "subnormal quotients become zero, which is not declared",
            "q = g / scale; return torch.where(q.abs() < 2.0**-126, 0 * q, q)",
            "the flags of flush-to-zero left on",
        ),
        here(
            2,
            "only a chunk of 65,536 elements is unscaled",
            "flat = g.reshape(-1); return torch.cat([flat[:65536] / scale, flat[65536:]]).reshape(g.shape)",
            "the last chunk of a kernel",
        ),
        here(
            2,
            "transposed gradients are read in the order of memory",
            "return g.as_strided(g.shape, torch.empty(g.shape).stride()) / scale",
            "strides ignored",
        ),
        here(detection, "nothing is skipped", "finite = True", "detection switched off"),
        here(detection, "NaN is not found", finite.format("not g.isinf().any()"), SLIP),
        here(detection, "infinity is not found", finite.format("not g.isnan().any()"), "x != x"),
        here(
            detection,
            "minus infinity is not found",
            finite.format("bool((g != torch.inf).all()) and not g.isnan().any()"),
            SLIP,
        ),
        here(
            detection,
            "the magnitude is compared, which NaN passes",
            finite.format("not (g.abs() == torch.inf).any()"),
            SLIP,
        ),
        here(
            detection,
            "only the first gradient is looked at",
            "finite = all(bool(g.isfinite().all()) for g in present[:1])",
            "the flag overwritten by the next parameter group",
        ),
        here(
            detection,
            "only the last gradient is looked at",
            "finite = all(bool(g.isfinite().all()) for g in present[-1:])",
            "the flag overwritten by the next gradient",
        ),
        here(
            detection,
            "only the first 256 gradients are looked at",
            "finite = all(bool(g.isfinite().all()) for g in present[:256])",
            "the first launch of a kernel for many tensors",
        ),
        here(detection, "only first elements are looked at", finite.format("g.reshape(-1)[:1].isfinite().all()"), SLIP),
        here(
            detection,
            "only a chunk of 65,536 elements is looked at",
            finite.format("g.reshape(-1)[:65536].isfinite().all()"),
            "the last chunk of a kernel",
        ),
        here(
            detection,
            "every gradient must be bad",
            "finite = any(bool(g.isfinite().all()) for g in present)",
            "or in the place of and",
        ),
        here(
            detection,
            "an infinite sum of all gradients",
            "finite = not bool(sum(g.sum() for g in present).isinf())",
            "inf - inf is NaN",
        ),
        here(
            detection,
            "sums that overflow count, which is not declared",
            finite.format("g.sum().isfinite()"),
            "DeepSpeed's test",
        ),
        here(
            detection,
            "norms that overflow count, which is not declared",
            finite.format("g.norm().isfinite()"),
            "fairseq's test",
        ),
        here(
            detection,
            "the largest element is looked at",
            finite.format("g.numel() == 0 or bool(g.max() < torch.inf)"),
            SLIP,
        ),
        here(detection, "what float16 does not hold counts", finite.format("(g.abs() <= 65504).all()"), SLIP),
        here(
            detection,
            "a gradient of zeros counts",
            finite.format("bool(g.isfinite().all()) and (g.numel() == 0 or bool(g.any()))"),
            SLIP,
        ),
        here(
            detection,
            "a gradient without elements counts",
            finite.format("g.numel() > 0 and bool(g.isfinite().all())"),
            SLIP,
        ),
    ]


FAULTS = [
    *_common(DYNAMIC, detection=3),
    *_common(STATIC, detection=4),
    *(
        fault(DYNAMIC, clause, name, lines, source)
        for clause, name, lines, source in (
            (
                2,
                "unscaled by the scale of the next update",
                {8: f"{_KEPT}; state = state._replace(scale=scale)"},
                "update() before step()",
            ),
            (
                2,
                "only the first gradient is unscaled",
                {
                    6: "gradients = [g if g is None or i == 0 else g * state.scale for i, g in enumerate(gradients)]; "
                    + _GROWS
                },
                "only the first parameter group",
            ),
            (
                3,
                "zeros in the place of a skipped update",
                {5: "return [None if g is None else torch.zeros_like(g) for g in gradients], State(scale, 0, left)"},
                "moments that decay, and a counter that goes on",
            ),
            (
                3,
                "gradients are passed on, the scale alone shrinks",
                {5: "return list(gradients), State(scale, 0, left)"},
                "a step that is not made conditional",
            ),
            (4, "the scale does not shrink", "scale = state.scale", SLIP),
            (4, "half, whatever the factor", "scale = state.scale * 0.5", "an option never read"),
            (4, "by the factor of growth", "scale = state.scale / growth_factor", "one factor for both"),
            (4, "the scale grows", "scale = state.scale * growth_factor", SLIP),
            (4, "to one", "scale = torch.ones(())", SLIP),
            (
                4,
                "twice",
                "scale = state.scale * backoff_factor * backoff_factor",
                "update() called for both optimizers",
            ),
            (
                4,
                "the second overflow in a row is ignored",
                "scale = state.scale * backoff_factor if state.good else state.scale",
                SLIP,
            ),
            (4, "a whole number", "scale = (state.scale * backoff_factor).floor().clamp(min=2.0**-40)", "//"),
            (4, "held in float16", "scale = (state.scale * backoff_factor).half().float()", "the loss's format"),
            (
                4,
                "grows at an overflow too",
                "scale = state.scale * backoff_factor * (growth_factor if state.good + 1 == growth_interval else 1)",
                "the count tested before the overflow",
            ),
            (
                5,
                "the count goes on",
                "return None, State(scale, state.good, left)",
                "growth every n updates, skipped or not",
            ),
            (5, "a skipped update counts as good", "return None, State(scale, state.good + 1, left)", SLIP),
            (5, "the count starts at 1", "return None, State(scale, 1, left)", SLIP),
            (5, "the count starts at -1", "return None, State(scale, -1, left)", "the count raised after the reset"),
            (6, "two updates late", "grows = good == growth_interval + 2", "counted from 0, and > in the place of >="),
            (6, "one update early", "grows = good >= max(growth_interval - 1, 1)", "counted from 0"),
            (6, "the scale never grows", "grows = False", SLIP),
            (6, "after every good update", "grows = True", SLIP),
            (6, "after 2,000, whatever the interval", "grows = good == 2000", "an option never read"),
            (6, "the count stops at 256", "grows = min(good, 256) == growth_interval", "a counter kept in bfloat16"),
            (6, "twice, whatever the factor", {8: "scale = state.scale * 2 if grows else state.scale; " + _KEPT}, SLIP),
            (
                6,
                "by the factor of backoff",
                {8: "scale = state.scale / backoff_factor if grows else state.scale; " + _KEPT},
                "one factor for both",
            ),
            (
                6,
                "the factor is added",
                {8: "scale = state.scale + growth_factor if grows else state.scale; " + _KEPT},
                SLIP,
            ),
            (7, "the count goes on", "good = good", SLIP),
            (7, "the count starts at 1", "good = 1 if grows else good", SLIP),
            (7, "the count starts at -1", "good = -1 if grows else good", "the count raised after the reset"),
            (7, "every update starts the count", "good = 0", SLIP),
            (8, "the scale grows to infinity", "scale = scale", "fairseq, Megatron-LM, Keras"),
            (8, "the scale grows to NaN", "scale = scale + 0 * scale", SLIP),
            (8, "float16 is the limit", "scale = scale.clamp(max=65504.0)", "the format of the gradients"),
            (9, "the scale shrinks to zero", "scale = scale", "PyTorch"),
            (11, "the count is not restored", "return State(scale=saved.scale, good=0, left=saved.left)", "fairseq"),
            (
                11,
                "the scale is not restored",
                "return State(torch.tensor(2.0**16), good=saved.good, left=saved.left)",
                SLIP,
            ),
            (
                11,
                "the count is off by one",
                "return State(scale=saved.scale, good=saved.good + 1, left=saved.left)",
                SLIP,
            ),
            (
                11,
                "the scale is restored in float16",
                "return State(saved.scale.half().float(), saved.good, saved.left)",
                SLIP,
            ),
            (
                11,
                "all scalers have one count",
                {
                    5: "step.good = 0; return None, State(scale, 0, left)",
                    6: f"good = getattr(step, 'good', 0) + 1; {_GROWS}",
                    7: "good = step.good = 0 if grows else good",
                },
                "a counter of the class",
            ),
            (
                12,
                "a missing gradient becomes zero",
                {6: f"gradients = [torch.zeros(2) if g is None else g for g in gradients]; {_GROWS}"},
                "zero_grad(set_to_none=False)",
            ),
            (
                12,
                "a missing gradient counts as not finite",
                {3: "finite = len(present) == len(gradients) and all(bool(g.isfinite().all()) for g in present)"},
                SLIP,
            ),
            (
                12,
                "nothing is found behind a missing gradient",
                {3: "finite = not gradients or gradients[0] is None or all(bool(g.isfinite().all()) for g in present)"},
                "a loop that ends at None",
            ),
        )
    ),
    fault(
        DYNAMIC,
        9,
        "the floor is ignored",
        "scale = scale",
        "jmp, which forgets it when the scaler passes through jit",
        {"floor": "given"},
    ),
    fault(
        DYNAMIC,
        9,
        "the floor is always 0.5",
        "scale = scale.clamp(min=0.5)",
        "an option never read",
        {"floor": "given"},
    ),
    *(
        fault(DYNAMIC, 10, f"{name} ({side})", lines, source, {"hysteresis": side})
        for side in ("growth", "good", "spent")
        for name, lines, source in (
            ("shrinks at once", {4: "scale = state.scale * backoff_factor"}, "an option never read"),
            (
                "one skipped update too late",
                {4: "scale = state.scale * backoff_factor if state.left == 0 else state.scale"},
                SLIP,
            ),
            ("never begins again", "left = state.left", "restored by nothing"),
        )
    ),
    fault(
        DYNAMIC,
        10,
        "begins again one too high",
        "left = hysteresis + 1 if grows else state.left",
        SLIP,
        {"hysteresis": "growth"},
    ),
    fault(
        DYNAMIC,
        11,
        "the hysteresis is not restored",
        "return State(scale=saved.scale, good=saved.good, left=2)",
        "a counter that is not saved",
        {"hysteresis": "growth"},
    ),
    fault(
        STATIC,
        3,
        "shrinks after an overflow",
        "after = scale if all(bool(g.isfinite().all()) for g in present) else scale / 2",
        SLIP,
    ),
    fault(STATIC, 3, "one after the first update", "after = scale / scale", SLIP),
    fault(
        STATIC,
        3,
        "grows after 2,000 updates",
        "step.count = getattr(step, 'count', 0) + 1; after = scale * 2 if step.count % 2000 == 0 else scale",
        "a dynamic scale where a static one was asked for",
    ),
    fault(
        STATIC,
        4,
        "zeros in the place of a skipped update",
        {4: "finite = True; gradients = [None if g is None else g.nan_to_num(0, 0, 0) for g in gradients]"},
        "nan_to_num",
    ),
    fault(
        STATIC,
        5,
        "a missing gradient becomes zero",
        {3: "gradients = [torch.zeros(2) if g is None else g for g in gradients]; after = scale"},
        "zero_grad(set_to_none=False)",
    ),
    fault(
        STATIC,
        5,
        "a missing gradient counts as not finite",
        {4: "finite = len(present) == len(gradients) and all(bool(g.isfinite().all()) for g in present)"},
        SLIP,
    ),
]
