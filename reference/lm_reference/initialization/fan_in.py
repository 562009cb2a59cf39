"""Fan-in scaling: the outputs of a layer vary as much as its inputs.

    W_ij ~ N(0, 1/n), n the fan-in                                                           (1)
    For y = W x, W has m rows and n columns: m is the fan-out, n the fan-in.                 (2)
    Every element is drawn: no row or column is left out, padded or set to a value.          (3)
    Elements are independent: no row or column repeats another or follows from it.           (4)
    No element is infinite, NaN, or larger than chance makes the largest of so many.         (5)
    Equal seeds give equal weights; another seed gives others.                               (6)

N(0, s) has the variance s, the standard deviation √s.

Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998, section 4.6, equation 16.
Differs: lecture notes call this Xavier initialisation; that is `initialization.glorot`, with 2/(m + n) in the place
    of 1/n. They agree for square matrices only: for n = 4096 and m = 1024 the deviations are 0.015625 and 0.019764.
    The source leaves the form of the distribution open. (3) to (6) are silent in it.
Forks:
    law = normal | truncated | corrected | uniform
        truncated (1): return TruncatedNormal(fan_in**-0.5)
        Mesh TensorFlow: drawn again beyond two nominal deviations, so the deviation is 0.88 of the nominal one.
        corrected (1): return TruncatedNormal(fan_in**-0.5 / TruncatedNormal(1.0).std)
        JAX, lecun_normal: cut at two nominal deviations, and made up for.
        uniform (1): return Uniform((3 / fan_in) ** 0.5)
        The same variance; Caffe's `xavier` filler.
    orientation = out_in | in_out
        in_out (2): return fan_in, fan_out
        y = x W, as in TensorFlow, JAX and the Conv1D of GPT-2.
"""

from collections.abc import Callable

from torch import Tensor

from lm_reference.laws import Law, Normal, TruncatedNormal, Uniform  # noqa: F401 the forks use them


def law(fan_out: int, fan_in: int) -> Law:
    """What every element follows; fan_out is m, fan_in is n."""
    return Normal(fan_in**-0.5)  # (1)


def shape(fan_out: int, fan_in: int) -> tuple[int, int]:
    """The shape of W."""
    return fan_out, fan_in  # (2)


def weights(
    noise: Callable[[int, tuple[int, ...]], Tensor],  # of the tensor's number and shape: uniform draws in (0, 1)
    *,
    fan_out: int,  # m, at least 1
    fan_in: int,  # n, at least 1
) -> Tensor:
    """W before the first update."""
    u = noise(0, shape(fan_out, fan_in))  # (4) (6)
    W = law(fan_out, fan_in).from_uniform(u)
    return W  # (3)
