"""Master weights: the optimizer keeps float32 weights, the model computes with roundings of them to 16 bits.

    The masters θ_0 are the float32 weights that are given.                                  (1)
    The copies are the masters, each rounded to the nearest number of 16 bits.               (2)
    They are made anew after every update.                                                   (3)
    g = g' / S: 16-bit gradients of the scaled loss are widened first, then divided.         (4)
    θ_t, m_t, v_t = Adam(θ_{t-1}, m_{t-1}, v_{t-1}, g), all in float32.                      (5)
    Updates too small for 16 bits add up: 1000 times 10^-5 takes 1 to 1.01.                  (6)
    A skipped update keeps every bit of masters, copies and moments, and does not count
    in t.                                                                                    (7)
    Masters, moments, t and the loss scale are the whole state: restored, they continue.     (8)
    Each tensor is updated alone, whatever the number and the sizes of the tensors.          (9)

(2), (3) round as `precision.float16` or `precision.bfloat16`; Adam is `optimizers.adam`; S is that of
`precision.loss_scaling`, and always 1 for bfloat16, which has the range of float32 and needs no scaling.

Source: Micikevicius et al., "Mixed Precision Training", arXiv:1710.03740v3, section 3.1.
Differs: lecture notes let everything but the masters be computed in 16 bits; the source, section 3.3, sums in float32.
    (7) is silent in the source: PyTorch, Megatron-LM and DeepSpeed do not call the optimizer.
Forks:
    start = given | rounded
        rounded (1): masters = [rounded(weight) for weight in weights]
        The model is converted first, the masters are made of it: apex O2, Megatron-LM, DeepSpeed.
    formats = both | float16 | bfloat16
        float16: the implementation has no bfloat16.
        bfloat16: the implementation has no float16, and so no loss scale.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor


class State(NamedTuple):
    """The weights in float32 and in 16 bits, and Adam's state of each."""

    masters: list[Tensor]
    copies: list[Tensor]
    moments: list[Any]


def init(
    weights: Sequence[Tensor],  # any shapes, float32
    *,
    rounded: Callable[[Tensor], Tensor],  # to 16 bits
    start: Callable[[Tensor], Any],  # Adam's state before the first update
) -> State:
    """The state before the first update."""
    masters = list(weights)  # (1)
    copies = [rounded(master) for master in masters]  # (2)
    return State(masters, copies, [start(master) for master in masters])


def step(
    gradients: Sequence[Tensor],  # as the weights, in 16 bits: of the scaled loss
    state: State,
    *,
    skipped: bool,  # whether a gradient was not finite
    scale: float,  # S, above 0
    rounded: Callable[[Tensor], Tensor],  # to 16 bits
    update: Callable[[Tensor, Tensor, Any], tuple[Tensor, Any]],  # Adam: weight, gradient and state to weight and state
) -> State:
    """The state after an update."""
    if skipped:
        return state  # (7)
    unscaled = [g.float() / scale for g in gradients]  # (4)
    updated = [update(*one) for one in zip(state.masters, unscaled, state.moments, strict=True)]  # (5)
    masters, moments = [one for one, _ in updated], [one for _, one in updated]
    copies = [rounded(master) for master in masters]  # (3)
    return State(masters, copies, moments)


def restore(saved: State) -> State:
    """The state read back from a checkpoint."""
    return State(masters=saved.masters, copies=saved.copies, moments=saved.moments)  # (8)
