"""Clipping by global norm: no update is longer than the threshold, and its direction is kept.

    G = √(Σ_p ‖g_p‖²)                                                                        (1)
    g_p ← g_p c / max(G, c)                                                                  (2)
    One norm is taken over all parameters, in the order in which they come or any other.     (3)
    Parameters without a gradient do not count and stay without one.                         (4)
    The norm that is reported is G, the one before clipping.                                 (5, SHOULD)
    A gradient that is not finite is not hidden: something of the result is not finite.      (6)

c is the threshold, above 0. A zero gradient, and any with G ≤ c, is left as it is, bit for bit.

Source: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", arXiv:1211.5063v2,
    algorithm 1, for all parameters together; GPT-3, arXiv:2005.14165v4, appendix B, has c = 1.
Differs: lecture notes print g / min(1, ‖g‖): that leaves long gradients alone and blows short ones up to norm 1.
    (6) is silent in the source: what to do about such a gradient is the loss scaler's business, if it can see it.
Forks:
    epsilon = none | added
        added (2): scale = (max_norm / (norm + 1e-6)).clamp(max=1)
        PyTorch, Megatron-LM, fairseq: shorter by a relative 1e-6/G.
    nonfinite = shown | raised
        raised: an error instead of a result; PyTorch with error_if_nonfinite=True.
Forms:
    (2): scale = max_norm * (1 / norm.clamp(min=max_norm))
"""

from collections.abc import Sequence

from torch import Tensor


def clip(
    gradients: Sequence[Tensor | None],  # any shapes: one gradient for each parameter, or None
    *,
    max_norm: float,  # c, above 0
) -> tuple[list[Tensor | None], Tensor | float]:
    """The clipped gradients, and the norm that is reported."""
    present = [g for g in gradients if g is not None]  # (4)
    if not present:
        return list(gradients), 0.0
    squares = [g.square().sum() for g in present]
    norm = sum(squares[1:], squares[0]).sqrt()  # (1)
    scale = max_norm / norm.clamp(min=max_norm)  # (2)
    clipped = [None if g is None else g * scale for g in gradients]  # (3)
    return clipped, norm  # (5)
