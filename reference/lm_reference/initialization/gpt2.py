"""GPT-2: one deviation for all matrices, a smaller one for those that write into the residual stream.

    Matrices and the token table: N(0, 0.02²)                                                (1)
    The position table: N(0, 0.01²)                                                          (2)
    Attention output and MLP output: N(0, 0.02²/N), N = 2 layers the number of residual
    additions. Nothing else is scaled.                                                       (3)
    Biases, those of the norms included, are 0.                                              (4)
    Gains of the norms are 1.                                                                (5)
    Every element of every matrix and table is drawn: none is left out, padded or set.       (6)
    Elements are independent, within a tensor and between tensors.                           (7)
    No element is infinite, NaN, or larger than chance makes the largest of so many.         (8)
    Equal seeds give equal weights; another seed gives others.                               (9)

The output head is the token table. 0.02/√N is 0.00408 for 12 layers and 0.00144 for 96.

Source: openai/gpt-2, src/model.py at 122c55a, for (1), (2), (4) and (5); Radford et al., "Language Models are
    Unsupervised Multitask Learners", 2019, section 2.3, for (3).
Differs: the source scales "the weights of residual layers" by 1/√N, N "the number of residual layers". Two additions
    are made in each layer; nanoGPT, Megatron-LM and transformers read it so. (6) to (9) are silent in it.
Forks:
    residual = scaled | none
        none (3): found["attention_output"] = found["mlp_output"] = Normal(0.02)
        The released code, which has 0.02 everywhere.
    positions = released | shared
        shared (2): found["position_embedding"] = Normal(0.02)
        nanoGPT and transformers: the position table like all others.
"""

from collections.abc import Callable

from torch import Tensor

from lm_reference.laws import Constant, Law, Normal

MATRICES = ("token_embedding", "query", "key", "value", "mlp_input")


def laws(*, layers: int, width: int, heads: int, vocabulary: int, positions: int) -> dict[str, Law]:
    """What each role follows."""
    found: dict[str, Law] = dict.fromkeys(MATRICES, Normal(0.02))  # (1)
    found["position_embedding"] = Normal(0.01)  # (2)
    found["attention_output"] = found["mlp_output"] = Normal(0.02 / (2 * layers) ** 0.5)  # (3)
    found["biases"] = Constant(0.0)  # (4)
    found["gains"] = Constant(1.0)  # (5)
    return found


def shapes(
    *,
    layers: int,  # at least 1
    width: int,  # of the residual stream
    heads: int,  # a divisor of width
    vocabulary: int,  # rows of the token table
    positions: int,  # rows of the position table
) -> dict[str, list[tuple[int, ...]]]:
    """The tensors of each role, layer by layer; a matrix of y = W x is (outputs, inputs)."""
    square: list[tuple[int, ...]] = [(width, width)] * layers
    biases: list[tuple[int, ...]] = [*[(width,)] * 7, (4 * width,)]
    return {
        "token_embedding": [(vocabulary, width)],
        "position_embedding": [(positions, width)],
        "query": square,
        "key": square,
        "value": square,
        "attention_output": square,
        "mlp_input": [(4 * width, width)] * layers,
        "mlp_output": [(width, 4 * width)] * layers,
        "biases": biases * layers + [(width,)],
        "gains": [*[(width,)] * (2 * layers + 1)],
    }


def weights(
    noise: Callable[[int, tuple[int, ...]], Tensor],  # of the tensor's number and shape: uniform draws in (0, 1)
    **sizes: int,  # those of `shapes`
) -> dict[str, list[Tensor]]:
    """The tensors of each role before the first update."""
    found: dict[str, list[Tensor]] = {role: [] for role in shapes(**sizes)}
    places = [(role, shape) for role, own in shapes(**sizes).items() for shape in own]
    for number, (role, shape) in enumerate(places):
        u = noise(number, shape)  # (7) (9)
        W = laws(**sizes)[role].from_uniform(u)
        found[role].append(W)  # (6)
    return found
