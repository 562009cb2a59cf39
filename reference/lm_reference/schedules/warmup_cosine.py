"""Warm-up and cosine: a straight rise to the peak, half a period of a cosine down to the floor, then constant.

    η(x) = η_max x / W, where x < W                                                          (1)
    p = (x - W) / (T - W)                                                                    (2)
    η(x) = η_min + ½ (η_max - η_min) (1 + cos π p), where W ≤ x < T                          (3)
    η(x) = η_min, where x ≥ T                                                                (4)
    x is what was consumed before the update: the first update has x = 0.                    (5)
    Without warm-up, W = 0, the first update has the peak.                                   (6)
    η is a function of x alone: resumed, or asked in any order, it is the same curve.        (7)

x, W and T are counted in one unit, which the trainer chooses: updates, sequences or tokens. GPT-3 counts tokens:
W = 375·10^6, T = 260·10^9, η_min = η_max / 10.

Source: Brown et al., "Language Models are Few-Shot Learners", arXiv:2005.14165v4, appendix B; the cosine is that of
    Loshchilov & Hutter, "SGDR", arXiv:1608.03983v5, equation 5, with one period.
Differs: appendix B does not say whether its horizon includes the warm-up, nor what the first update has; the page
    includes it, and begins at 0, as Megatron-LM, transformers and optax do. There are no restarts.
Forks:
    start = zero | one | inner
        one (1): return peak * (x + 1) / warmup
        The first update has 1/W of the peak, the last one of the warm-up the peak: torchtitan.
        inner (1): return peak * (x + 1) / (warmup + 1)
        nanoGPT: the first update is not zero, and the peak comes at x = W.
    horizon = total | after_warmup | from_zero
        after_warmup (2): p = (x - warmup) / horizon
        The decay takes T after the end of the warm-up: PyTorch's SequentialLR of LinearLR and CosineAnnealingLR.
        from_zero (2): p = x / horizon
        The cosine begins at x = 0, and the warm-up stands in the place of its beginning.
    counted = before | after
        after (5): x = before + 1
        The update itself is counted: fairseq's schedules by updates.
    floor = free | zero
        zero: the implementation always decays to 0.
Forms:
    (1): return peak * (x / warmup)
    (1): return peak - peak * (1 - x / warmup)
    (3): return peak * ((1 - floor / peak) * (0.5 * (1 + (math.pi * p).cos())) + floor / peak)
"""

import math

from torch import Tensor


def rate(
    before: Tensor,  # no dimensions, at least 0: what was consumed before the update
    *,
    peak: Tensor,  # η_max, above 0
    floor: Tensor,  # η_min, from 0 to the peak
    warmup: Tensor,  # W, at least 0
    horizon: Tensor,  # T, above W
) -> Tensor:
    """The learning rate of the update; all numbers are tensors without dimensions."""
    x = before  # (5)
    if x < warmup:  # (6)
        return peak * x / warmup  # (1)
    p = (x - warmup) / (horizon - warmup)  # (2)
    if p < 1:
        return floor + 0.5 * (peak - floor) * (1 + (math.pi * p).cos())  # (3)
    return floor  # (4)


def resumed(x: Tensor) -> Tensor:
    """Where a run continues that was saved at x."""
    return x  # (7)
