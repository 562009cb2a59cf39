"""Mistakes in keeping master weights."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import SLIP, fault

_here = partial(fault, "precision.master_weights")
_UPDATED = "(update(*one) for one in zip(state.masters, unscaled, state.moments))"
_UPPER = "(m.view(torch.int32) & -65536).view(torch.float32)"

FAULTS = [
    _here(
        1,
        "masters of bfloat16",
        "masters = [weight.bfloat16().float() for weight in weights]",
        "weights loaded in bfloat16",
    ),
    _here(1, "masters of zero", "masters = [0 * weight for weight in weights]", "buffers that are not filled"),
    _here(2, "copies of zero before the first update", "copies = [0 * master for master in masters]", SLIP),
    _here(2, "copies rounded twice", "copies = [rounded(m * (1 + 2.0**-9)) for m in masters]", SLIP),
    _here(
        2, "copies made upwards", "copies = [rounded(m + (rounded(m) < m) * (m - rounded(m))) for m in masters]", SLIP
    ),
    _here(3, "copies are not refreshed", "copies = state.copies", "a copy that is made once"),
    _here(
        3,
        "copies are one update behind",
        "copies = [rounded(master) for master in state.masters]",
        "copied before the step",
    ),
    _here(
        3,
        "copies are the upper 16 bits of the masters",
        f"import torch; copies = [{_UPPER} for m in masters]",
        "a truncating cast",
    ),
    _here(
        3,
        "copies take updates of their own",
        "copies = [rounded(c + rounded(m - o)) for c, m, o in zip(state.copies, masters, state.masters)]",
        "weights and copies drift apart",
    ),
    _here(4, "not unscaled", "unscaled = [g.float() for g in gradients]", "Adam hides it"),
    _here(
        4,
        "unscaled twice",
        "unscaled = [g.float() / scale / scale for g in gradients]",
        "by the scaler and by the optimizer",
    ),
    _here(
        4,
        "divided before they are widened",
        "unscaled = [(g / scale).float() for g in gradients]",
        "unscaling in place",
    ),
    _here(
        4,
        "only the first gradient is unscaled",
        "unscaled = [g.float() / (1 if i else scale) for i, g in enumerate(gradients)]",
        "the first parameter group",
    ),
    _here(
        4,
        "by 1,024, whatever the scale",
        "unscaled = [g.float() / 1024 for g in gradients]",
        "the initial scale for ever",
    ),
    _here(
        5,
        "gradients are rounded to bfloat16",
        "updated = [update(t, g.bfloat16().float(), m) for t, g, m in zip(state.masters, unscaled, state.moments)]",
        "another format in between",
    ),
    _here(
        5,
        "masters are kept in 16 bits",
        f"updated = [(rounded(t), m) for t, m in {_UPDATED}]",
        "vllm-project/speculators#765",
    ),
    _here(
        5,
        "the copies are updated",
        "updated = [update(*one) for one in zip(state.copies, unscaled, state.moments)]",
        "workofart/ml-by-hand#85",
    ),
    _here(
        5,
        "moments are kept in 16 bits",
        f"updated = [(t, m._replace(m=rounded(m.m), v=rounded(m.v))) for t, m in {_UPDATED}]",
        "state cast to the type of the weights on load",
    ),
    _here(
        5,
        "updates are rounded to 16 bits",
        "updated = [(o + rounded(t - o), m) for o, (t, m) in zip(state.masters, " + _UPDATED + ")]",
        "the update computed in 16 bits",
    ),
    _here(
        5,
        "the sign of the gradient",
        "updated = [update(t, g.sign(), m) for t, g, m in zip(state.masters, unscaled, state.moments)]",
        SLIP,
    ),
    _here(
        6,
        "updates that change no copy are lost",
        {
            5: "updated = [(o if (rounded(t) == rounded(o)).all() else t, m) for o, (t, m) in zip(state.masters, "
            + _UPDATED
            + ")]"
        },
        "pytorch/ao#1124",
    ),
    _here(
        6,
        "masters of bfloat16 and a half",
        {5: f"updated = [((t.double() * 2**14).round().float() / 2**14, m) for t, m in {_UPDATED}]"},
        "a format between",
    ),
    _here(7, "skipped updates are made", "gradients = [g.nan_to_num(0, 0, 0) for g in gradients]", "nan_to_num"),
    _here(
        7,
        "the counter goes on",
        "return state._replace(moments=[m._replace(t=m.t + 1) for m in state.moments])",
        "a fused step that is not told",
    ),
    _here(
        7,
        "moments decay",
        "return state._replace(moments=[update(t, 0 * t, m)[1] for t, m in zip(state.masters, state.moments)])",
        "a step with zeros",
    ),
    _here(
        7,
        "moments start again",
        "return state._replace(moments=[m._replace(m=0 * m.m, v=0 * m.v, t=0) for m in state.moments])",
        SLIP,
    ),
    _here(
        7,
        "masters are made of the copies",
        "return state._replace(masters=list(state.copies))",
        "an undo that reloads the model",
    ),
    _here(
        7,
        "copies are lost",
        "return state._replace(copies=[c * float('nan') for c in state.copies])",
        "a step before the test",
    ),
    _here(
        8,
        "masters are made of the copies",
        "return State(masters=saved.copies, copies=saved.copies, moments=saved.moments)",
        "the model's checkpoint alone is read",
    ),
    _here(
        8,
        "copies are not restored",
        "return State(masters=saved.masters, copies=[0 * c for c in saved.copies], moments=saved.moments)",
        "until the next update",
    ),
    _here(
        8,
        "moments are not restored",
        "return State(saved.masters, saved.copies, [m._replace(m=0 * m.m, v=0 * m.v) for m in saved.moments])",
        SLIP,
    ),
    _here(
        8,
        "the counter is not restored",
        "return State(saved.masters, saved.copies, [m._replace(t=0) for m in saved.moments])",
        SLIP,
    ),
    _here(
        9,
        "only the first copy is refreshed",
        {3: "copies = [c if i else rounded(m) for i, (m, c) in enumerate(zip(masters, state.copies))]"},
        "a loop that ends too early",
    ),
    _here(
        9,
        "large tensors stand still",
        {5: "updated = [(t if t.numel() > 256 else new, m) for t, (new, m) in zip(state.masters, " + _UPDATED + ")]"},
        "DeepSpeed#7640",
    ),
    _here(
        9,
        "tensors of a shape share their moments",
        {
            5: "first = {t.shape: m for t, m in zip(reversed(state.masters), reversed(state.moments))}; "
            "updated = [update(t, g, first[t.shape]) for t, g in zip(state.masters, unscaled)]"
        },
        "buffers found by shape",
    ),
    _here(
        9,
        "the last tensor stands still",
        {5: f"updated = list({_UPDATED}); updated[-1] = (state.masters[-1], updated[-1][1])"},
        SLIP,
    ),
]
