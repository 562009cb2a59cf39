"""AdamW: Adam with weight decay that does not pass through the moments.

    m_t = β1 m_{t-1} + (1 - β1) g_t                                                          (1)
    v_t = β2 v_{t-1} + (1 - β2) g_t²                                                         (2)
    m̂_t = m_t / (1 - β1^t)                                                                   (3)
    v̂_t = v_t / (1 - β2^t)                                                                   (4)
    decay_t = η_t λ                                                                          (5)
    θ_t = θ_{t-1} - η_t m̂_t / (√v̂_t + ε) - decay_t θ_{t-1}                                   (6)
    A parameter on the list of exclusions has no decay.                                      (7)
    m_0 = 0, v_0 = 0, and t is 1 at the first update.                                        (8)
    A parameter that got no gradient keeps its value, m, v and t.                            (9)
    m, v and t are the whole state: restored, they continue bit for bit.                     (10)
    Each element is updated alone, whatever the number, sizes and layouts of the tensors.    (11)

η_t = α s_t is the learning rate of update t: α the base rate, s_t the multiplier of the schedule.

Source: Loshchilov & Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101v3, algorithm 2.
Differs: (5) is the product with the whole rate, as PyTorch, apex, fairseq, optax and the official BERT code have
    it; in algorithm 2 the decay is multiplied by s_t alone. (7) and (9) are silent in the source.
Forks:
    decay = rate | multiplier
        multiplier (5): decay = (lr / base_lr) * weight_decay
        Algorithm 2, line 12: λ_paper = α λ_library.
    epsilon = after | hat
        hat (6): theta = theta - lr * (c2**0.5 / c1) * m / (v.sqrt() + eps) - decay * theta
        As in `optimizers.adam`; fairseq, and transformers before version 5.
    bias_correction = on | off
        off (3): c1 = 1
        off (4): c2 = 1
        The optimizer of the official BERT code, `AdamWeightDecayOptimizer`.
    missing = skipped | counted | refused
        counted (9): return theta, state._replace(t=state.t + 1)
        One t for all parameters, as in optax and in the official BERT code.
        refused: every parameter must have a gradient, as in optax.
    exclusions = list | absent
        absent (7): decay = decay
        The implementation decays every parameter.
Forms:
    (1): m = state.m + (1 - beta1) * (g - state.m)
    (2): v = beta2 * state.v + (1 - beta2) * (g * g)
    (6): theta = theta * (1 - decay) - (lr / c1) * m / (v.sqrt() / c2**0.5 + eps)
    (6): theta = theta - (lr * (m / c1) / ((v / c2).sqrt() + eps) + decay * theta)
    (6): theta = theta - lr * ((m / c1) / ((v / c2).sqrt() + eps) + (decay / lr if lr else 0.0) * theta)
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
    return State(m=0 * theta, v=0 * theta, t=0)  # (8)


def step(
    theta: Tensor,  # any shape: the parameter
    g: Tensor | None,  # same shape: its gradient, or None
    state: State,
    *,
    lr: float,  # η_t, at least 0
    base_lr: float,  # α, above 0: η_t before the schedule's multiplier
    beta1: float,  # in [0, 1)
    beta2: float,  # in [0, 1)
    eps: float,  # ε, above 0
    weight_decay: float,  # λ, at least 0
    decayed: bool,  # False for a parameter on the list of exclusions
) -> tuple[Tensor, State]:
    """One update of one parameter."""
    if g is None:
        return theta, state  # (9)
    t = state.t + 1
    m = beta1 * state.m + (1 - beta1) * g  # (1)
    v = beta2 * state.v + (1 - beta2) * g * g  # (2)
    c1 = 1 - beta1**t  # (3)
    c2 = 1 - beta2**t  # (4)
    decay = lr * weight_decay  # (5)
    decay = decay if decayed else 0.0  # (7)
    theta = theta - lr * (m / c1) / ((v / c2).sqrt() + eps) - decay * theta  # (6)
    return theta, State(m, v, t)


def restore(saved: State) -> State:
    """The state read back from a checkpoint."""
    return State(m=saved.m, v=saved.v, t=saved.t)  # (10)
