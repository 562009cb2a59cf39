"""Glorot (Xavier) scaling: halfway between keeping the variance of the outputs and that of the gradients.

    W_ij ~ U(-b, b), b = √6 / √(m + n)                                                       (1)
    For y = W x, W has m rows and n columns: m is the fan-out, n the fan-in, both count.     (2)
    Every element is drawn: no row or column is left out, padded or set to a value.          (3)
    Elements are independent: no row or column repeats another or follows from it.           (4)
    No element is infinite, NaN, or larger than the bound.                                   (5)
    Equal seeds give equal weights; another seed gives others.                               (6)

The variance is 2/(m + n).

Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    equation 16.
Differs: N(0, 1/n) is often given this name; that is `initialization.fan_in`. (3) to (6) are silent in the source.
Forks:
    law = uniform | normal | corrected
        normal (1): return Normal((2 / (fan_out + fan_in)) ** 0.5)
        Equation 12 of the source gives the variance alone; torch's xavier_normal_.
        corrected (1): return TruncatedNormal((2 / (fan_out + fan_in)) ** 0.5 / TruncatedNormal(1.0).std)
        JAX, glorot_normal: cut at two nominal deviations, and made up for.
    orientation = out_in | in_out
        in_out (2): return fan_in, fan_out
        y = x W, as in TensorFlow, JAX and the Conv1D of GPT-2.
"""

from collections.abc import Callable

from torch import Tensor

from lm_reference.laws import Law, Normal, TruncatedNormal, Uniform  # noqa: F401 the forks use them


def law(fan_out: int, fan_in: int) -> Law:
    """What every element follows; fan_out is m, fan_in is n."""
    return Uniform((6 / (fan_out + fan_in)) ** 0.5)  # (1)


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
