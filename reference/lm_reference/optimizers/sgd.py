"""Stochastic gradient descent.

    g_t ← g_t + λ θ_{t-1}                                                                    (1)
    θ_t = θ_{t-1} - η_t g_t                                                                  (2)
    A parameter that got no gradient keeps its value.                                        (3)
    Each element is updated alone, whatever the number, sizes and layouts of the tensors.    (4)

g_t is the gradient of the mini-batch's mean loss, (1/|B_t|) Σ_{x∈B_t} ∇ℓ(x): the mean is taken by the loss,
before this page begins. η_t is the learning rate of update t. (1) is the gradient of the penalty λ‖θ‖²/2.

Source: Robbins & Monro, "A Stochastic Approximation Method", Ann. Math. Statist. 22(3), 1951, equation (8);
    with mini-batches: Goodfellow, Bengio & Courville, "Deep Learning", 2016, algorithm 8.1.
    (1): Krogh & Hertz, "A Simple Weight Decay Can Improve Generalization", NIPS 1991, equation (3).
Differs: the penalty is part of the page, because libraries apply it in the same kernel; λ = 0 is the source.
Forks:
    weight_decay = coupled | absent
        absent (1): g = g
        The implementation has no penalty.
    missing = skipped | refused
        refused: every parameter must have a gradient, as in optax.
Forms:
    (2): theta = theta + -lr * g
"""

from typing import NamedTuple

from torch import Tensor


class State(NamedTuple):
    """Plain gradient descent remembers nothing."""


def init(theta: Tensor) -> State:
    """The state before the first update."""
    return State()


def step(
    theta: Tensor,  # any shape: the parameter
    g: Tensor | None,  # same shape: its gradient, or None
    state: State,
    *,
    lr: float,  # η_t, at least 0
    weight_decay: float,  # λ, at least 0
) -> tuple[Tensor, State]:
    """One update of one parameter."""
    if g is None:
        return theta, state  # (3)
    g = g + weight_decay * theta  # (1)
    theta = theta - lr * g  # (2)
    return theta, state
