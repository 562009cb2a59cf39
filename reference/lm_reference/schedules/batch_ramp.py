"""Batch ramp: small batches at first, then larger ones, in proportion to the tokens that were consumed.

    B(n) = B_0 + (B_full - B_0) n / R, where n < R                                           (1)
    B(n) = B_full, where n ≥ R                                                               (2)
    A batch is a whole number of rows, the nearest, and at least one.                        (3)
    n_{k+1} = n_k + B(n_k), with n_0 = 0: what a batch held is what it is counted as.        (4)
    B is a function of n alone: resumed, or asked in any order, it is the same ramp.         (5)

n is the number of tokens before the update. GPT-3: B_0 = 32k tokens, B_full from 0.5M to 3.2M, R from 4·10^9 to
12·10^9, all by the size of the model. While the ramp lasts, tokens are not in proportion to updates: 375·10^6 tokens
are about 5,272 updates of a ramp from 32,768 to 3.2M over 12·10^9, and 117 of the full batch.

Source: Brown et al., "Language Models are Few-Shot Learners", arXiv:2005.14165v4, appendix B.
Differs: the source does not say how (3) rounds.
Forks:
    rounding = nearest | down | up
        down (3): rows = (tokens / row).floor()
        Megatron-LM, rampup-batch-size with an increment of one row.
        up (3): rows = -(-tokens / row).floor()
        Never fewer tokens than the line.
    unit = tokens | rows
        rows: the implementation counts rows, so a row has the length 1.
Forms:
    (1): tokens = first + n * ((full - first) / ramp)
    (1): tokens = first * (1 - n / ramp) + full * (n / ramp)
"""

from torch import Tensor


def rate(
    n: Tensor,  # no dimensions, at least 0: the tokens before the update
    *,
    first: Tensor,  # B_0, above 0, in tokens
    full: Tensor,  # B_full, at least B_0, in tokens
    ramp: Tensor,  # R, above 0, in tokens
    row: Tensor,  # the length of a row in tokens
) -> Tensor:
    """The size of the next batch in tokens; all numbers are tensors without dimensions."""
    tokens = full  # (2)
    if n < ramp:
        tokens = first + (full - first) * n / ramp  # (1)
    rows = (tokens / row + 0.5).floor()  # (3)
    return rows.clamp(min=1) * row


def consumed(n: Tensor, batch: Tensor, full: Tensor) -> Tensor:
    """The tokens before the next update."""
    return n + batch  # (4)


def resumed(n: Tensor) -> Tensor:
    """Where a run continues that was saved at n."""
    return n  # (5)
