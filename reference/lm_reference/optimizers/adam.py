"""Adam: a step size of its own for every element of every parameter.

    m_t = β1 m_{t-1} + (1 - β1) g_t                                                          (1)
    v_t = β2 v_{t-1} + (1 - β2) g_t²                                                         (2)
    m̂_t = m_t / (1 - β1^t)                                                                   (3)
    v̂_t = v_t / (1 - β2^t)                                                                   (4)
    θ_t = θ_{t-1} - η_t m̂_t / (√v̂_t + ε)                                                     (5)
    m_0 = 0, v_0 = 0, and t is 1 at the first update.                                        (6)
    A parameter that got no gradient keeps its value, m, v and t.                            (7)
    m, v and t are the whole state: restored, they continue bit for bit.                     (8)
    Each element is updated alone, whatever the number, sizes and layouts of the tensors.    (9)

η_t is the learning rate of update t, the source's α where it is constant.

Source: Kingma & Ba, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980v9, algorithm 1.
Differs: (7) is silent in the source; PyTorch and the official BERT code skip such a parameter.
Forks:
    epsilon = after | hat
        hat (5): theta = theta - lr * (c2**0.5 / c1) * m / (v.sqrt() + eps)
        The text before section 2.1 of the source, with ε̂ in the place of ε; TensorFlow; fairseq.
    bias_correction = on | off
        off (3): c1 = 1
        off (4): c2 = 1
        The optimizer of the official BERT code, `AdamWeightDecayOptimizer`.
    missing = skipped | counted | refused
        counted (7): return theta, state._replace(t=state.t + 1)
        One t for all parameters, as in optax and in the official BERT code.
        refused: every parameter must have a gradient, as in optax.
Forms:
    (1): m = state.m + (1 - beta1) * (g - state.m)
    (2): v = beta2 * state.v + (1 - beta2) * (g * g)
    (5): theta = theta - (lr / c1) * m / (v.sqrt() / c2**0.5 + eps)
    (5): theta = theta - (lr * c2**0.5 / c1) * m / (v.sqrt() + eps * c2**0.5)
"""

from typing import NamedTuple

from torch import Tensor


class State(NamedTuple):
    """The moments of one parameter, and how many updates it has had."""

    m: Tensor
    v: Tensor
    t: int


def init(theta: Tensor) -> State:
    """The state before the first update."""
    return State(m=0 * theta, v=0 * theta, t=0)  # (6)


def step(
    theta: Tensor,  # any shape: the parameter
    g: Tensor | None,  # same shape: its gradient, or None
    state: State,
    *,
    lr: float,  # η_t, at least 0
    beta1: float,  # in [0, 1)
    beta2: float,  # in [0, 1)
    eps: float,  # ε, above 0
) -> tuple[Tensor, State]:
    """One update of one parameter."""
    if g is None:
        return theta, state  # (7)
    t = state.t + 1
    m = beta1 * state.m + (1 - beta1) * g  # (1)
    v = beta2 * state.v + (1 - beta2) * g * g  # (2)
    c1 = 1 - beta1**t  # (3)
    c2 = 1 - beta2**t  # (4)
    theta = theta - lr * (m / c1) / ((v / c2).sqrt() + eps)  # (5)
    return theta, State(m, v, t)


def restore(saved: State) -> State:
    """The state read back from a checkpoint."""
    return State(m=saved.m, v=saved.v, t=saved.t)  # (8)
