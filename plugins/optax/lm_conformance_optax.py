"""Trainers for optax: optimizers, clipping and schedules, operation by operation, compiled, and with 64-bit types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from lm_conformance.trainer import Optimizer, Precision, Schedule, Trainer, hookimpl, offers

if TYPE_CHECKING:
    from torch import Tensor

Factory = Callable[..., optax.GradientTransformation]
Static = tuple[tuple[str, Any], ...]  # arguments of a factory that are no numbers, by name


def updated(
    factory: Factory, static: Static, gradients: Any, state: Any, parameters: Any, rate: Any, settings: dict[str, Any]
) -> tuple[Any, Any]:
    """The parameters and the state after one update; the rate comes by a schedule."""
    transformation = factory(learning_rate=lambda count: rate, **settings, **dict(static))  # noqa: ARG005
    updates, state = transformation.update(gradients, state, parameters)
    return optax.apply_updates(parameters, updates), state


def clipped(gradients: Any, max_norm: Any) -> tuple[Any, Any]:
    """The clipped gradients, and their norm before that."""
    transformation = optax.clip_by_global_norm(max_norm)
    result, _ = transformation.update(gradients, transformation.init(gradients))
    return result, optax.tree.norm(gradients)


# Numbers are arguments of what is compiled, so one compilation serves all values.
compiled_updated = jax.jit(updated, static_argnums=(0, 1))
compiled_clipped = jax.jit(clipped)


def to_jax(tensor: Tensor) -> jax.Array:
    """A tensor of torch as an array of JAX, which takes no strided memory."""
    return jnp.from_dlpack(tensor.contiguous(), copy=True)


class Session:
    """Parameters, and the state of a factory's transformation."""

    def __init__(
        self,
        factory: Factory,
        static: Static,
        parameters: Sequence[Tensor],
        settings: dict[str, Any],
        *,
        update: Callable[..., Any],
        x64: bool,
    ) -> None:
        self.factory, self.static, self.settings = factory, static, settings
        self.update, self.x64 = update, x64
        with jax.enable_x64(self.x64):
            self.parameters = tuple(to_jax(tensor) for tensor in parameters)
            transformation = factory(learning_rate=optax.constant_schedule(0.0), **settings, **dict(static))
            self.optimizer_state = transformation.init(self.parameters)

    def step(self, gradients: Sequence[Tensor], *, lr: float) -> Sequence[jax.Array]:
        """One update at the rate `lr`."""
        with jax.enable_x64(self.x64):
            arrays = tuple(to_jax(tensor) for tensor in gradients)
            self.parameters, self.optimizer_state = self.update(
                self.factory, self.static, arrays, self.optimizer_state, self.parameters, lr, self.settings
            )
        return self.parameters

    def save(self) -> list[np.ndarray]:
        """The leaves of parameters and state, as arrays of NumPy."""
        return [np.asarray(leaf) for leaf in jax.tree.leaves((self.parameters, self.optimizer_state))]

    def load(self, saved: list[np.ndarray]) -> None:
        """Continue from what was saved."""
        structure = jax.tree.structure((self.parameters, self.optimizer_state))
        with jax.enable_x64(self.x64):
            leaves = [jnp.asarray(leaf) for leaf in saved]
        self.parameters, self.optimizer_state = jax.tree.unflatten(structure, leaves)

    def state(self, index: int) -> list[jax.Array]:
        """The arrays that the state keeps for one parameter."""
        own = jax.tree_util.SequenceKey(index)
        return [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(self.optimizer_state) if path[-1] == own]


class Curve:
    """A schedule, asked with floats: JAX's integers have 32 bits, too few to count tokens."""

    def __init__(self, schedule: optax.Schedule, *, x64: bool) -> None:
        self.schedule, self.x64 = schedule, x64

    def rate(self, x: float) -> float:
        """The rate at x."""
        with jax.enable_x64(self.x64):
            return float(self.schedule(float(x)))


# XLA on the CPU flushes subnormal numbers, except those of float16, which it computes in float32.
FLUSH = {"float64": True, "float32": True, "bfloat16": True, "float16": False}
# JAX's default: what is computed of hyper-parameters and counters is float32.
DEFAULT = {name: Precision(scalars="float32", flush=FLUSH[name]) for name in ("float32", "bfloat16", "float16")}


