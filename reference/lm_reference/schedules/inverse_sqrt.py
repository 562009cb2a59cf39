"""Inverse square root: constant at first, then a decay that has no end.

    η(x) = η_max, where x < W                                                                (1)
    η(x) = η_max √W / √x, where x ≥ W, without end                                           (2)
    x is what was consumed before the update: the first update has x = 0.                    (3)
    η is a function of x alone: resumed, or asked in any order, it is the same curve.        (4)

T5 is η(x) = 1 / √max(x, 10^4), so W = 10^4 and η_max = 1/√W = 0.01.

Source: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
    arXiv:1910.10683v4, section 3.1.2.
Differs: the paper calls this an exponential decay, and the 10^4 updates warm-up, though the rate is constant there.
    Mesh TensorFlow, unless told otherwise, also lowers the rate to zero over the last tenth of a run.
Forks:
    warmup = flat | zero
        zero (1): return peak * x / warmup
        A straight rise from 0 to the peak: Vaswani et al., arXiv:1706.03762v7, equation 3; fairseq, transformers.
    counted = before | after
        after (3): x = before + 1
        The update itself is counted: Vaswani et al., whose step numbers begin at 1.
Forms:
    (2): return peak * (warmup / x).sqrt()
    (2): return peak / (x / warmup).sqrt()
"""

from torch import Tensor


def rate(
    before: Tensor,  # no dimensions, at least 0: what was consumed before the update
    *,
    peak: Tensor,  # η_max, above 0
    warmup: Tensor,  # W, at least 1
) -> Tensor:
    """The learning rate of the update; all numbers are tensors without dimensions."""
    x = before  # (3)
    if x < warmup:
        return peak  # (1)
    return peak * warmup.sqrt() / x.sqrt()  # (2)


def resumed(x: Tensor) -> Tensor:
    """Where a run continues that was saved at x."""
    return x  # (4)
