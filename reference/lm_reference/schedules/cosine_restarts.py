"""Cosine with warm restarts: half a period of a cosine, again and again, each period longer than the last.

    η = η_min + ½ (η_max - η_min) (1 + cos(π T_cur / T_i))                                   (1)
    T_cur = x - (T_0 + … + T_{i-1}): what was consumed since the last restart                (2)
    T_{i+1} = T_mult T_i                                                                     (3)
    x is what was consumed before the update: the first update has x = 0, and the peak.      (4)
    η is a function of x alone: resumed, or asked in any order, it is the same curve.        (5)

At a restart, x = T_0 + … + T_i, the rate is the peak again; the floor is a limit that no whole count reaches.

Source: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", arXiv:1608.03983v5, section 3.
Differs: GPT-3 has no restarts, although lecture notes cite this paper for its cosine: `schedules.warmup_cosine`.
Forks:
    periods = growing | equal
        equal: T_mult is always 1.
    floor = free | zero
        zero: the implementation always decays to 0.
Forms:
    (1): return peak * ((1 - floor / peak) * (0.5 * (1 + (math.pi * current / length).cos())) + floor / peak)
    (1): return floor + 0.5 * (peak - floor) * (1 + (math.pi * (current / length)).cos())
"""

import math

from torch import Tensor


def rate(
    before: Tensor,  # no dimensions, at least 0: what was consumed before the update
    *,
    peak: Tensor,  # η_max, above 0
    floor: Tensor,  # η_min, from 0 to the peak
    period: Tensor,  # T_0, above 0
    factor: Tensor,  # T_mult, at least 1
) -> Tensor:
    """The learning rate of the update; all numbers are tensors without dimensions."""
    x = before  # (4)
    start, length = 0 * x, period
    while not x < start + length:
        start, length = start + length, length * factor  # (3)
    current = x - start  # (2)
    return floor + 0.5 * (peak - floor) * (1 + (math.pi * current / length).cos())  # (1)


def resumed(x: Tensor) -> Tensor:
    """Where a run continues that was saved at x."""
    return x  # (5)
