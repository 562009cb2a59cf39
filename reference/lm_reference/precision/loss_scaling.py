"""Dynamic loss scaling: the loss is multiplied before the backward pass, and its gradients are divided after it.

    L' = S L                                                                                 (1)
    g = g' / S, with the S that the loss had: exact where S is a power of two.               (2)
    One element of any gradient that is infinite or NaN, and the update is skipped.          (3)
    After a skipped update, S ← b S.                                                         (4)
    After a skipped update, the count of good updates starts again at 0.                     (5)
    After n good updates in a row, S ← a S.                                                  (6)
    When S has grown, the count starts again at 0.                                           (7)
    S does not grow to infinity.                                                             (8, SHOULD)
    S does not shrink to zero: it stays above, or training ends with an error.               (9, SHOULD)
    S shrinks only after h skipped updates.                                                  (10, MAY)
    S and the counts are the whole state: restored, they continue, and scalers share none.   (11)
    A parameter without a gradient stays without one, and does not count.                    (12)

S is a float32 number. PyTorch begins with S = 2^16, a = 2, b = 1/2 and n = 2000; h = 1 is no hysteresis.

Source: Micikevicius et al., "Mixed Precision Training", arXiv:1710.03740v3, section 3.2: (1) to (3). NVIDIA, "Train
    With Mixed Precision", DU-08617, "Choosing A Scaling Factor": (3) to (6). For the details PyTorch 2.13,
    torch/amp/grad_scaler.py and aten/src/ATen/native/cpu/AmpGradScalerKernels.cpp.
Differs: (9) goes beyond PyTorch, which has no floor. On several devices (3) holds for all gradients of all of them.
Forks:
    detection = elements | unscaled | sums
        unscaled (3): finite = all(bool(unscaled(g, state.scale).isfinite().all()) for g in present)
        After the division, which may overflow where S < 1: flax DynamicScale, jmp.
        sums: finite elements whose sum or norm overflows may count as infinite: DeepSpeed, fairseq, apex.
    growth = at_interval | after_interval | after_overflow
        after_interval (6): grows = state.good == growth_interval
        One update later, so every n + 1: flax DynamicScale.
        after_overflow (6): grows = good > 1 and (good - 1) % growth_interval == 0
        after_overflow (7): good = good
        The first one update later, then every n: DeepSpeed, which counts from the last overflow.
    ceiling = last | largest | two_to_24
        largest (8): scale = scale.clamp(max=LARGEST)
        flax DynamicScale.
        two_to_24 (8): scale = scale.clamp(max=2.0**24)
        apex.
    floor = none | given
        given (9): scale = scale.clamp(min=floor)
        Megatron-LM min_scale, jmp min_loss_scale, flax minimum_scale, DeepSpeed min_loss_scale.
    hysteresis = none | growth | good | spent
        growth: h begins again when S grows: Megatron-LM, DeepSpeed. The skipped updates need not be in a row.
        good (10): left = hysteresis
        h begins again with every good update: DeepSpeed, consecutive_hysteresis.
        spent (10): left = hysteresis
        spent (5): return None, State(scale, 0, left if left > 0 else hysteresis)
        h also begins again when S shrinks: PaddlePaddle, decr_every_n_nan_or_inf.
    factors = free | inverse | two
        inverse: b is always 1/a: fairseq, jmp, apex.
        two: a is always 2, and b 1/2: Keras, DeepSpeed.
    missing = kept | refused
        refused: every parameter must have a gradient.
Forms:
    (2): return g * (1 / scale)
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

LARGEST = torch.finfo(torch.float32).max


class State(NamedTuple):
    """The scale, the good updates since it changed, and how many skipped ones it takes for it to shrink."""

    scale: Tensor
    good: int
    left: int


def init(scale: float, *, hysteresis: int) -> State:
    """The state before the first update."""
    return State(torch.tensor(scale, dtype=torch.float32), good=0, left=hysteresis)


def scaled(loss: Tensor, scale: Tensor) -> Tensor:
    """What the backward pass begins with."""
    return scale * loss  # (1)


def unscaled(g: Tensor, scale: Tensor) -> Tensor:
    """A gradient of the loss, of one of the scaled loss."""
    return g / scale  # (2)


def step(
    gradients: Sequence[Tensor | None],  # any shapes, float32: of the scaled loss, one for each parameter, or None
    state: State,
    *,
    growth_factor: float,  # a, above 1
    backoff_factor: float,  # b, between 0 and 1
    growth_interval: int,  # n, at least 1
    hysteresis: int,  # h, at least 1
    floor: float,  # above 0, where there is one
) -> tuple[list[Tensor | None] | None, State]:
    """The gradients of the loss, or None where the update is skipped; and the state of the next update."""
    present = [g for g in gradients if g is not None]  # (12)
    finite = all(bool(g.isfinite().all()) for g in present)  # (3)
    if not finite:
        left = max(state.left - 1, 0)
        scale = state.scale * backoff_factor if left == 0 else state.scale  # (4)
        scale = scale if scale > 0 else state.scale  # (9)
        return None, State(scale, 0, left)  # (5)
    good = state.good + 1
    grows = good == growth_interval  # (6)
    good = 0 if grows else good  # (7)
    scale = state.scale * growth_factor if grows else state.scale
    scale = scale if scale.isfinite() else state.scale  # (8)
    left = hysteresis if grows else state.left  # (10)
    return [None if g is None else unscaled(g, state.scale) for g in gradients], State(scale, good, left)


def restore(saved: State) -> State:
    """The state read back from a checkpoint."""
    return State(scale=saved.scale, good=saved.good, left=saved.left)  # (11)
