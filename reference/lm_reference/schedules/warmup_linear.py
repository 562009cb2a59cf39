"""Warm-up and straight decay: a straight rise to the peak, and a straight line down to zero.

    η(x) = η_max x / W, where x < W                                                          (1)
    η(x) = η_max (T - x) / (T - W), where W ≤ x < T                                          (2)
    η(x) = 0, where x ≥ T                                                                    (3)
    x is what was consumed before the update: the first update has x = 0.                    (4)
    Without warm-up, W = 0, the first update has the peak.                                   (5)
    η is a function of x alone: resumed, or asked in any order, it is the same curve.        (6)

Source: Devlin et al., "BERT", arXiv:1810.04805v2, appendix A.2: warm-up over 10,000 of 1,000,000 updates, linear decay.
Differs: the paper gives no formula. In the official code the line of (2) begins at x = 0, so the rate falls from
    0.9999 to 0.99 of the peak where the warm-up ends, and the peak is never used.
Forks:
    decay = continuous | from_zero
        from_zero (2): return peak * (1 - x / horizon)
        google-research/bert, optimization.py: a polynomial decay over all updates, replaced while x < W.
    start = zero | one | inner
        one (1): return peak * (x + 1) / warmup
        The first update has 1/W of the peak, the last one of the warm-up the peak.
        inner (1): return peak * (x + 1) / (warmup + 1)
        The first update is not zero, and the peak comes at x = W.
    counted = before | after
        after (4): x = before + 1
        The update itself is counted: fairseq's polynomial decay.
Forms:
    (1): return peak * (x / warmup)
    (1): return peak - peak * (1 - x / warmup)
    (2): return peak * (1 - (x - warmup) / (horizon - warmup))
    (2): return peak - peak * ((x - warmup) / (horizon - warmup))
"""

from torch import Tensor


def rate(
    before: Tensor,  # no dimensions, at least 0: what was consumed before the update
    *,
    peak: Tensor,  # η_max, above 0
    warmup: Tensor,  # W, at least 0
    horizon: Tensor,  # T, above W
) -> Tensor:
    """The learning rate of the update; all numbers are tensors without dimensions."""
    x = before  # (4)
    if x < warmup:  # (5)
        return peak * x / warmup  # (1)
    if x < horizon:
        return peak * (horizon - x) / (horizon - warmup)  # (2)
    return 0 * peak  # (3)


def resumed(x: Tensor) -> Tensor:
    """Where a run continues that was saved at x."""
    return x  # (6)
