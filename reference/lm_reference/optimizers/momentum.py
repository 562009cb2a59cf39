"""Gradient descent with momentum: the heavy ball.

    g_t ← g_t + λ θ_{t-1}                                                                    (1)
    b_1 = g_1                                                                                (2)
    b_t = μ b_{t-1} + (1 - τ) g_t for t > 1                                                  (3)
    θ_t = θ_{t-1} - η_t b_t                                                                  (4)
    A parameter that got no gradient keeps its value and its b.                              (5)
    b is the whole state: restored, it continues bit for bit.                                (6)
    Each element is updated alone, whatever the number, sizes and layouts of the tensors.    (7)

μ is the momentum, τ the dampening, λ the penalty of `optimizers.sgd`, η_t the learning rate of update t.

Source: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; in the form of
    Sutskever, Martens, Dahl & Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013,
    equations (1) and (2), with the rate outside of b, as PyTorch's SGD documents it.
Differs: the source has the rate inside of b and no dampening; PyTorch added both, and leaves b_1 undampened.
Forks:
    rate = outside | inside
        inside (2): first = lr * g
        inside (3): b = first if state.t == 0 else momentum * state.b + (1 - dampening) * lr * g
        inside (4): theta = theta - b
        Sutskever et al., equations (1) and (2); Caffe; Keras. The same as outside while the rate is constant.
    first = gradient | dampened
        dampened (2): first = (1 - dampening) * g
        b_0 = 0 and (3) from the first step on.
    dampening = free | absent
        absent (3): b = first if state.t == 0 else momentum * state.b + g
        The implementation has no dampening.
    without = allowed | refused
        refused: μ = 0 is refused, as in bitsandbytes.
    weight_decay = coupled | absent
        absent (1): g = g
        The implementation has no penalty.
    missing = skipped | refused
        refused: every parameter must have a gradient, as in optax.
Forms:
    (3): b = first if state.t == 0 else momentum * state.b + (g - dampening * g)
"""

from typing import NamedTuple

from torch import Tensor


class State(NamedTuple):
    """The buffer of one parameter, and how many gradients it has seen."""

    b: Tensor
    t: int


def init(theta: Tensor) -> State:
    """The state before the first update."""
    return State(b=0 * theta, t=0)


def step(
    theta: Tensor,  # any shape: the parameter
    g: Tensor | None,  # same shape: its gradient, or None
    state: State,
    *,
    lr: float,  # η_t, at least 0
    momentum: float,  # μ in [0, 1)
    dampening: float,  # τ in [0, 1); 0 where μ is
    weight_decay: float,  # λ, at least 0
) -> tuple[Tensor, State]:
    """One update of one parameter."""
    if g is None:
        return theta, state  # (5)
    g = g + weight_decay * theta  # (1)
    first = g  # (2)
    b = first if state.t == 0 else momentum * state.b + (1 - dampening) * g  # (3)
    theta = theta - lr * b  # (4)
    return theta, State(b, state.t + 1)


def restore(saved: State) -> State:
    """The state read back from a checkpoint."""
    return State(b=saved.b, t=saved.t)  # (6)
