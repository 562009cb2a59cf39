"""T5: every matrix scaled by what it adds up, the query once more, in the place of the division of the logits.

    The token table: N(0, 1)                                                         (1, SHOULD)
    Query: N(0, 1/(d d_kv)), d the width, d_kv the width of a head                           (2)
    Key and value: N(0, 1/d)                                                                 (3)
    Attention output: N(0, 1/(h d_kv)), h the number of heads                                (4)
    Feed-forward: N(0, 1/n), n the fan-in, drawn again until |w| ≤ 2/√n; the standard
    deviation is 0.88/√n                                                             (5, SHOULD)
    Tables of relative positions: U(-b, b), b = √6 / √(buckets + h)                  (6, SHOULD)
    The output head is the token table; where it is a matrix of its own, like (5)    (7, SHOULD)
    Gains of the norms are 1. There are no biases.                                           (8)
    Every element of every matrix and table is drawn: none is left out, padded or set.       (9)
    Elements are independent, within a tensor and between tensors.                           (10)
    No element is infinite, NaN, or larger than its law allows.                              (11)
    Equal seeds give equal weights; another seed gives others.                               (12)

For d = 768, d_kv = 64 and h = 12 the deviations of (2), (3) and (4) are 0.004511, 0.036084 and 0.036084.

Source: tensorflow/mesh at da90793, mesh_tensorflow/transformer/attention.py, `AttentionParams.init_weights` with
    `fold_scaling_into_initializer`, as the published configurations of T5 have it; mesh_tensorflow/layers.py,
    `embedding_weights` and `VarianceScalingInitializer`; for (6) the default of TensorFlow 1, Glorot uniform.
Differs: lecture notes give 1/√d to all matrices of attention once more; (2) has it alone, and with d_kv. The paper,
    arXiv:1910.10683v4, does not say. (9) to (12) are silent in the source.
Forks:
    feed_forward = truncated | corrected | normal
        corrected (5): inner, outer = (TruncatedNormal(n**-0.5 / TruncatedNormal(1).std) for n in (width, feed_forward))
        T5X and other programs in JAX, whose truncated normal makes up for the cut.
        normal (5): inner, outer = Normal(width**-0.5), Normal(feed_forward**-0.5)
        transformers.
    relative_bias = uniform | normal
        normal (6): found["relative_bias"] = Normal(width**-0.5)
        transformers.
    head = tied | truncated | normal
        truncated (7): head = {"head": TruncatedNormal(width**-0.5)}
        T5 1.1 in Mesh TensorFlow.
        normal (7): head = {"head": Normal(width**-0.5)}
        A program whose feed-forward matrices are normal, too.
"""

from collections.abc import Callable

from torch import Tensor

from lm_reference.laws import Constant, Law, Normal, TruncatedNormal, Uniform


def laws(
    *, layers: int, width: int, heads: int, head_width: int, feed_forward: int, vocabulary: int, buckets: int
) -> dict[str, Law]:
    """What each role follows."""
    found: dict[str, Law] = {"gains": Constant(1.0)}  # (8)
    found["token_embedding"] = Normal(1.0)  # (1)
    found["query"] = Normal((width * head_width) ** -0.5)  # (2)
    found["key"] = found["value"] = Normal(width**-0.5)  # (3)
    found["attention_output"] = Normal((heads * head_width) ** -0.5)  # (4)
    inner, outer = TruncatedNormal(width**-0.5), TruncatedNormal(feed_forward**-0.5)  # (5)
    found["feed_forward_input"], found["feed_forward_output"] = inner, outer
    found["relative_bias"] = Uniform((6 / (buckets + heads)) ** 0.5)  # (6)
    head: dict[str, Law] = {}  # (7)
    return found | head


def shapes(
    *,
    layers: int,  # of the encoder, and as many of the decoder
    width: int,  # d, of the hidden states
    heads: int,  # h
    head_width: int,  # d_kv; h d_kv need not be d
    feed_forward: int,  # of the hidden layer between two matrices
    vocabulary: int,  # rows of the token table
    buckets: int,  # of relative positions
) -> dict[str, list[tuple[int, ...]]]:
    """The tensors of each role; a matrix of y = W x is (outputs, inputs).

    Of attention first those of the encoder, layer by layer, then those of the decoder to itself, then those to the
    encoder. Of the others first the encoder's, then the decoder's.
    """
    inner = heads * head_width
    return {
        "token_embedding": [(vocabulary, width)],
        "query": [(inner, width)] * (3 * layers),
        "key": [(inner, width)] * (3 * layers),
        "value": [(inner, width)] * (3 * layers),
        "attention_output": [(width, inner)] * (3 * layers),
        "feed_forward_input": [(feed_forward, width)] * (2 * layers),
        "feed_forward_output": [(width, feed_forward)] * (2 * layers),
        "relative_bias": [(buckets, heads)] * 2,
        "gains": [(width,)] * (5 * layers + 2),
        "head": [(vocabulary, width)],
    }


def weights(
    noise: Callable[[int, tuple[int, ...]], Tensor],  # of the tensor's number and shape: uniform draws in (0, 1)
    **sizes: int,  # those of `shapes`
) -> dict[str, list[Tensor]]:
    """The tensors of each role before the first update; without `head` where it is tied."""
    found: dict[str, list[Tensor]] = {role: [] for role in laws(**sizes)}
    places = [(role, shape) for role, own in shapes(**sizes).items() for shape in own if role in found]
    for number, (role, shape) in enumerate(places):
        u = noise(number, shape)  # (10) (12)
        W = laws(**sizes)[role].from_uniform(u)
        found[role].append(W)  # (9)
    return found
