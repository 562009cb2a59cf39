"""Gradient descent with Nesterov's momentum: the gradient is taken where the momentum leads.

    g_t ← g_t + λ θ_{t-1}                                                                    (1)
    b_t = μ b_{t-1} + g_t, with b_0 = 0                                                      (2)
    θ_t = θ_{t-1} - η_t (g_t + μ b_t)                                                        (3)
    A parameter that got no gradient keeps its value and its b.                              (4)
    b is the whole state: restored, it continues bit for bit.                                (5)
    Each element is updated alone, whatever the number, sizes and layouts of the tensors.    (6)

μ is the momentum, λ the penalty of `optimizers.sgd`, η_t the learning rate of update t.

Source: Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)", 1983; rewritten
    for gradients at the current point by Bengio, Boulanger-Lewandowski & Pascanu, "Advances in Optimizing Recurrent
    Networks", arXiv:1212.0901v2, section 3.5, with the rate outside of b, as PyTorch's SGD documents it.
Differs: θ is the point at which gradients are taken, one μ b ahead of the source's iterate.
Forks:
    rate = outside | inside
        inside (2): b = momentum * state.b + lr * g
        inside (3): theta = theta - (lr * g + momentum * b)
        Bengio et al., equation (7); Keras. The same as outside while the rate is constant.
    weight_decay = coupled | absent
        absent (1): g = g
        The implementation has no penalty.
    missing = skipped | refused
        refused: every parameter must have a gradient, as in optax.
Forms:
    (3): theta = theta - lr * g - lr * momentum * b
"""

from typing import NamedTuple

from torch import Tensor


class State(NamedTuple):
    """The buffer of one parameter."""

    b: Tensor


def init(theta: Tensor) -> State:
    """The state before the first update."""
    return State(b=0 * theta)


def step(
    theta: Tensor,  # any shape: the parameter
    g: Tensor | None,  # same shape: its gradient, or None
    state: State,
    *,
    lr: float,  # η_t, at least 0
    momentum: float,  # μ in (0, 1)
    weight_decay: float,  # λ, at least 0
) -> tuple[Tensor, State]:
    """One update of one parameter."""
    if g is None:
        return theta, state  # (4)
    g = g + weight_decay * theta  # (1)
    b = momentum * state.b + g  # (2)
    theta = theta - lr * (g + momentum * b)  # (3)
    return theta, State(b)


def restore(saved: State) -> State:
    """The state read back from a checkpoint."""
    return State(b=saved.b)  # (5)
