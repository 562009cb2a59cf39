"""Static loss scaling: the loss is multiplied by a constant, and its gradients are divided by it.

    L' = S L                                                                                 (1)
    g = g' / S: exact where S is a power of two.                                             (2)
    S never changes.                                                                         (3)
    One element of any gradient that is infinite or NaN, and the update is skipped.          (4)
    A parameter without a gradient stays without one, and does not count.                    (5)

The source used constants from 8 to 32,768.

Source: Micikevicius et al., "Mixed Precision Training", arXiv:1710.03740v3, section 3.2.
Differs: the source detects overflow in the weight gradients and skips the update; it does not say what S is then.
Forks:
    nonfinite = skipped | raised | passed
        raised: an error instead of a result.
        passed (4): finite = True
        apex, which skips with a dynamic scale alone; jmp StaticLossScale, unless the caller skips.
    missing = kept | refused
        refused: every parameter must have a gradient.
Forms:
    (2): return g * (1 / scale)
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def init(scale: float) -> Tensor:
    """The scale of the first update, a float32 number."""
    return torch.tensor(scale, dtype=torch.float32)


def scaled(loss: Tensor, scale: Tensor) -> Tensor:
    """What the backward pass begins with."""
    return scale * loss  # (1)


def unscaled(g: Tensor, scale: Tensor) -> Tensor:
    """A gradient of the loss, of one of the scaled loss."""
    return g / scale  # (2)


def step(
    gradients: Sequence[Tensor | None],  # any shapes, float32: of the scaled loss, one for each parameter, or None
    scale: Tensor,  # S, no dimensions
) -> tuple[list[Tensor | None] | None, Tensor]:
    """The gradients of the loss, or None where the update is skipped; and the scale of the next update."""
    present = [g for g in gradients if g is not None]  # (5)
    after = scale  # (3)
    finite = all(bool(g.isfinite().all()) for g in present)  # (4)
    if not finite:
        return None, after
    return [None if g is None else unscaled(g, scale) for g in gradients], after
