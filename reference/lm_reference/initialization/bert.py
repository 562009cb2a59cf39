"""BERT: a truncated normal distribution of one deviation for all matrices and tables.

    N(0, 0.02²), drawn again until |w| ≤ 0.04: the standard deviation is 0.01759             (1)
    All matrices and tables follow it, whatever their fans, and whatever the depth.          (2)
    Biases, those of the norms included, are 0.                                              (3)
    Gains of the norms are 1.                                                                (4)
    Every element of every matrix and table is drawn: none is left out, padded or set.       (5)
    Elements are independent, within a tensor and between tensors.                           (6)
    No element is infinite, NaN, or larger than the law allows.                              (7)
    Equal seeds give equal weights; another seed gives others.                               (8)

The model is that of pre-training: the table of segments, the pooler, the transform before the head, which is the
token table with a bias of its own, and the next-sentence classifier belong to it.

Source: google-research/bert at eedf571, modeling.py, `create_initializer`, and run_pretraining.py.
Differs: the paper, arXiv:1810.04805v2, does not say. (5) to (8) are silent in the source.
Forks:
    law = truncated | normal
        normal (1): drawn: Law = Normal(0.02)
        transformers and fairseq: nothing is drawn again, so the deviation is 0.02.
    padding = drawn | zero
        zero (5): found[role].append(W if role != "token_embedding" else torch.cat([W[:1] * 0, W[1:]]))
        transformers: row 0 of the token table, [PAD], is zero.
"""

from collections.abc import Callable

import torch  # noqa: F401 the fork uses it
from torch import Tensor

from lm_reference.laws import Constant, Law, Normal, TruncatedNormal  # noqa: F401 the fork uses one

DRAWN = (
    *("token_embedding", "position_embedding", "segment_embedding", "query", "key", "value", "attention_output"),
    *("feed_forward_input", "feed_forward_output", "pooler", "transform", "next_sentence"),
)


def laws(*, layers: int, width: int, heads: int, feed_forward: int, vocabulary: int, positions: int) -> dict[str, Law]:
    """What each role follows."""
    drawn: Law = TruncatedNormal(0.02, cut=2)  # (1)
    found: dict[str, Law] = dict.fromkeys(DRAWN, drawn)  # (2)
    found["biases"] = Constant(0.0)  # (3)
    found["gains"] = Constant(1.0)  # (4)
    return found


def shapes(
    *,
    layers: int,  # at least 1
    width: int,  # of the hidden states
    heads: int,  # a divisor of width
    feed_forward: int,  # of the hidden layer between two matrices
    vocabulary: int,  # rows of the token table
    positions: int,  # rows of the position table
) -> dict[str, list[tuple[int, ...]]]:
    """The tensors of each role, layer by layer; a matrix of y = W x is (outputs, inputs)."""
    square: list[tuple[int, ...]] = [(width, width)] * layers
    biases: list[tuple[int, ...]] = [*[(width,)] * 7, (feed_forward,)]
    return {
        "token_embedding": [(vocabulary, width)],
        "position_embedding": [(positions, width)],
        "segment_embedding": [(2, width)],
        "query": square,
        "key": square,
        "value": square,
        "attention_output": square,
        "feed_forward_input": [(feed_forward, width)] * layers,
        "feed_forward_output": [(width, feed_forward)] * layers,
        "pooler": [(width, width)],
        "transform": [(width, width)],
        "next_sentence": [(2, width)],
        "biases": biases * layers + [(width,)] * 4 + [(vocabulary,), (2,)],
        "gains": [*[(width,)] * (2 * layers + 2)],
    }


def weights(
    noise: Callable[[int, tuple[int, ...]], Tensor],  # of the tensor's number and shape: uniform draws in (0, 1)
    **sizes: int,  # those of `shapes`
) -> dict[str, list[Tensor]]:
    """The tensors of each role before the first update."""
    found: dict[str, list[Tensor]] = {role: [] for role in shapes(**sizes)}
    places = [(role, shape) for role, own in shapes(**sizes).items() for shape in own]
    for number, (role, shape) in enumerate(places):
        u = noise(number, shape)  # (6) (8)
        W = laws(**sizes)[role].from_uniform(u)
        found[role].append(W)  # (5)
    return found