class Base(Trainer):
    """How trainers open an optimizer."""

    version = f"{optax.__version__}, jax {jax.__version__}"
    precisions: ClassVar[Mapping[str, Precision]] = DEFAULT
    scalars = "float32"
    compiled = False  # as a whole, instead of operation by operation
    x64 = False  # JAX's switch for 64-bit types

    def _open(
        self, factory: Factory, parameters: Sequence[Tensor], *static: tuple[str, Any], **settings: Any
    ) -> Optimizer:
        update = compiled_updated if self.compiled else updated
        return Session(factory, static, parameters, settings, update=update, x64=self.x64)


class Common(Base):
    """What all offer but those that are there for one Adafactor."""

    @offers("optimizers.sgd", weight_decay="absent", missing="refused")
    def sgd(self, parameters: Sequence[Tensor], *, lr: float, weight_decay: float) -> Optimizer:
        del lr, weight_decay  # each update has its own rate; declared: absent
        return self._open(optax.sgd, parameters)

    @offers("optimizers.momentum", first="gradient", dampening="absent", weight_decay="absent", missing="refused")
    def momentum(
        self, parameters: Sequence[Tensor], *, lr: float, momentum: float, dampening: float, weight_decay: float
    ) -> Optimizer:
        del lr, dampening, weight_decay
        return self._open(optax.sgd, parameters, momentum=momentum)

    @offers("optimizers.nesterov", weight_decay="absent", missing="refused")
    def nesterov(self, parameters: Sequence[Tensor], *, lr: float, momentum: float, weight_decay: float) -> Optimizer:
        del lr, weight_decay
        return self._open(optax.sgd, parameters, ("nesterov", True), momentum=momentum)

    @offers("optimizers.adam", epsilon="after", missing="refused")
    def adam(self, parameters: Sequence[Tensor], *, lr: float, beta1: float, beta2: float, eps: float) -> Optimizer:
        del lr
        return self._open(optax.adam, parameters, b1=beta1, b2=beta2, eps=eps)

    @offers("optimizers.adamw", decay="rate", epsilon="after", missing="refused")
    def adamw(
        self,
        parameters: Sequence[Tensor],
        *,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decayed: Sequence[bool],
    ) -> Optimizer:
        del lr
        mask = ("mask", tuple(decayed))
        return self._open(optax.adamw, parameters, mask, b1=beta1, b2=beta2, eps=eps, weight_decay=weight_decay)

    @offers("gradients.global_norm_clipping", epsilon="none")
    def clip(
        self, gradients: Sequence[Tensor | None], *, max_norm: float
    ) -> tuple[Sequence[jax.Array | None], jax.Array]:
        with jax.enable_x64(self.x64):
            arrays = [None if gradient is None else to_jax(gradient) for gradient in gradients]
            return (compiled_clipped if self.compiled else clipped)(arrays, max_norm)


class Schedules(Base):
    """Schedules, which are not compiled: each is asked at few points."""

    @offers("schedules.warmup_cosine")
    def warmup_cosine(self, *, peak: float, floor: float, warmup: int, horizon: int) -> Schedule:
        schedule = optax.warmup_cosine_decay_schedule(0.0, peak, float(warmup), float(horizon), floor)
        return Curve(schedule, x64=self.x64)

    @offers("schedules.warmup_linear")
    def warmup_linear(self, *, peak: float, warmup: int, horizon: int) -> Schedule:
        rise = optax.linear_schedule(0.0, peak, float(warmup))
        fall = optax.linear_schedule(peak, 0.0, float(horizon - warmup))
        return Curve(optax.join_schedules([rise, fall], [warmup]), x64=self.x64)

    @offers("schedules.cosine_restarts", periods="equal")
    def cosine_restarts(self, *, peak: float, floor: float, period: int, factor: int) -> Schedule:
        del factor  # declared: periods = equal, because optax has a list of periods
        cycle = {"init_value": peak, "peak_value": peak, "warmup_steps": 0, "decay_steps": period, "end_value": floor}
        return Curve(optax.sgdr_schedule([cycle] * CYCLES), x64=self.x64)


CYCLES = 5  # a list of periods has an end; checks ask for the first four


