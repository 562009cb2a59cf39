"""Numbers that carry the bound of their own rounding error.

A page is evaluated in float64 on `Rounded` numbers. Each has the value that exact arithmetic would give (to
float64) and a bound of the distance at which an implementation of the declared `Arithmetic` may lie, when it
rounds after every operation. Every operation adds its own rounding, `unit roundoff × |result|`, and passes the
operands' bounds on to first order; quotients and square roots keep the denominators that matter near zero.

    |fl(a ∘ b) - (a ∘ b)| ≤ u |a ∘ b| + η

with u the unit roundoff and η half the smallest subnormal number (the smallest normal one where subnormal
numbers are flushed to zero). A result beyond the largest finite number gets an infinite bound: nothing is known
of it. Adding an exact zero and multiplying by one are exact and add nothing.

The numbers are kept in NumPy: cases are small, and its calls cost a fifth of torch's on small arrays.

Source: Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd edition, section 3.3 (running error analysis),
and section 4.2 for sums. The sum of n terms may be taken in any order: its constant is the smaller of n - 1
(section 4.2, every order) and 8 √n, the probabilistic bound of Higham & Mary, *SIAM J. Sci. Comput.* 41(5), 2019,
with λ = 8, which fails for fewer than one sum in 10^7 at n = 10^6. Formats with fewer than 20 significant bits keep
n - 1, because their sums stagnate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

PROBABILISTIC = 8.0  # λ of the square-root law for sums
DOUBLE_ROUNDOFF = 2.0**-53  # the page's own arithmetic
DOUBLE_UNDERFLOW = 2.0**-1074  # half of it is no number of float64


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: significant bits, smallest normal and largest finite number."""

    bits: int
    smallest_normal: float
    largest: float

    @property
    def roundoff(self) -> float:
        """Half the distance from 1 to the next larger number."""
        return 2.0**-self.bits

    @property
    def smallest_subnormal(self) -> float:
        """The distance between the numbers next to zero."""
        return self.smallest_normal * 2.0 ** (1 - self.bits)

    def underflow(self, *, flush: bool) -> float:
        """The largest absolute error of a result that is too small for the format, the page's own included."""
        return self.smallest_normal if flush else max(self.smallest_subnormal / 2, DOUBLE_UNDERFLOW)

    def holds(self, number: float) -> bool:
        """Whether `number` needs no rounding."""
        if number == 0:
            return True
        if not self.smallest_normal <= abs(number) <= self.largest:
            return False
        return (math.frexp(number)[0] * 2.0**self.bits).is_integer()


FORMATS = {
    "float64": Format(53, 2.0**-1022, np.finfo(np.float64).max.item()),
    "float32": Format(24, 2.0**-126, (2 - 2.0**-23) * 2.0**127),
    "bfloat16": Format(8, 2.0**-126, (2 - 2.0**-7) * 2.0**127),
    "float16": Format(11, 2.0**-14, 65504.0),
}


@dataclass(frozen=True)
class Arithmetic:
    """How an implementation rounds: the format of its tensor operations and that of its scalars."""

    compute: str = "float32"
    scalars: str = "float64"
    flush: bool = False  # subnormal numbers become zero

    @cached_property
    def roundoff(self) -> float:
        """Unit roundoff of a tensor operation, the page's own rounding included."""
        return FORMATS[self.compute].roundoff + DOUBLE_ROUNDOFF

    @cached_property
    def scalar_roundoff(self) -> float:
        """Unit roundoff of an operation between scalars, the page's own rounding included."""
        return FORMATS[self.scalars].roundoff + DOUBLE_ROUNDOFF

    @cached_property
    def underflow(self) -> float:
        """The largest absolute error of a tensor operation whose result is too small for the format."""
        return FORMATS[self.compute].underflow(flush=self.flush)

    @cached_property
    def scalar_underflow(self) -> float:
        """The largest absolute error of an operation between scalars whose result is too small for the format."""
        return FORMATS[self.scalars].underflow(flush=self.flush)

    @cached_property
    def largest(self) -> float:
        """The largest finite number of the format."""
        return FORMATS[self.compute].largest

    def scalar(self, number: float) -> Rounded:
        """A hyper-parameter: an implementation may round it to its own formats, unless it is a number of both."""
        number = float(number)
        size, formats = abs(number), (FORMATS[self.compute], FORMATS[self.scalars])
        if all(one.holds(number) for one in formats):
            return Rounded(number, 0.0, self, scalar=True)
        error = max((one.roundoff + DOUBLE_ROUNDOFF) * size + one.underflow(flush=False) for one in formats)
        if self.flush and any(size < one.smallest_normal for one in formats):
            error = size
        return Rounded(number, error, self, scalar=True)

    def tensor(self, values: Tensor) -> Rounded:
        """An input in the implementation's own format: it is exact, unless it is flushed."""
        array = values.detach().double().numpy()
        error = np.zeros(array.shape)
        if self.flush:
            error = np.where(abs(array) < FORMATS[self.compute].smallest_normal, abs(array), error)
        return Rounded(array, error, self)


