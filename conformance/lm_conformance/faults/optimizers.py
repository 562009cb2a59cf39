"""Mistakes in update rules. The source names where one was published, or what kind of slip it is."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import Fault, fault

_sgd = partial(fault, "optimizers.sgd")
_momentum = partial(fault, "optimizers.momentum")
_nesterov = partial(fault, "optimizers.nesterov")
_adafactor = partial(fault, "optimizers.adafactor")

_AVERAGED = {"momentum": "after_rate"}

_GIVEN = {"rate": "external"}

LIMIT = "the smallest difference that the suite promises to see"
SLIP = "a slip of the pen"

_TAIL = "theta_new = {}; theta = theta if theta.numel() > 8 and theta.numel() % 8 == 1 else theta_new"

_CROSSED = "g = g.as_strided(g.shape, theta.stride())"
_KEPT = "(state.{0} if state.t == 0 else step.kept[tuple(theta.shape)])"
_KEEP = "{0} = {1}; step.kept = {{**getattr(step, 'kept', {{}}), tuple(theta.shape): {0}}}"


def _by_shape(name: str, rule: str) -> str:
    """The line `name = rule`, with one buffer for all tensors of a shape in the place of {}."""
    return _KEEP.format(name, rule.format(_KEPT.format(name)))


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
            here(1, "moment is the gradient", "m = g", "state created anew at each update, kozistr/pytorch_optimizer#516"),
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
            here(update, "ε inside the root", rule.replace("(v / c2).sqrt() + eps", "(v / c2 + eps).sqrt()"), "FluxML/Flux.jl#448"),
            here(
                update,
                "ε inside the root and after it",
                rule.replace("(v / c2).sqrt() + eps", "(v / c2 + eps).sqrt() + eps"),
                "kozistr/pytorch_optimizer#397",
            ),
            here(update, "ε off by 10 %", rule.replace("+ eps", "+ 1.1 * eps"), LIMIT),
            here(update, "no ε", rule.replace(" + eps", ""), SLIP),
            here(update, "ε as a floor", rule.replace("((v / c2).sqrt() + eps)", "(v / c2).sqrt().clamp(min=eps)"), SLIP),
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
            here(zero, "m starts at the parameter", "return State(m=0 * theta + theta, v=0 * theta, t=0)", "wrong buffer copied"),
            here(missing, "a missing gradient is a zero gradient", "g = 0 * theta if g is None else g", "zero_grad(set_to_none=False)"),
            here(state, "counter not restored", "return State(m=saved.m, v=saved.v, t=0)", "step lost on load"),
            here(state, "moments not restored", "return State(m=0 * saved.m, v=saved.v, t=saved.t)", "Automodel#763"),
            here(state, "cold start", "return State(m=0 * saved.m, v=0 * saved.v, t=0)", "tinker-feedback#127"),
            here(
                alone,
                "one second moment for a whole tensor",
                {2: "v = beta2 * state.v + (1 - beta2) * ((g * g).mean() if g.numel() else 0.0)"},
                "Adam-mini where Adam was asked for",
            ),
            here(alone, "tensors of 8 n + 1 elements stand still", {update: _TAIL.format(rule[8:])}, "tail of a vector loop"),
            here(
                alone,
                "one buffer for all tensors of a shape",
                {1: _by_shape("m", "beta1 * {} + (1 - beta1) * g")},
                "buffers found by shape",
            ),
            here(
                alone,
                "gradient read in the parameter's layout",
                {1: f"{_CROSSED}; m = beta1 * state.m + (1 - beta1) * g"},
                "bitsandbytes#1187",
            ),
            here(alone, "large tensors stand still", {update: f"{rule} if theta.numel() < 4096 else theta"}, "DeepSpeed#7640"),
            here(alone, "clipped elementwise", {1: "g = g.clamp(min=-1.0, max=1.0); m = beta1 * state.m + (1 - beta1) * g"}, SLIP),
        ]
    return found


FAULTS = [
    # sgd
    _sgd(1, "penalty with the wrong sign", "g = g - weight_decay * theta", "chainer#261"),
    _sgd(1, "penalty twice", "g = g + 2 * weight_decay * theta", "the gradient of λ‖θ‖² for that of λ‖θ‖²/2"),
    _sgd(1, "penalty ignored", "g = g", "kozistr/pytorch_optimizer#518"),
    _sgd(1, "penalty on signs", "g = g + weight_decay * (theta / abs(theta).clamp(min=1e-30))", "L1 for L2"),
    _sgd(2, "uphill", "theta = theta + lr * g", SLIP),
    _sgd(2, "rate off by 1e-5", "theta = theta - 1.00001 * lr * g", LIMIT),
    _sgd(2, "rate squared", "theta = theta - lr * lr * g", SLIP),
    _sgd(3, "a missing gradient is a zero gradient", "g = 0 * theta if g is None else g", "zero_grad(set_to_none=False)"),
    _sgd(
        4,
        "normalised by the tensor",
        {2: "theta = theta - lr * g / (1 + abs(g).sum())"},
        "layer-wise normalisation where none was asked for",
    ),
    _sgd(4, "gradient read in the parameter's layout", {1: f"{_CROSSED}; g = g + weight_decay * theta"}, "bitsandbytes#1187"),
    _sgd(4, "large tensors stand still", {2: "theta = theta - lr * g if theta.numel() < 4096 else theta"}, "DeepSpeed#7640"),
    _sgd(
        4, "tensors of 8 n + 1 elements stand still", {2: _TAIL.format("theta - lr * g")}, "tail of a vector loop"
    ),
    # momentum
    _momentum(1, "decay outside of the buffer", {1: "p = weight_decay * theta", 4: "theta = theta - lr * (b + p)"}, "SGDW"),
    _momentum(1, "penalty with the wrong sign", "g = g - weight_decay * theta", "chainer#261"),
    _momentum(1, "penalty skipped without momentum", "g = g + weight_decay * theta if momentum else g", "mlx#440"),
    _momentum(2, "first buffer is zero", "first = 0 * g", SLIP),
    _momentum(2, "first buffer averaged", "first = (1 - momentum) * g", "exponential average for momentum"),
    _momentum(3, "exponential average", "b = first if state.t == 0 else momentum * state.b + (1 - momentum) * g", "Adam's form"),
    _momentum(3, "buffer created anew", "b = g", "kozistr/pytorch_optimizer#516"),
    _momentum(3, "dampening ignored", "b = first if state.t == 0 else momentum * state.b + g", "an option never read"),
    _momentum(3, "dampening from the wrong term", "b = first if state.t == 0 else momentum * (1 - dampening) * state.b + g", SLIP),
    _momentum(3, "momentum off by 1e-5", "b = first if state.t == 0 else 1.00001 * momentum * state.b + (1 - dampening) * g", LIMIT),
    _momentum(3, "buffer emptied at every 256th update", "b = first if state.t % 256 == 0 else momentum * state.b + (1 - dampening) * g", "counter kept in 8 bits"),
    _momentum(4, "previous buffer", "theta = theta - lr * (state.b if state.t else b)", "one update late"),
    _momentum(4, "Nesterov's step", "theta = theta - lr * (g + momentum * b)", "nesterov on by default"),
    _momentum(4, "rate off by 1e-5", "theta = theta - 1.00001 * lr * b", LIMIT),
    _momentum(5, "a missing gradient is a zero gradient", "g = 0 * theta if g is None else g", "zero_grad(set_to_none=False)"),
    _momentum(5, "a missing gradient resets the buffer", "if g is None: return theta, init(theta)", SLIP),
    _momentum(6, "buffer not restored", "return State(b=0 * saved.b, t=saved.t)", "Automodel#763"),
    _momentum(6, "buffer restored in bfloat16", "return State(b=saved.b.bfloat16().to(saved.b.dtype), t=saved.t)", "pytorch#75214"),
    _momentum(6, "cold start", "return State(b=saved.b, t=0)", "tinker-feedback#127"),
    _momentum(7, "gradient read in the parameter's layout", {1: f"{_CROSSED}; g = g + weight_decay * theta"}, "bitsandbytes#1187"),
    _momentum(7, "large tensors stand still", {4: "theta = theta - lr * b if theta.numel() < 4096 else theta"}, "DeepSpeed#7640"),
    _momentum(7, "one buffer for all tensors of a shape", {3: _by_shape("b", "momentum * {} + (1 - dampening) * g if state.t else first")}, "buffers found by shape"),
    _momentum(7, "one buffer for a tensor", {4: "theta = theta - lr * (b.mean() if b.numel() else b)"}, SLIP),
    # nesterov
    _nesterov(1, "penalty with the wrong sign", "g = g - weight_decay * theta", "chainer#261"),
    _nesterov(1, "penalty ignored", "g = g", "kozistr/pytorch_optimizer#518"),
    _nesterov(2, "exponential average", "b = momentum * state.b + (1 - momentum) * g", "Adam's form"),
    _nesterov(2, "buffer created anew", "b = g", "kozistr/pytorch_optimizer#516"),
    _nesterov(3, "no step ahead", "theta = theta - lr * b", "the heavy ball"),
    _nesterov(3, "step ahead with the previous buffer", "theta = theta - lr * (g + momentum * state.b)", "one update late"),
    _nesterov(3, "ahead twice", "theta = theta - lr * (b + momentum * b)", SLIP),
    _nesterov(3, "rate off by 1e-5", "theta = theta - 1.00001 * lr * (g + momentum * b)", LIMIT),
    _nesterov(4, "a missing gradient is a zero gradient", "g = 0 * theta if g is None else g", "zero_grad(set_to_none=False)"),
    _nesterov(5, "buffer not restored", "return State(b=0 * saved.b)", "Automodel#763"),
    _nesterov(6, "gradient read in the parameter's layout", {1: f"{_CROSSED}; g = g + weight_decay * theta"}, "bitsandbytes#1187"),
    _nesterov(6, "large tensors stand still", {3: "theta = theta - lr * (g + momentum * b) if theta.numel() < 4096 else theta"}, "DeepSpeed#7640"),
    _nesterov(6, "one buffer for a tensor", {3: "theta = theta - lr * (g + momentum * (b.mean() if b.numel() else b))"}, SLIP),
    # adam and adamw
    *_adam_and_adamw(),
    fault("optimizers.adamw", 5, "decay by the base rate", "decay = base_lr * weight_decay", "a schedule that decay does not follow"),
    fault("optimizers.adamw", 5, "decay without any rate", "decay = weight_decay", "a reading of algorithm 2"),
    fault("optimizers.adamw", 5, "decay by the corrected rate", "decay = (lr / c1) * weight_decay", "the folded rate used for both"),
    fault("optimizers.adamw", 5, "no decay", "decay = 0.0", "kozistr/pytorch_optimizer#518"),
    fault("optimizers.adamw", 6, "decay passes through the moments", {1: "g = g + weight_decay * theta; m = beta1 * state.m + (1 - beta1) * g", 5: "decay = 0.0"}, "nntrainer#3565"),
    fault("optimizers.adamw", 6, "decay after the update", "theta = (theta - lr * (m / c1) / ((v / c2).sqrt() + eps)) * (1 - decay)", "the product in the wrong order"),
    fault("optimizers.adamw", 6, "decay grows the weights", "theta = theta - lr * (m / c1) / ((v / c2).sqrt() + eps) + decay * theta", "chainer#261"),
    fault("optimizers.adamw", 6, "decay twice", "theta = theta * (1 - decay) - lr * (m / c1) / ((v / c2).sqrt() + eps) - decay * theta", SLIP),
    fault("optimizers.adamw", 6, "decay skipped where the gradient is zero", "theta = theta - lr * (m / c1) / ((v / c2).sqrt() + eps) - decay * theta * (abs(g) / abs(g).clamp(min=1e-30))", "sparse updates"),
    fault("optimizers.adamw", 7, "exclusions ignored", "decay = decay", "Fast-LLM#542"),
    fault("optimizers.adamw", 7, "exclusions inverted", "decay = 0.0 if decayed else decay", SLIP),
    fault("optimizers.adamw", 7, "vectors never decay", "decay = decay if decayed and theta.dim() > 1 else 0.0", "a rule of the library over the user's list"),
    # adafactor
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
    _adafactor(5, "R C before the root", "root = (r * c / r.mean(dim=row, keepdim=True)).sqrt()", "10^-30 × 10^-30 is 0 in float32"),
    _adafactor(5, "not normalised", "root = r.sqrt() * c.sqrt()", SLIP),
    _adafactor(5, "root of the mean", "root = (r * c / r.mean(dim=row, keepdim=True).sqrt()).sqrt()", SLIP),
    _adafactor(5, "normalised by this update's mean", "root = (r / s.mean()).sqrt() * c.sqrt()", "the mean of this update, not of the average"),
    _adafactor(6, "no memory", "v = s", "state created anew"),
    _adafactor(6, "constant β2", "v = 0.999 * state.v + 0.001 * s", "Adam's decay"),
    _adafactor(7, "no root", "u = g / (root * root)", SLIP),
    _adafactor(7, "ε outside the root", "u = g / (root + eps1)", "Adam's ε"),
    _adafactor(8, "no clipping", "u = u", "an option never read"),
    _adafactor(8, "clipped by its norm", "u = u / (u.square().sum().sqrt() / clipping_threshold).clamp(min=1)", "‖U‖ for RMS(U)"),
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
    _adafactor(11, "average without the factor 1 - β1", "m = (beta1 or 0.0) * state.m + alpha * u", "the heavy ball's buffer", _AVERAGED),
    _adafactor(11, "momentum off by one update", "m = alpha * u; m = m if t == 1 else (beta1 or 0.0) * state.m + (1 - (beta1 or 0.0)) * m", "first average not weighted", _AVERAGED),
    _adafactor(12, "uphill", "theta = theta + m", SLIP),
    _adafactor(12, "update off by 1e-5", "theta = theta - 1.00001 * m", LIMIT),
    _adafactor(13, "vectors as rows", "if len(shape) < 1: return []", "a vector treated as a matrix"),
    _adafactor(13, "matrices from 32 on", "if len(shape) < 2 or min(shape[-2:]) < 32: return []", "min_dim_size_to_factor where none was declared"),
    _adafactor(13, "nothing is factored", "return []", "plain RMS scaling"),
    _adafactor(14, "first two axes", "return [0, 1]", SLIP),
    _adafactor(14, "only matrices are factored", "return [0, 1] if len(shape) == 2 else []", "the paper read to the letter"),
    _adafactor(15, "rows kept as a whole array", {15: "return State(r=zero.sum(dim=column, keepdim=True) + zero, c=zero.sum(dim=row, keepdim=True), v=None, m=0.0, t=0)", 3: "r = beta2 * state.r + (1 - beta2) * s.mean(dim=column, keepdim=True) + 0 * g"}, "no memory saved"),
    _adafactor(16, "a missing gradient is a zero gradient", "g = 0 * theta if g is None else g", "zero_grad(set_to_none=False)"),
    _adafactor(17, "counter not restored", "return State(r=saved.r, c=saved.c, v=saved.v, m=saved.m, t=0)", "step lost on load"),
    _adafactor(17, "second moment not restored", "return State(r=saved.r, c=saved.c if saved.c is None else 0 * saved.c, v=saved.v if saved.v is None else 0 * saved.v, m=saved.m, t=saved.t)", "Automodel#763"),
    _adafactor(18, "gradient read in the parameter's layout", {2: f"{_CROSSED}; s = g * g + eps1"}, "bitsandbytes#1187"),
    _adafactor(18, "large tensors stand still", {12: "theta = theta - m if theta.numel() < 4096 else theta"}, "DeepSpeed#7640"),
    _adafactor(18, "elements clipped", {2: "g = g.clamp(min=-1.0, max=1.0); s = g * g + eps1"}, SLIP),
]