class Adafactor(Base):
    """What all offers of Adafactor without a parameter scale share."""

    smallest: ClassVar[int]  # dimension that is factored

    def _adafactor(
        self,
        parameters: Sequence[Tensor],
        *,
        lr: float,
        eps1: float,
        eps2: float,
        clipping_threshold: float,
        decay_exponent: float,
        beta1: float | None,
    ) -> Optimizer:
        del lr, eps2  # declared: scale = none
        return self._open(
            optax.adafactor,
            parameters,
            ("min_dim_size_to_factor", self.smallest),
            ("multiply_by_parameter_scale", False),
            ("dtype_momentum", jnp.float64 if self.x64 else jnp.float32),
            eps=eps1,
            clipping_threshold=clipping_threshold,
            decay_rate=decay_exponent,
            **({} if beta1 is None else {"momentum": beta1}),
        )


class Compiled(Common, Adafactor):
    """Each update compiled as a whole, as training does it; with Adafactor as it factors by default, from 128 on."""

    name = "optax[jit]"
    compiled = True
    smallest = 128

    @offers(
        "optimizers.adafactor",
        rate="external",
        scale="none",
        momentum="none",
        epsilon1="square",
        axes="largest_two",
        smallest="128",
        missing="refused",
    )
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._adafactor(parameters, **settings)


class Eager(Compiled, Schedules):
    """Operation by operation, each rounded alone, and compiled once for all optimizers: the quicker run."""

    name = "optax"
    compiled = False


class Wide(Common, Schedules):
    """With 64-bit types enabled, which makes scalars float64; not so Adafactor's, see `WideMomentum`."""

    name = "optax[x64]"
    x64 = True
    scalars = "float64"
    precisions: ClassVar[Mapping[str, Precision]] = {
        name: Precision(scalars="float64", flush=FLUSH[name]) for name in ("float64", "float32")
    }


class Momentum(Adafactor):
    """Adafactor with momentum, and matrices of any size factored."""

    name = "optax[momentum]"
    smallest = 1

    @offers(
        "optimizers.adafactor",
        rate="external",
        scale="none",
        momentum="after_rate",
        epsilon1="square",
        axes="largest_two",
        smallest="any",
        missing="refused",
    )
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._adafactor(parameters, **settings)


class WideMomentum(Momentum):
    """The same with 64-bit types enabled; β̂ is still computed in float32 (optax/_src/factorized.py, line 31)."""

    name = "optax[momentum,x64]"
    x64 = True
    precisions: ClassVar[Mapping[str, Precision]] = {
        name: Precision(scalars="float32", flush=FLUSH[name]) for name in ("float64", "float32")
    }


def adafactor_with_parameter_scale(
    *,
    learning_rate: optax.Schedule,
    decay_rate: float,
    min_dim_size_to_factor: int,
    eps: float,
    clipping_threshold: float,
    min_scale: float,
) -> optax.GradientTransformation:
    """The chain of `optax.adafactor`, which has no argument for ε2, the floor of the scale."""
    return optax.chain(
        optax.scale_by_factored_rms(decay_rate=decay_rate, min_dim_size_to_factor=min_dim_size_to_factor, epsilon=eps),
        optax.clip_by_block_rms(clipping_threshold),
        optax.scale_by_learning_rate(learning_rate, flip_sign=False),
        optax.scale_by_param_block_rms(min_scale),
        optax.scale(-1),
    )


class ParameterScale(Base):
    """Adafactor with steps in proportion to the parameters, and matrices of any size factored."""

    name = "optax[parameter_scale]"

    @offers(
        "optimizers.adafactor",
        rate="external",
        scale="parameter",
        momentum="none",
        epsilon1="square",
        axes="largest_two",
        smallest="any",
        missing="refused",
    )
    def adafactor(
        self,
        parameters: Sequence[Tensor],
        *,
        lr: float,
        eps1: float,
        eps2: float,
        clipping_threshold: float,
        decay_exponent: float,
        beta1: None,
    ) -> Optimizer:
        del lr, beta1  # declared: momentum = none
        return self._open(
            adafactor_with_parameter_scale,
            parameters,
            ("min_dim_size_to_factor", 1),
            decay_rate=decay_exponent,
            eps=eps1,
            clipping_threshold=clipping_threshold,
            min_scale=eps2,
        )


@hookimpl
def lm_conformance_trainers() -> Iterable[Trainer]:
    yield Eager()
    yield Compiled()
    yield Wide()
    yield Momentum()
    yield WideMomentum()
    yield ParameterScale()
