"""Mistakes in Adam and AdamW."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import CROSSED, LIMIT, SLIP, TAIL, Fault, by_shape, fault


def _adam_and_adamw() -> list[Fault]:
    """The mistakes that Adam and AdamW have in common, and where their clauses have different numbers."""
    found: list[Fault] = []
    for page, update, zero, missing, state, alone, decay in (
        ("optimizers.adam", 5, 6, 7, 8, 9, ""),
        ("optimizers.adamw", 6, 8, 9, 10, 11, " - decay * theta"),
    ):
        here = partial(fault, page)
        rule = f"theta = theta - lr * (m / c1) / ((v / c2).sqrt() + eps){decay}"
        found += [
            here(1, "momentum without the factor 1 - β1", "m = beta1 * state.m + g", "the heavy ball's buffer"),
            here(1, "β2 in the place of β1", "m = beta2 * state.m + (1 - beta2) * g", "swapped betas"),
            here(1, "β1 and 1 - β1 swapped", "m = (1 - beta1) * state.m + beta1 * g", SLIP),
            here(
                1,
                "corrected moment stored back",
                {1: "m = beta1 * state.m + (1 - beta1) * g; m = m / (1 - beta1**t)", 3: "c1 = 1"},
                "frgfm/holocron#1",
            ),
            here(
                1, "moment is the gradient", "m = g", "state created anew at each update, kozistr/pytorch_optimizer#516"
            ),
            here(2, "square of the average", "v = m * m", SLIP),
            here(2, "β1 in the place of β2", "v = beta1 * state.v + (1 - beta1) * g * g", "swapped betas"),
            here(2, "absolute value for square", "v = beta2 * state.v + (1 - beta2) * abs(g)", SLIP),
            here(
                2,
                "running maximum",
                "v = (beta2 * state.v + (1 - beta2) * g * g).clamp(min=state.v)",
                "AMSGrad where Adam was asked for",
            ),
            here(2, "β2 off by 1e-3", "v = (beta2 - 1e-3) * state.v + (1 - beta2 + 1e-3) * g * g", LIMIT),
            here(2, "square of the deviation", "v = beta2 * state.v + (1 - beta2) * (g - m) * (g - m)", "AdaBelief"),
            here(3, "t starts at 0", "c1 = 1 - beta1 ** (t - 1) if t > 1 else 1 - beta1", "counter raised after use"),
            here(3, "t starts at 2", "c1 = 1 - beta1 ** (t + 1)", "counter raised twice"),
            here(3, "correction of m by β2", "c1 = 1 - beta2**t", "swapped betas"),
            here(4, "no correction of v", "c2 = 1", "half of google-research/bert#153"),
            here(4, "counter stops at 256", "c2 = 1 - beta2 ** min(t, 256)", "counter kept in bfloat16"),
            here(4, "t of v is one behind", "c2 = 1 - beta2 ** max(t - 1, 1)", "counter raised after use"),
            here(4, "correction only for 10 updates", "c2 = 1 - beta2**t if t <= 10 else 1", "warm-up only"),
            here(
                update,
                "ε inside the root",
                rule.replace("(v / c2).sqrt() + eps", "(v / c2 + eps).sqrt()"),
                "FluxML/Flux.jl#448",
            ),
            here(
                update,
                "ε inside the root and after it",
                rule.replace("(v / c2).sqrt() + eps", "(v / c2 + eps).sqrt() + eps"),
                "kozistr/pytorch_optimizer#397",
            ),
            here(update, "ε off by 10 %", rule.replace("+ eps", "+ 1.1 * eps"), LIMIT),
            here(update, "no ε", rule.replace(" + eps", ""), SLIP),
            here(
                update, "ε as a floor", rule.replace("((v / c2).sqrt() + eps)", "(v / c2).sqrt().clamp(min=eps)"), SLIP
            ),
            here(update, "rate off by 1e-5", rule.replace("- lr *", "- 1.00001 * lr *"), LIMIT),
            here(update, "uphill", rule.replace("theta - lr", "theta + lr"), SLIP),
            here(
                update,
                "Nesterov's momentum",
                rule.replace("(m / c1)", "((beta1 * m + (1 - beta1) * g) / c1)"),
                "NAdam where Adam was asked for",
            ),
            here(update, "no rate in the first update", rule.replace("- lr *", "- (lr if t > 1 else 1.0) *"), SLIP),
            here(
                zero,
                "v starts at ε",
                "return State(m=0 * theta, v=0 * theta + 1e-3, t=0)",
                "TensorFlow's initial_accumulator_value of another method",
            ),
            here(
                zero,
                "m starts at the parameter",
                "return State(m=0 * theta + theta, v=0 * theta, t=0)",
                "wrong buffer copied",
            ),
            here(
                missing,
                "a missing gradient is a zero gradient",
                "g = 0 * theta",
                "zero_grad(set_to_none=False)",
            ),
            here(state, "counter not restored", "return State(m=saved.m, v=saved.v, t=0)", "step lost on load"),
            here(state, "moments not restored", "return State(m=0 * saved.m, v=saved.v, t=saved.t)", "Automodel#763"),
            here(state, "cold start", "return State(m=0 * saved.m, v=0 * saved.v, t=0)", "tinker-feedback#127"),
            here(
                alone,
                "one second moment for a whole tensor",
                {2: "v = beta2 * state.v + (1 - beta2) * ((g * g).mean() if g.numel() else 0.0)"},
                "Adam-mini where Adam was asked for",
            ),
            here(
                alone,
                "tensors of 8 n + 1 elements stand still",
                {update: TAIL.format(rule[8:])},
                "tail of a vector loop",
            ),
            here(
                alone,
                "one buffer for all tensors of a shape",
                {1: by_shape("m", "beta1 * {} + (1 - beta1) * g")},
                "buffers found by shape",
            ),
            here(
                alone,
                "gradient read in the parameter's layout",
                {1: f"{CROSSED}; m = beta1 * state.m + (1 - beta1) * g"},
                "bitsandbytes#1187",
            ),
            here(
                alone,
                "large tensors stand still",
                {update: f"{rule} if theta.numel() < 4096 else theta"},
                "DeepSpeed#7640",
            ),
            here(
                alone,
                "clipped elementwise",
                {1: "g = g.clamp(min=-1.0, max=1.0); m = beta1 * state.m + (1 - beta1) * g"},
                SLIP,
            ),
        ]
    return found


FAULTS = [
    *_adam_and_adamw(),
    fault(
        "optimizers.adamw",
        5,
        "decay by the base rate",
        "decay = base_lr * weight_decay",
        "a schedule that decay does not follow",
    ),
    fault("optimizers.adamw", 5, "decay without any rate", "decay = weight_decay", "a reading of algorithm 2"),
    fault(
        "optimizers.adamw",
        5,
        "decay by the corrected rate",
        "decay = (lr / c1) * weight_decay",
        "the folded rate used for both",
    ),
    fault("optimizers.adamw", 5, "no decay", "decay = 0.0", "kozistr/pytorch_optimizer#518"),
    fault(
        "optimizers.adamw",
        6,
        "decay passes through the moments",
        {1: "g = g + weight_decay * theta; m = beta1 * state.m + (1 - beta1) * g", 5: "decay = 0.0"},
        "nntrainer#3565",
    ),
    fault(
        "optimizers.adamw",
        6,
        "decay after the update",
        "theta = (theta - lr * (m / c1) / ((v / c2).sqrt() + eps)) * (1 - decay)",
        "the product in the wrong order",
    ),
    fault(
        "optimizers.adamw",
        6,
        "decay grows the weights",
        "theta = theta - lr * (m / c1) / ((v / c2).sqrt() + eps) + decay * theta",
        "chainer#261",
    ),
    fault(
        "optimizers.adamw",
        6,
        "decay twice",
        "theta = theta * (1 - decay) - lr * (m / c1) / ((v / c2).sqrt() + eps) - decay * theta",
        SLIP,
    ),
    fault(
        "optimizers.adamw",
        6,
        "decay skipped where the gradient is zero",
        "theta = theta - lr * (m / c1) / ((v / c2).sqrt() + eps) - decay * theta * (abs(g) / abs(g).clamp(min=1e-30))",
        "sparse updates",
    ),
    fault("optimizers.adamw", 7, "exclusions ignored", "decay = decay", "Fast-LLM#542"),
    fault("optimizers.adamw", 7, "exclusions inverted", "decay = 0.0 if decayed else decay", SLIP),
    fault(
        "optimizers.adamw",
        7,
        "vectors never decay",
        "decay = decay if decayed and theta.dim() > 1 else 0.0",
        "a rule of the library over the user's list",
    ),
]
