"""Mistakes in gradient descent, plain, with momentum and with Nesterov's."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import CROSSED, LIMIT, SLIP, TAIL, by_shape, fault

_sgd = partial(fault, "optimizers.sgd")
_momentum = partial(fault, "optimizers.momentum")
_nesterov = partial(fault, "optimizers.nesterov")

FAULTS = [
    _sgd(1, "penalty with the wrong sign", "g = g - weight_decay * theta", "chainer#261"),
    _sgd(1, "penalty twice", "g = g + 2 * weight_decay * theta", "the gradient of λ‖θ‖² for that of λ‖θ‖²/2"),
    _sgd(1, "penalty ignored", "g = g", "kozistr/pytorch_optimizer#518"),
    _sgd(1, "penalty on signs", "g = g + weight_decay * (theta / abs(theta).clamp(min=1e-30))", "L1 for L2"),
    _sgd(2, "uphill", "theta = theta + lr * g", SLIP),
    _sgd(2, "rate off by 1e-5", "theta = theta - 1.00001 * lr * g", LIMIT),
    _sgd(2, "rate squared", "theta = theta - lr * lr * g", SLIP),
    _sgd(3, "a missing gradient is a zero gradient", "g = 0 * theta", "zero_grad(set_to_none=False)"),
    _sgd(
        4,
        "normalised by the tensor",
        {2: "theta = theta - lr * g / (1 + abs(g).sum())"},
        "layer-wise normalisation where none was asked for",
    ),
    _sgd(
        4,
        "gradient read in the parameter's layout",
        {1: f"{CROSSED}; g = g + weight_decay * theta"},
        "bitsandbytes#1187",
    ),
    _sgd(
        4,
        "large tensors stand still",
        {2: "theta = theta - lr * g if theta.numel() < 4096 else theta"},
        "DeepSpeed#7640",
    ),
    _sgd(4, "tensors of 8 n + 1 elements stand still", {2: TAIL.format("theta - lr * g")}, "tail of a vector loop"),
    _momentum(
        1, "decay outside of the buffer", {1: "p = weight_decay * theta", 4: "theta = theta - lr * (b + p)"}, "SGDW"
    ),
    _momentum(1, "penalty with the wrong sign", "g = g - weight_decay * theta", "chainer#261"),
    _momentum(1, "penalty skipped without momentum", "g = g + weight_decay * theta if momentum else g", "mlx#440"),
    _momentum(2, "first buffer is zero", "first = 0 * g", SLIP),
    _momentum(2, "first buffer averaged", "first = (1 - momentum) * g", "exponential average for momentum"),
    _momentum(
        3,
        "exponential average",
        "b = first if state.t == 0 else momentum * state.b + (1 - momentum) * g",
        "Adam's form",
    ),
    _momentum(3, "buffer created anew", "b = g", "kozistr/pytorch_optimizer#516"),
    _momentum(3, "dampening ignored", "b = first if state.t == 0 else momentum * state.b + g", "an option never read"),
    _momentum(
        3,
        "dampening from the wrong term",
        "b = first if state.t == 0 else momentum * (1 - dampening) * state.b + g",
        SLIP,
    ),
    _momentum(
        3,
        "momentum off by 1e-5",
        "b = first if state.t == 0 else 1.00001 * momentum * state.b + (1 - dampening) * g",
        LIMIT,
    ),
    _momentum(
        3,
        "buffer emptied at every 256th update",
        "b = first if state.t % 256 == 0 else momentum * state.b + (1 - dampening) * g",
        "counter kept in 8 bits",
    ),
    _momentum(4, "previous buffer", "theta = theta - lr * (state.b if state.t else b)", "one update late"),
    _momentum(4, "Nesterov's step", "theta = theta - lr * (g + momentum * b)", "nesterov on by default"),
    _momentum(4, "rate off by 1e-5", "theta = theta - 1.00001 * lr * b", LIMIT),
    _momentum(5, "a missing gradient is a zero gradient", "g = 0 * theta", "zero_grad(set_to_none=False)"),
    _momentum(5, "a missing gradient resets the buffer", "return theta, init(theta)", SLIP),
    _momentum(6, "buffer not restored", "return State(b=0 * saved.b, t=saved.t)", "Automodel#763"),
    _momentum(
        6,
        "buffer restored in bfloat16",
        "return State(b=saved.b.bfloat16().to(saved.b.dtype), t=saved.t)",
        "pytorch#75214",
    ),
    _momentum(6, "cold start", "return State(b=saved.b, t=0)", "tinker-feedback#127"),
    _momentum(
        7,
        "gradient read in the parameter's layout",
        {1: f"{CROSSED}; g = g + weight_decay * theta"},
        "bitsandbytes#1187",
    ),
    _momentum(
        7,
        "large tensors stand still",
        {4: "theta = theta - lr * b if theta.numel() < 4096 else theta"},
        "DeepSpeed#7640",
    ),
    _momentum(
        7,
        "one buffer for all tensors of a shape",
        {3: by_shape("b", "momentum * {} + (1 - dampening) * g if state.t else first")},
        "buffers found by shape",
    ),
    _momentum(7, "one buffer for a tensor", {4: "theta = theta - lr * (b.mean() if b.numel() else b)"}, SLIP),
    _nesterov(1, "penalty with the wrong sign", "g = g - weight_decay * theta", "chainer#261"),
    _nesterov(1, "penalty ignored", "g = g", "kozistr/pytorch_optimizer#518"),
    _nesterov(2, "exponential average", "b = momentum * state.b + (1 - momentum) * g", "Adam's form"),
    _nesterov(2, "buffer created anew", "b = g", "kozistr/pytorch_optimizer#516"),
    _nesterov(3, "no step ahead", "theta = theta - lr * b", "the heavy ball"),
    _nesterov(
        3, "step ahead with the previous buffer", "theta = theta - lr * (g + momentum * state.b)", "one update late"
    ),
    _nesterov(3, "ahead twice", "theta = theta - lr * (b + momentum * b)", SLIP),
    _nesterov(3, "rate off by 1e-5", "theta = theta - 1.00001 * lr * (g + momentum * b)", LIMIT),
    _nesterov(4, "a missing gradient is a zero gradient", "g = 0 * theta", "zero_grad(set_to_none=False)"),
    _nesterov(5, "buffer not restored", "return State(b=0 * saved.b)", "Automodel#763"),
    _nesterov(
        6,
        "gradient read in the parameter's layout",
        {1: f"{CROSSED}; g = g + weight_decay * theta"},
        "bitsandbytes#1187",
    ),
    _nesterov(
        6,
        "large tensors stand still",
        {3: "theta = theta - lr * (g + momentum * b) if theta.numel() < 4096 else theta"},
        "DeepSpeed#7640",
    ),
    _nesterov(
        6, "one buffer for a tensor", {3: "theta = theta - lr * (g + momentum * (b.mean() if b.numel() else b))"}, SLIP
    ),
]