@contextmanager
def evaluation() -> Iterator[None]:
    """The context in which pages run on `Rounded` numbers: infinite bounds arise on purpose and warn nobody."""
    with np.errstate(all="ignore"):
        yield


Array: TypeAlias = Any  # a float64 array of NumPy, or a float: NumPy returns floats for arrays without dimensions
Number: TypeAlias = "Rounded | float"


class Rounded:
    """A value, and a bound of the error with which an implementation may have it.

    `value` and `error` have the same shape, that of the tensor. A `scalar` is a number that implementations keep
    outside of tensors (a hyper-parameter, a count) and round in the format of their scalars.
    """

    __slots__ = ("arithmetic", "error", "inexact", "is_scalar", "value")
    __array_ufunc__ = None  # arrays leave mixed operations to this class

    def __init__(self, value: Array, error: Array, arithmetic: Arithmetic, *, scalar: bool = False) -> None:
        self.value = value
        self.error = error
        self.arithmetic = arithmetic
        self.is_scalar = scalar
        self.inexact: bool | None = None  # whether no element is exact, once somebody has asked

    def __repr__(self) -> str:
        return f"Rounded({self.value!r} ± {self.error!r})"

    # what pages ask of a tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value; a scalar has none."""
        return np.shape(self.value)

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __lt__(self, other: Number) -> bool:
        return bool(self.value < self._lift(other).value)

    def __gt__(self, other: Number) -> bool:
        return bool(self.value > self._lift(other).value)

    # arithmetic

    def __add__(self, other: Number) -> Rounded:
        o = self._lift(other)
        return self._result(o, self.value + o.value, self.error + o.error, exact=self._where(o, 0))

    def __sub__(self, other: Number) -> Rounded:
        return self + -self._lift(other)

    def __mul__(self, other: Number) -> Rounded:
        o = self._lift(other)
        error = abs(self.value) * o.error + (abs(o.value) + o.error) * self.error
        return self._result(o, self.value * o.value, error, exact=self._where(o, 0, 1), tiny=True)

    def __truediv__(self, other: Number) -> Rounded:
        o = self._lift(other)
        value = np.divide(self.value, o.value)
        smallest = abs(o.value) - o.error
        zero = self._is(0)
        error = np.divide(self.error + abs(value) * o.error, smallest)
        positive = smallest > 0
        if np.count_nonzero(positive) != np.size(positive):
            error = np.where(positive, error, np.inf)
        if zero is not False:  # 0 / b is 0 for every b that is known not to have overflowed
            zero = zero & np.isfinite(o.error)
            error = np.where(zero, 0.0, error)
        return self._result(o, value, error, exact=zero | o._is(1), tiny=True)

    def __pow__(self, exponent: Number) -> Rounded:
        if isinstance(exponent, Rounded) or exponent != int(exponent) or exponent < 0:
            return self._power(self._lift(exponent))
        n = float(exponent)  # as repeated products, the longest way: n roundings
        value = self.value**n
        error = n * abs(self.value) ** max(n - 1, 0.0) * self.error
        return self._result(self, value, error, roundings=n, exact=self._is(0), tiny=True)

    def _power(self, p: Rounded) -> Rounded:
        """x^p = exp(p ln x) for positive x: the errors of logarithm and product count p ln x times."""
        value, logarithm = np.power(self.value, p.value), np.log(self.value)
        error = abs(value) * (abs(p.value) * np.divide(self.error, self.value) + abs(logarithm) * p.error)
        return self._result(p, value, error, roundings=1 + 2 * abs(p.value * logarithm), tiny=True)

    def __rpow__(self, base: float) -> Rounded:
        return self._lift(base)._power(self)

    def __neg__(self) -> Rounded:
        return Rounded(-self.value, self.error, self.arithmetic, scalar=self.is_scalar)

    def __abs__(self) -> Rounded:
        return Rounded(abs(self.value), self.error, self.arithmetic, scalar=self.is_scalar)

    def __radd__(self, other: Number) -> Rounded:
        return self + other

    def __rsub__(self, other: Number) -> Rounded:
        return self._lift(other) + -self

    def __rmul__(self, other: Number) -> Rounded:
        return self * other

    def __rtruediv__(self, other: Number) -> Rounded:
        return self._lift(other) / self

    def sqrt(self) -> Rounded:
        """√x; the bound is the distance to the farther of √(x - error), or 0, and √(x + error)."""
        root = np.sqrt(self.value)
        below = root - np.sqrt(np.maximum(self.value - self.error, 0.0))
        return self._result(self, root, np.maximum(below, np.sqrt(self.value + self.error) - root))

    def cos(self) -> Rounded:
        """Cos x; the error of x counts by the slope, and by the curvature where the slope is zero."""
        error = abs(np.sin(self.value)) * self.error + self.error * self.error / 2
        return self._result(self, np.cos(self.value), error)

    def floor(self) -> Rounded:
        """The largest whole number below; where the error reaches over one, either may be the result."""
        value = np.floor(self.value)
        above, below = np.floor(self.value + self.error) - value, value - np.floor(self.value - self.error)
        return Rounded(value, np.maximum(above, below), self.arithmetic, scalar=self.is_scalar)

    def rsqrt(self) -> Rounded:
        """1 / √x."""
        return 1 / self.sqrt()

    def square(self) -> Rounded:
        """x²."""
        return self * self

    def clamp(self, min: Number | None = None, max: Number | None = None) -> Rounded:  # noqa: A002 the names of torch
        """The number, but no less than `min` and no more than `max`; near a limit, either may be the result."""
        result = self
        for limit, pick in ((min, np.maximum), (max, np.minimum)):
            if limit is not None:
                result = result._limited(self._lift(limit), pick)
        return result

    def _limited(self, limit: Rounded, pick: np.ufunc) -> Rounded:
        value = pick(self.value, limit.value)
        gap = abs(self.value - limit.value)
        near = gap <= self.error + limit.error
        error = np.where(
            near,
            np.maximum(self.error, limit.error) + gap,
            np.where(value == self.value, self.error, limit.error),
        )
        return Rounded(value, error, self.arithmetic, scalar=self.is_scalar and limit.is_scalar)

    # reductions and shapes

    def sum(self, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Rounded:
        """The sum over `dim`, taken in any order."""
        axis = tuple(dim) if isinstance(dim, Sequence) else dim
        value, error, size = (np.sum(x, axis, keepdims=keepdim) for x in (self.value, self.error, abs(self.value)))
        terms = self.numel() // max(np.size(value), 1)
        error = error + _sum_constant(terms, self.arithmetic) * self.arithmetic.roundoff * size
        if self.arithmetic.flush:
            error = error + max(terms - 1, 0) * self.arithmetic.underflow
        return Rounded(value, _unless_overflow(size, error, self.arithmetic), self.arithmetic)

    def mean(self, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Rounded:
        """The sum over `dim`, divided by the number of terms."""
        total = self.sum(dim, keepdim)
        return total / (self.numel() // max(total.numel(), 1))

    def __matmul__(self, other: Rounded) -> Rounded:
        arithmetic, terms = self._common(other), self.shape[-1]
        size = abs(self.value) @ abs(other.value)
        error = abs(self.value) @ other.error + self.error @ (abs(other.value) + other.error)
        error = error + (1 + _sum_constant(terms, arithmetic)) * arithmetic.roundoff * size
        error = error + terms * (1 + arithmetic.flush) * arithmetic.underflow  # of the products, and of the additions
        return Rounded(self.value @ other.value, _unless_overflow(size, error, arithmetic), arithmetic)

    def reshape(self, *shape: int) -> Rounded:
        """The same numbers in another shape."""
        return Rounded(np.reshape(self.value, shape), np.reshape(self.error, shape), self.arithmetic)

    def stored(self, format_name: str) -> Rounded:
        """The number after it has been kept in another format."""
        kept = FORMATS[format_name]
        rounding = kept.roundoff * abs(self.value) + kept.underflow(flush=self.arithmetic.flush)
        error = self.error + np.where(self._is(0), 0.0, rounding)
        known = abs(self.value) + error <= kept.largest
        return Rounded(self.value, np.where(known, error, np.inf), self.arithmetic)

    # the bookkeeping

    def _lift(self, number: Number) -> Rounded:
        return number if isinstance(number, Rounded) else self.arithmetic.scalar(number)

    def _is(self, number: int) -> Array:
        """Where this is exactly `number` or its negative; a plain False where it is nowhere."""
        if self.is_scalar:
            return self.error == 0 and abs(self.value) == number
        if self.inexact is None:
            self.inexact = np.count_nonzero(self.error) == np.size(self.error)
        if self.inexact:
            return False
        return (abs(self.value) == number) & (self.error == 0)

    def _where(self, other: Rounded, *numbers: int) -> Array:
        """Where this or the other is exactly one of some numbers."""
        result: Array = False
        for number in numbers:
            for operand in (self, other):
                found = operand._is(number)  # noqa: SLF001 of the same class
                if found is not False:
                    result = result | found
        return result

    def _result(
        self,
        other: Rounded,
        value: Array,
        error: Array,
        *,
        roundings: Array = 1.0,
        exact: Array = False,
        tiny: bool = False,
    ) -> Rounded:
        """The result of an operation with its rounding added, except where the operation is `exact`."""
        arithmetic = self._common(other)
        if self.is_scalar and other.is_scalar:
            if not exact:
                error = error + arithmetic.scalar_roundoff * roundings * abs(value) + tiny * arithmetic.scalar_underflow
            known = abs(value) + error <= FORMATS[arithmetic.scalars].largest
            return Rounded(float(value), float(error) if known else math.inf, arithmetic, scalar=True)
        size = abs(value)
        rounding = (arithmetic.roundoff * roundings) * size
        mixed = self.arithmetic.compute != other.arithmetic.compute  # then tiny sums are rounded, too
        if tiny or mixed or arithmetic.flush:
            rounding = rounding + arithmetic.underflow
        if exact is not False:
            rounding = np.where(exact, 0.0, rounding)
        error = error + rounding
        return Rounded(value, _unless_overflow(size, error, arithmetic), arithmetic)

    def _common(self, other: Rounded) -> Arithmetic:
        """Of two numbers in different formats, the result may be in the coarser one."""
        if other.is_scalar:
            return self.arithmetic
        if self.is_scalar or other.arithmetic.roundoff > self.arithmetic.roundoff:
            return other.arithmetic
        return self.arithmetic


def _sum_constant(terms: int, arithmetic: Arithmetic) -> float:
    """How many roundings of the sum of magnitudes a sum makes at most, whatever its order."""
    every_order = max(terms - 1, 0)
    if arithmetic.roundoff > 2.0**-20:
        return every_order
    return min(every_order, PROBABILISTIC * math.sqrt(terms))


def _unless_overflow(size: Array, error: Array, arithmetic: Arithmetic) -> Array:
    """The error; infinite where the result may overflow, because nothing is known of it then."""
    known = size + error <= arithmetic.largest
    if np.count_nonzero(known) == np.size(known):
        return error
    return np.where(known, error, np.inf)
