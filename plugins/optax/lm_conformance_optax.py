"""Trainers for optax: its optimizers and its clipping by global norm, operation by operation, compiled, and in 64 bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from lm_conformance.trainer import Optimizer, Precision, Trainer, hookimpl, offers

if TYPE_CHECKING:
    from torch import Tensor

Factory = Callable[..., optax.GradientTransformation]


def to_jax(tensor: Tensor) -> jax.Array:
    """A tensor of torch as an array of JAX, which takes no strided memory."""
    return jnp.from_dlpack(tensor.contiguous(), copy=True)


class Stepper:
    """Parameters and the state of the transformation that `factory` makes, updated operation by operation.

    The rate of an update comes by a schedule. It is called before the update, and answers with the rate of the day.
    """

    def __init__(
        self, parameters: Sequence[Tensor], factory: Factory, static: Mapping[str, Any], *, x64: bool, **settings: Any
    ) -> None:
        self.x64 = x64
        self.rate: float | None = None
        with jax.enable_x64(self.x64):
            self.parameters = tuple(to_jax(tensor) for tensor in parameters)
            self._create(factory, static, **settings)
            self.optimizer_state = self.transformation.init(self.parameters)

    def _create(self, factory: Factory, static: Mapping[str, Any], *, learning_rate: float, **settings: Any) -> None:
        del learning_rate  # the schedule's
        self.transformation = factory(learning_rate=lambda count: self.rate, **settings, **static)  # noqa: ARG005

    def step(self, gradients: Sequence[Tensor], *, lr: float) -> Sequence[jax.Array]:
        """One update at the rate `lr`."""
        with jax.enable_x64(self.x64):
            self._update(tuple(to_jax(tensor) for tensor in gradients), lr)
        return self.parameters

    def _update(self, gradients: tuple[jax.Array, ...], rate: float) -> None:
        self.rate = rate
        updates, self.optimizer_state = self.transformation.update(gradients, self.optimizer_state, self.parameters)
        self.parameters = optax.apply_updates(self.parameters, updates)

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


class Compiled(Stepper):
    """The same in one compiled function, with the hyper-parameters in the state."""

    def _create(self, factory: Factory, static: Mapping[str, Any], **settings: Any) -> None:
        self.transformation = optax.inject_hyperparams(factory, static_args=tuple(static))(**settings, **static)
        self.compiled = compiled(factory, tuple(settings), tuple(static.items()))

    def _update(self, gradients: tuple[jax.Array, ...], rate: float) -> None:
        self.optimizer_state.hyperparams["learning_rate"] = rate
        self.parameters, self.optimizer_state = self.compiled(gradients, self.optimizer_state, self.parameters)


@cache
def compiled(factory: Factory, names: tuple[str, ...], static: tuple[tuple[str, Any], ...]) -> Any:
    """The compiled update of a factory; it has the values of all settings in the state, so it serves them all."""
    placeholders = dict.fromkeys(names, 0.0)
    transformation = optax.inject_hyperparams(factory, static_args=[name for name, _ in static])(
        **placeholders, **dict(static)
    )

    @jax.jit
    def update(gradients: Any, state: Any, parameters: Any) -> tuple[Any, Any]:
        updates, state = transformation.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    return update


# XLA on the CPU flushes subnormal numbers, except those of float16, which it computes in float32.
FLUSH = {"float64": True, "float32": True, "bfloat16": True, "float16": False}
# JAX's default: what is computed of hyper-parameters and counters is float32.
DEFAULT = {name: Precision(scalars="float32", flush=FLUSH[name]) for name in ("float32", "bfloat16", "float16")}


class Base(Trainer):
    """How trainers open an optimizer."""

    version = f"{optax.__version__}, jax {jax.__version__}"
    precisions: ClassVar[Mapping[str, Precision]] = DEFAULT
    stepper: ClassVar[type[Stepper]] = Stepper
    x64 = False  # JAX's switch for 64-bit types

    def _open(
        self, factory: Factory, parameters: Sequence[Tensor], static: Mapping[str, Any] | None = None, **settings: Any
    ) -> Optimizer:
        return self.stepper(parameters, factory, static or {}, x64=self.x64, **settings)


class Optax(Base):
    """Operation by operation, in 32 bits or less."""

    name = "optax"

    @offers("optimizers.sgd", weight_decay="absent", missing="refused")
    def sgd(self, parameters: Sequence[Tensor], *, lr: float, weight_decay: float) -> Optimizer:
        del weight_decay  # declared: absent
        return self._open(optax.sgd, parameters, learning_rate=lr)

    @offers("optimizers.momentum", dampening="absent", weight_decay="absent", missing="refused")
    def momentum(
        self, parameters: Sequence[Tensor], *, lr: float, momentum: float, dampening: float, weight_decay: float
    ) -> Optimizer:
        del dampening, weight_decay  # declared: absent
        return self._open(optax.sgd, parameters, learning_rate=lr, momentum=momentum)

    @offers("optimizers.nesterov", weight_decay="absent", missing="refused")
    def nesterov(self, parameters: Sequence[Tensor], *, lr: float, momentum: float, weight_decay: float) -> Optimizer:
        del weight_decay  # declared: absent
        return self._open(optax.sgd, parameters, {"nesterov": True}, learning_rate=lr, momentum=momentum)

    @offers("optimizers.adam", missing="refused")
    def adam(self, parameters: Sequence[Tensor], *, lr: float, beta1: float, beta2: float, eps: float) -> Optimizer:
        return self._open(optax.adam, parameters, learning_rate=lr, b1=beta1, b2=beta2, eps=eps)

    @offers("optimizers.adamw", missing="refused")
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
        return self._open(
            optax.adamw,
            parameters,
            {"mask": tuple(decayed)},
            learning_rate=lr,
            b1=beta1,
            b2=beta2,
            eps=eps,
            weight_decay=weight_decay,
        )

    @offers("gradients.global_norm_clipping")
    def clip(
        self, gradients: Sequence[Tensor | None], *, max_norm: float
    ) -> tuple[Sequence[jax.Array | None], jax.Array]:
        with jax.enable_x64(self.x64):
            arrays = [None if gradient is None else to_jax(gradient) for gradient in gradients]
            transformation = optax.clip_by_global_norm(max_norm)
            clipped, _ = transformation.update(arrays, transformation.init(arrays))
            return clipped, optax.tree.norm(arrays)


class Adafactor(Base):
    """What all offers of Adafactor share: the smallest dimension that is factored."""

    smallest: ClassVar[int]

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
        del eps2  # declared: scale = none
        settings = {} if beta1 is None else {"momentum": beta1}
        static = {
            "min_dim_size_to_factor": self.smallest,
            "multiply_by_parameter_scale": False,
            "dtype_momentum": jnp.float64 if self.x64 else jnp.float32,
            "decay_offset": 0,
        }
        return self._open(
            optax.adafactor,
            parameters,
            static,
            learning_rate=lr,
            eps=eps1,
            clipping_threshold=clipping_threshold,
            decay_rate=decay_exponent,
            **settings,
        )


class Both(Optax, Adafactor):
    """With Adafactor as it factors by default: dimensions from 128 on."""

    smallest = 128

    @offers(
        "optimizers.adafactor",
        rate="external",
        scale="none",
        axes="largest_two",
        smallest="128",
        missing="refused",
    )
    def adafactor(self, parameters: Sequence[Tensor], **settings: Any) -> Optimizer:
        return self._adafactor(parameters, **settings)


class Jit(Both):
    """Compiled, with all hyper-parameters by `optax.inject_hyperparams`, which rounds them to the parameters' dtype."""

    name = "optax[jit]"
    precisions: ClassVar[Mapping[str, Precision]] = {name: Precision(flush=FLUSH[name]) for name in DEFAULT}
    stepper: ClassVar[type[Stepper]] = Compiled


