"""GPT-3: the eight models of table 2.1, and how all of them were trained.

    layers, width, heads, head_width: as in table 2.1.                                       (1)
    The 1.3B model has 24 heads, although 24 × 128 is not its width.                         (2)
    The 13B model has the width 5140, although 40 × 128 is 5120.                             (3)
    feed_forward: 4 times the width.                                                         (4)
    context: every row has 2048 tokens.                                                      (5)
    peak: the learning rate of table 2.1.                                                    (6)
    beta1, beta2, eps of Adam: 0.9, 0.95, 10^-8.                                             (7)
    max_norm: gradients are clipped to the global norm 1.                                    (8)
    weight_decay: 0.1; decoupled: it does not pass through the moments.                      (9)
    warmup: the rate rises over 375 · 10^6 tokens; schedule: `schedules.warmup_cosine`.      (10)
    floor, horizon: a tenth of the peak, reached after 260 · 10^9 tokens and kept.           (11)
    tokens: 300 · 10^9 in all.                                                               (12)
    full: the batch of table 2.1 in tokens, within 5 %, in whole rows.                       (13)
    first: a batch of 32k tokens at the start, within 5 %, in whole rows.                    (14)
    ramp: the batch grows in proportion, and is full after 4 to 12 · 10^9 tokens.            (15)
    packed, separated: every row is full; documents follow each other in it, each ended
    by a token of its own.                                                                   (16)
    document_mask, document_positions: attention and positions ignore where documents end.   (17)
    norm: "before" each block, and once at the end; vocabulary: 50,257; initialization:
    `initialization.gpt2`.                                                                   (18, SHOULD)
    attention: "alternating" dense and locally banded sparse layers.                         (19, SHOULD)

Names are those of the settings of the pages named here and of `schedules.batch_ramp`, `optimizers.adamw` and
`gradients.global_norm_clipping`. A size is named as in table 2.1: 125M, 350M, 760M, 1.3B, 2.7B, 6.7B, 13B, 175B.

Source: Brown et al., "Language Models are Few-Shot Learners", arXiv:2005.14165v4, table 2.1, section 2.1, appendix B.
Differs: (13), (14): batches of the source are rounded figures, such as 3.2M for 1562.5 rows; 5 % holds the multiples
    of 2048 near them, with 1M read as 2^20. (2), (3): contradictions of the source. (9): the source does not say
    decoupled, nor what is excluded. Lecture notes give the batch of the largest model to all.
Forks:
    heads_of_1_3B = 24 | 16
        16 (2): heads = 16 if size == "1.3B" else heads
        16 × 128 = 2048: Dey et al., "Cerebras-GPT", arXiv:2304.03208v1.
    width_of_13B = 5140 | 5120
        5120 (3): width = 5120 if size == "13B" else width
        40 × 128 = 5120: Cerebras-GPT.
    attention = alternating | dense
        dense (19): attention = {"attention": "dense"}
        Black et al., "GPT-NeoX-20B", arXiv:2204.06745v1, section 2.1; Cerebras-GPT.
"""

from typing import Any, NamedTuple

CONTEXT = 2048

TABLE = {  # layers, width, heads, head_width, batch in tokens, peak rate
    "125M": (12, 768, 12, 64, 0.5e6, 6.0e-4),
    "350M": (24, 1024, 16, 64, 0.5e6, 3.0e-4),
    "760M": (24, 1536, 16, 96, 0.5e6, 2.5e-4),
    "1.3B": (24, 2048, 24, 128, 1e6, 2.0e-4),
    "2.7B": (32, 2560, 32, 80, 1e6, 1.6e-4),
    "6.7B": (32, 4096, 32, 128, 2e6, 1.2e-4),
    "13B": (40, 5140, 40, 128, 2e6, 1.0e-4),
    "175B": (96, 12288, 96, 128, 3.2e6, 0.6e-4),
}


class Between(NamedTuple):
    """Any multiple of `unit` from `least` to `most`."""

    least: float
    most: float
    unit: int


def about(nominal: float) -> Between:
    """Whole rows, within 5 % of a rounded figure."""
    return Between(0.95 * nominal, 1.05 * nominal, CONTEXT)


def configuration(size: str) -> dict[str, Any]:
    """The configuration of the model of a size."""
    layers, width, heads, head_width, batch, rate = TABLE[size]
    model = {"layers": layers, "head_width": head_width}  # (1)
    heads = 24 if size == "1.3B" else heads  # (2)
    width = 5140 if size == "13B" else width  # (3)
    model |= {"width": width, "heads": heads, "feed_forward": 4 * width}  # (4)
    context = {"context": CONTEXT}  # (5)
    peak = {"peak": rate}  # (6)
    adam = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-8}  # (7)
    clipping = {"max_norm": 1.0}  # (8)
    decay = {"weight_decay": 0.1, "decoupled": True}  # (9)
    warmup = {"warmup": 375e6, "schedule": "warmup_cosine"}  # (10)
    cosine = {"floor": 0.1 * rate, "horizon": 260e9}  # (11)
    tokens = {"tokens": 300e9}  # (12)
    full = {"full": about(batch)}  # (13)
    first = {"first": about(32e3)}  # (14)
    ramp = {"ramp": Between(4e9, 12e9, 1)}  # (15)
    rows = {"packed": True, "separated": True}  # (16)
    documents = {"document_mask": False, "document_positions": False}  # (17)
    network = {"norm": "before", "vocabulary": 50257, "initialization": "gpt2"}  # (18)
    attention = {"attention": "alternating"}  # (19)
    optimizer = adam | clipping | decay | peak | warmup | cosine | tokens
    data = context | full | first | ramp | rows | documents
    return model | optimizer | data | network | attention
