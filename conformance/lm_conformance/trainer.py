"""What an author writes: a `Trainer`, and for each page a method that is marked with `offers`.

Arguments and results are plain data: CPU torch tensors, numbers, strings, booleans, and lists and dictionaries of
these. A result may be any array that torch takes by DLPack or NumPy by `asarray`, so a trainer in JAX, TensorFlow or C
has no torch code to write, and a GPU trainer moves the data itself.

A page of `optimizers` asks for a method

    (parameters, *, lr, SETTINGS) -> Optimizer

with the settings that are the keywords of the page's `step`, under the page's names:

    optimizers.sgd        weight_decay
    optimizers.momentum   momentum, dampening, weight_decay
    optimizers.nesterov   momentum, weight_decay
    optimizers.adam       beta1, beta2, eps
    optimizers.adamw      beta1, beta2, eps, weight_decay, decayed
    optimizers.adafactor  eps1, eps2, clipping_threshold, decay_exponent, beta1

and `gradients.global_norm_clipping` for a method

    (gradients, *, max_norm) -> (clipped gradients, norm before clipping, or None where it is not reported)

where
    parameters  is a list of tensors: the initial values. They are the trainer's, to keep and to change
    gradients   is a list as long as parameters, of tensors of the same shapes and dtypes, or None for a parameter that
                got no gradient. They are lent: to change one is an `error`
    lr          is the base rate; the rate of an update is the one that `step` is given. Both are None where the
                method has its own (optimizers.adafactor, rate = relative)
    decayed     is a list of booleans, one for each parameter: False for those without weight decay
    beta1       of optimizers.adafactor is None where there is no momentum
A number whose fork is declared `absent` is passed as 0, `decayed` then as all True.

A page of `schedules` asks for a method

    (*, SETTINGS) -> Schedule, or Stepped

    schedules.warmup_cosine    peak, floor, warmup, horizon
    schedules.warmup_linear    peak, warmup, horizon
    schedules.cosine_restarts  peak, floor, period, factor
    schedules.inverse_sqrt     peak, warmup
    schedules.batch_ramp       first, full, ramp, row

where rates are numbers, and `warmup`, `horizon`, `period` and `ramp` are counted in one unit: updates, sequences or
tokens, whichever x is counted in. `first`, `full` and `row` (the length of a row) are tokens.

`initialization.fan_in` and `initialization.glorot` ask for a method that draws the matrix of y = W x

    (fan_out, fan_in, *, seed) -> W of shape (fan_out, fan_in); (fan_in, fan_out) with the side orientation = in_out

and the pages of models for a method that draws all weights of a model of a given size,

    (*, SIZES, seed) -> a dictionary from each role to the list of its tensors, layer by layer

    initialization.gpt2  layers, width, heads, vocabulary, positions
    initialization.bert  layers, width, heads, feed_forward, vocabulary, positions
    initialization.t5    layers, width, heads, head_width, feed_forward, vocabulary, buckets

with the roles, orders and shapes of the page's `shapes`, and every tensor of the model in one of them. A matrix that is
kept as (inputs, outputs) is handed over transposed, one of queries, keys and values together in its parts. `biases` and
`gains` may be cut and joined in any way, and `biases` are an empty list where the model has none. Tensors may have any
floating-point format. Seeds are whole numbers from 0 to 2^31 - 2; equal seeds give equal weights, whatever was drawn
before.

`precision.float16` and `precision.bfloat16` ask for a method `() -> Casts`, and the pages of loss scaling for methods

    precision.loss_scaling         (*, initial_scale, growth_factor, backoff_factor, growth_interval) -> LossScaler
    precision.static_loss_scaling  (*, scale) -> LossScaler

which also get `hysteresis` and `floor` if the trainer declares that it has them. `precision.reductions` asks for a
method `() -> Reductions`, `precision.master_weights` for one that opens an optimizer whose weights are kept twice

    (weights, *, dtype, lr, beta1, beta2, eps, initial_scale, growth_interval) -> MixedPrecision

where weights are float32, and `dtype` is the name of the 16-bit format. The loss scale doubles and halves; bfloat16 has
none, and initial_scale and growth_interval are None. Adam has the forks that the trainer declares for
`optimizers.adam`. `precision.memory` asks for a method that makes one update and tells what it keeps for the next

    (weights, gradients, *, dtype) -> a dictionary: `weights`, `masters`, `gradients`, `moments`, each a list

of arrays, where gradients have the format `dtype`, which may be float32. `recipes.gpt3` asks for a method
`(size) -> a dictionary`: the configuration under the names of the page, or None for a size that the trainer lacks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from lm_reference.page import PageError, pages

from lm_conformance.errors import nearest
from lm_conformance.hookspecs import hookimpl

__all__ = [
    "Blockwise",
    "Casts",
    "LossScaler",
    "MixedPrecision",
    "Offer",
    "Optimizer",
    "Precision",
    "Reductions",
    "Resumable",
    "Schedule",
    "Stateful",
    "Stepped",
    "Trainer",
    "hookimpl",
    "offers",
]


class Optimizer(Protocol):
    """Parameters with the state of their update rule."""

    def step(self, gradients: Sequence[Any], *, lr: float | None) -> Sequence[Any]:
        """Make one update at the rate `lr` and return all parameters, in their order, shapes and dtypes."""


@runtime_checkable
class Resumable(Protocol):
    """What an optimizer also has where it can be saved."""

    def save(self) -> Any:
        """Everything that the run needs to continue, the parameters included."""

    def load(self, saved: Any) -> None:
        """Continue from `saved`, in an optimizer that was opened with the same arguments."""


@runtime_checkable
class Stateful(Protocol):
    """What an optimizer also has where its memory can be counted."""

    def state(self, index: int) -> Sequence[Any]:
        """All arrays that are kept for parameter `index` from one update to the next, the parameter excluded."""


class Schedule(Protocol):
    """A schedule that can be asked at any point."""

    def rate(self, x: float) -> float:
        """The rate (a ramp: the size of the batch in tokens) of the update before which x units were consumed."""


class Stepped(Protocol):
    """A schedule that can only be followed, update by update. It may have `save` and `load` like an optimizer."""

    def step(self) -> float:
        """The rate of the next update; the first call gives that of the first update, x = 0."""


class Casts(Protocol):
    """Numbers in a format of 16 bits, as an implementation makes them."""

    def cast(self, values: Any) -> Any:
        """The numbers of a float32 tensor in the format."""

    def add(self, one: Any, other: Any) -> Any:
        """The sums of two tensors of the format, in the format."""


class Reductions(Protocol):
    """Sums over 16-bit numbers, as an implementation takes them. It may lack some."""

    def sum(self, values: Any) -> Any:
        """The sum of a tensor of float16 or bfloat16."""

    def dot(self, one: Any, other: Any) -> Any:
        """The dot product of two vectors of a format."""

    def norm(self, values: Any) -> Any:
        """The root of the sum of squares of a tensor of a format."""


class LossScaler(Protocol):
    """What keeps small gradients of 16-bit numbers from becoming zero. It may have `save` and `load`."""

    def scale(self, loss: Any) -> Any:
        """The loss, a float32 tensor without dimensions, multiplied by the scale; at least once before every `step`."""

    def step(self, gradients: Sequence[Any]) -> Sequence[Any] | None:
        """Take the float32 gradients of the scaled loss, give those of the loss, or None where the update is skipped.

        All calls have gradients of the same shapes, or None. Afterwards the scale is that of the next update.
        """


class MixedPrecision(Protocol):
    """An optimizer with float32 weights, and copies in 16 bits for the model. It may have `save` and `load`.

    A model is not needed: the gradients that a backward pass would leave are handed over.
    """

    def scale(self, loss: Any) -> Any:
        """The loss as in `LossScaler`; unchanged where there is no loss scale."""

    def step(self, gradients: Sequence[Any]) -> None:
        """Take the 16-bit gradients of the scaled loss with respect to the copies, and update, or skip the update."""

    def masters(self) -> Sequence[Any]:
        """The float32 weights."""

    def copies(self) -> Sequence[Any]:
        """The weights that the model computes with, in 16 bits."""

    def state(self) -> Sequence[Any]:
        """Moments and counters of the optimizer, in an order that does not change; none before the first update."""


@dataclass(frozen=True)
class Blockwise:
    """State that is kept as 8-bit codes, each block with a scale of its own.

    A value is off by at most `half_gap` times the largest magnitude of its block: half the widest distance between
    two neighbouring codes. Zero is one of the codes.
    """

    block: int
    half_gap: float


@dataclass(frozen=True)
class Precision:
    """How a trainer rounds when parameters and gradients are of one dtype. The bounds follow from it.

    Each name is a format: float64, float32, bfloat16 or float16. Left out, it is the dtype of the parameters.
    """

    compute: str | None = None  # tensor operations
    scalars: str | None = None  # hyper-parameters and what is computed of them
    state: str | Blockwise | None = None  # what is kept between updates; left out, as computed
    flush: bool = False  # subnormal numbers become zero, as on many accelerators


class Trainer:
    """An implementation under test. Subclass it, name it, and mark what it offers.

    A page that is offered without a declaration of its forks is tested against their first sides.
    """

    name: str
    precisions: ClassVar[Mapping[str, Precision]] = {"float32": Precision()}  # for each dtype of parameters it takes
    scalars: str = "float64"  # the format of numbers that belong to no tensor: rates of schedules, loss scales
    version: str = ""  # of the library, for the report

    def offered(self) -> list[Offer]:
        """What this trainer offers, page by page, in alphabetical order."""
        found = []
        for attribute in dir(type(self)):
            marks = getattr(inspect.getattr_static(type(self), attribute), "_lm_conformance_offers", None)
            if marks is not None:
                page, forks = marks
                found.append(Offer(self, page, forks, getattr(self, attribute)))
        return sorted(found, key=lambda offer: offer.page)


@dataclass(frozen=True)
class Offer:
    """One page that a trainer offers, with its sides of the page's forks."""

    trainer: Trainer
    page: str
    declared: Mapping[str, str]
    method: Callable[..., Any]

    def problem(self) -> str | None:
        """What is wrong with the declaration, in one line; nothing if all is well."""
        known = pages()
        if self.page not in known:
            return f"offers the page {self.page!r}, which does not exist{nearest(self.page, known)}."
        try:
            known[self.page].sides(self.declared)
        except PageError as error:
            return str(error)
        return None

    @property
    def forks(self) -> dict[str, str]:
        """The side of every fork of the page: the declared one, or the first."""
        return {name: self.declared.get(name, fork.default) for name, fork in pages()[self.page].forks.items()}


_Method = TypeVar("_Method", bound=Callable[..., Any])


def offers(page: str, **forks: str) -> Callable[[_Method], _Method]:
    """Mark a method of a `Trainer` as its implementation of `page`, with its sides of the page's forks."""

    def mark(method: _Method) -> _Method:
        method._lm_conformance_offers = (page, forks)  # type: ignore[attr-defined]  # noqa: SLF001 our own mark
        return method

    return mark