class Wide(Optax):
    """Operation by operation, with 64-bit types enabled."""

    name = "optax[x64]"
    x64 = True
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
        axes="largest_two",
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
        optax.scale_by_factored_rms(
            decay_rate=decay_rate, min_dim_size_to_factor=min_dim_size_to_factor, epsilon=eps
        ),
        optax.clip_by_block_rms(clipping_threshold),
        optax.scale_by_learning_rate(learning_rate, flip_sign=False),
        optax.scale_by_param_block_rms(min_scale),
        optax.scale(-1),
    )


class ParameterScale(Base):
    """Adafactor with steps in proportion to the parameters, and matrices of any size factored."""

    name = "optax[parameter_scale]"

    @offers("optimizers.adafactor", rate="external", axes="largest_two", missing="refused")
    def adafactor(
        self,
        parameters: Sequence[Tensor],
        *,
        lr: float,
        eps1: float,
        eps2: float,
        clipping_threshold: float,
        decay_exponent: float,
        beta1: None,  # noqa: ARG002 declared: momentum = none
    ) -> Optimizer:
        return self._open(
            adafactor_with_parameter_scale,
            parameters,
            {"min_dim_size_to_factor": 1},
            learning_rate=lr,
            decay_rate=decay_exponent,
            eps=eps1,
            clipping_threshold=clipping_threshold,
            min_scale=eps2,
        )


@hookimpl
def lm_conformance_trainers() -> Iterable[Trainer]:
    yield Both()
    yield Jit()
    yield Wide()
    yield Momentum()
    yield WideMomentum()
    yield ParameterScale()
