"""Adafactor: second moments of matrices as one number for every row and one for every column.

    β̂_t = 1 - t^(-c)                                                                         (1)
    S_t = G_t² + ε1                                                                          (2)
    R_t = β̂_t R_{t-1} + (1 - β̂_t) (mean of S_t over each row)                                (3)
    C_t = β̂_t C_{t-1} + (1 - β̂_t) (mean of S_t over each column)                             (4)
    V̂_t = R_t C_t / (mean of R_t)                                                            (5)
    V̂_t = β̂_t V̂_{t-1} + (1 - β̂_t) S_t, where the tensor is not factored                      (6)
    U_t = G_t / √V̂_t                                                                         (7)
    Û_t = U_t / max(1, RMS(U_t) / d)                                                         (8)
    ρ_t = min(10^-2, 1/√t)                                                                   (9)
    α_t = max(ε2, RMS(θ_{t-1})) ρ_t                                                          (10)
    m_t = α_t Û_t                                                                            (11)
    θ_t = θ_{t-1} - m_t                                                                      (12)
    Scalars and vectors are not factored, matrices of any size are.                          (13)
    Of a tensor with more dimensions the last two are factored.                              (14)
    A factored tensor keeps R and C, no array of its own size, unless there is momentum.     (15)
    A parameter that got no gradient keeps its value and its state.                          (16)
    R, C, V̂, m and t are the whole state: restored, they continue bit for bit.               (17)
    Each parameter is updated alone, whatever the number, sizes and layouts of the tensors.  (18)

RMS(X) is the root of the mean square over the whole tensor. Defaults: ε1 = 10^-30, ε2 = 10^-3, d = 1, c = 0.8.

Source: Shazeer & Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", arXiv:1804.04235v1:
    algorithms 4 (matrices), 5 (vectors) and 6 (the values of the constants).
Differs: (3) to (5) have means where algorithm 4 has sums: the factors cancel. The code has √V̂ for V̂, because R_t C_t
    underflows where a row and a column are zero. (13) and (14) decide what the paper
    leaves open, as fairseq, transformers and PyTorch do. (16) is silent in the source.
Forks:
    rate = relative | capped | external
        capped (9): rho = min(lr, t**-0.5)
        PyTorch: the rate takes the place of 10^-2.
        external (9): rho = lr
        Algorithm 4 takes ρ_t from outside; T5, section 3.1.2.
    scale = parameter | none
        none (10): alpha = rho
        No parameter scale: fairseq and transformers with scale_parameter=False.
    momentum = none | after_rate | before_rate
        after_rate (11): m = beta1 * state.m + (1 - beta1) * alpha * u
        Mesh TensorFlow, fairseq, transformers, optax.
        before_rate (11): m = beta1 * state.m + (1 - beta1) * u
        before_rate (12): theta = theta - alpha * m
        Big Vision.
    epsilon1 = square | floor
        floor (2): s = g * g
        floor (5): root = (r * c / r.mean(dim=row, keepdim=True).clamp(min=eps1)).sqrt()
        floor (7): u = g / root.clamp(min=eps1)
        PyTorch, torch/optim/_adafactor.py.
    axes = last_two | largest_two
        largest_two (14): return sorted(sorted(range(len(shape)), key=lambda axis: shape[axis])[-2:])
        Mesh TensorFlow, optax.
    smallest = any | 128
        128 (13): if len(shape) < 2 or sorted(shape)[-2] < 128:
        Mesh TensorFlow, optax: min_dim_size_to_factor.
    missing = skipped | counted | refused
        counted (16): return theta, state._replace(t=state.t + 1)
        One t for all parameters, as in optax and in the official BERT code.
        refused: every parameter must have a gradient, as in optax.
Forms:
    (3): r = state.r + (1 - beta2) * (s.mean(dim=column, keepdim=True) - state.r)
    (4): c = state.c + (1 - beta2) * (s.mean(dim=row, keepdim=True) - state.c)
    (5): root = r.sqrt() * (c / c.mean(dim=column, keepdim=True)).sqrt()
    (6): v = state.v + (1 - beta2) * (s - state.v)
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class State(NamedTuple):
    """What one parameter keeps: r and c where it is factored, v where it is not, m where there is momentum."""

    r: Tensor | None
    c: Tensor | None
    v: Tensor | None
    m: Tensor | float  # 0 where there is no momentum
    t: int


def factored(shape: Sequence[int]) -> Sequence[int]:
    """The axes of the rows and of the columns, or nothing where the tensor is not factored."""
    if len(shape) < 2:  # (13)
        return []
    return [len(shape) - 2, len(shape) - 1]  # (14)


def init(theta: Tensor) -> State:
    """The state before the first update."""
    zero = 0 * theta
    if not (axes := factored(theta.shape)):
        return State(r=None, c=None, v=zero, m=0.0, t=0)
    row, column = axes
    r, c = zero.sum(dim=column, keepdim=True), zero.sum(dim=row, keepdim=True)  # (15)
    return State(r, c, v=None, m=0.0, t=0)


def step(
    theta: Tensor,  # any shape: the parameter
    g: Tensor | None,  # same shape: its gradient G, or None
    state: State,
    *,
    lr: float | None,  # η_t, what `rate` makes of it; None where it plays no part
    eps1: float,  # ε1, above 0
    eps2: float,  # ε2, above 0
    clipping_threshold: float,  # d, at least 1
    decay_exponent: float,  # c in (0, 1]
    beta1: float | None,  # β1 in [0, 1), None for no momentum
) -> tuple[Tensor, State]:
    """One update of one parameter."""
    if g is None:
        return theta, state  # (16)
    r, c, v, t = state.r, state.c, state.v, state.t + 1
    beta2 = 1 - t**-decay_exponent  # (1)
    s = g * g + eps1  # (2)
    if axes := factored(theta.shape):
        row, column = axes
        r = beta2 * state.r + (1 - beta2) * s.mean(dim=column, keepdim=True)  # (3)
        c = beta2 * state.c + (1 - beta2) * s.mean(dim=row, keepdim=True)  # (4)
        root = (r / r.mean(dim=row, keepdim=True)).sqrt() * c.sqrt()  # (5)
    else:
        v = beta2 * state.v + (1 - beta2) * s  # (6)
        root = v.sqrt()
    u = g / root  # (7)
    u = u / (rms(u) / clipping_threshold).clamp(min=1)  # (8)
    rho = min(1e-2, t**-0.5)  # (9)
    alpha = rms(theta).clamp(min=eps2) * rho  # (10)
    m = alpha * u  # (11)
    theta = theta - m  # (12)
    return theta, State(r, c, v, 0.0 if beta1 is None else m, t)


def rms(x: Tensor) -> Tensor:
    """The root of the mean square, over the whole tensor."""
    return x.square().mean().sqrt()


def restore(saved: State) -> State:
    """The state read back from a checkpoint."""
    return State(r=saved.r, c=saved.c, v=saved.v, m=saved.m, t=saved.t)  # (17)
