"""Trainers for what surrounds an optimizer in JAX: initializers, 16-bit numbers, loss scales of flax and jmp."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import flax
import jax
import jax.numpy as jnp
import jmp
from flax.training.dynamic_scale import DynamicScale
from jax.nn import initializers
from lm_conformance.trainer import Casts, LossScaler, Precision, Trainer, hookimpl, offers

if TYPE_CHECKING:
    from torch import Tensor

VERSION = f"{flax.__version__}, jax {jax.__version__}, jmp {jmp.__version__}"
PRECISIONS = {"float32": Precision(scalars="float32", flush=True)}  # XLA on the CPU flushes subnormal numbers


def to_jax(tensor: Tensor) -> jax.Array:
    """A tensor of torch as an array of JAX, which takes no strided memory."""
    return jnp.from_dlpack(tensor.contiguous(), copy=True)


class Numbers:
    """Casts and sums in one format."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def cast(self, values: Tensor) -> jax.Array:
        return to_jax(values).astype(self.dtype)

    def add(self, one: Tensor, other: Tensor) -> jax.Array:
        return to_jax(one) + to_jax(other)


@jax.custom_vjp
def loss_with(gradients: Any, parameters: Any) -> jax.Array:
    """A loss whose backward pass leaves given gradients, whatever it is multiplied by."""
    del gradients, parameters
    return jnp.float32(0)


def _forward(gradients: Any, parameters: Any) -> tuple[jax.Array, Any]:
    return loss_with(gradients, parameters), gradients


def _backward(gradients: Any, cotangent: Any) -> tuple[Any, Any]:
    del cotangent
    return gradients, gradients


loss_with.defvjp(_forward, _backward)


class FlaxScale:
    """`DynamicScale`, whose backward pass leaves the gradients that are handed over."""

    def __init__(self, **settings: Any) -> None:
        self.dynamic = DynamicScale(**settings)

    def scale(self, loss: Tensor) -> jax.Array:
        return self.dynamic.scale * to_jax(loss)  # the scaled loss never leaves `value_and_grad`

    def step(self, gradients: Sequence[Tensor]) -> Sequence[jax.Array] | None:
        arrays = [to_jax(gradient) for gradient in gradients]
        parameters = [jnp.zeros_like(array) for array in arrays]
        evaluate = self.dynamic.value_and_grad(loss_with, argnums=1)
        self.dynamic, finite, _, unscaled = evaluate(arrays, parameters)
        return unscaled if finite else None

    def save(self) -> Any:
        return flax.serialization.to_state_dict(self.dynamic)

    def load(self, saved: Any) -> None:
        self.dynamic = flax.serialization.from_state_dict(self.dynamic, saved)


class JmpScale:
    """A loss scale of jmp, used as its manual has it."""

    def __init__(self, loss_scale: Any) -> None:
        self.loss_scale = loss_scale

    def scale(self, loss: Tensor) -> jax.Array:
        return self.loss_scale.scale(to_jax(loss))

    def step(self, gradients: Sequence[Tensor]) -> Sequence[jax.Array] | None:
        unscaled = self.loss_scale.unscale([to_jax(gradient) for gradient in gradients])
        finite = jmp.all_finite(unscaled)
        self.loss_scale = self.loss_scale.adjust(finite)
        return unscaled if finite else None

    def save(self) -> Any:
        return jax.tree.leaves(self.loss_scale)

    def load(self, saved: Any) -> None:
        self.loss_scale = jax.tree.unflatten(jax.tree.structure(self.loss_scale), saved)


class Flax(Trainer):
    """What flax uses by default, and its loss scale."""

    name = "flax"
    version = VERSION
    precisions = PRECISIONS

    @offers("initialization.fan_in", law="corrected", orientation="in_out")
    def fan_in(self, fan_out: int, fan_in: int, *, seed: int) -> jax.Array:
        return initializers.lecun_normal()(jax.random.key(seed), (fan_in, fan_out))

    @offers("initialization.glorot", law="uniform", orientation="in_out")
    def glorot(self, fan_out: int, fan_in: int, *, seed: int) -> jax.Array:
        return initializers.glorot_uniform()(jax.random.key(seed), (fan_in, fan_out))

    @offers("precision.float16")
    def float16(self) -> Casts:
        return Numbers(jnp.float16)

    @offers("precision.bfloat16")
    def bfloat16(self) -> Casts:
        return Numbers(jnp.bfloat16)

    @offers(
        "precision.loss_scaling",
        detection="unscaled",
        growth="after_interval",
        ceiling="largest",
        floor="given",
        missing="refused",
    )
    def loss_scaling(self, *, initial_scale: float, floor: float, **settings: Any) -> LossScaler:
        return FlaxScale(scale=jnp.float32(initial_scale), minimum_scale=floor, **settings)


class Normal(Trainer):
    """The normal distribution, as it is and cut."""

    name = "flax[normal]"
    version = VERSION
    precisions = PRECISIONS

    @offers("initialization.fan_in", law="normal", orientation="in_out")
    def fan_in(self, fan_out: int, fan_in: int, *, seed: int) -> jax.Array:
        return initializers.variance_scaling(1.0, "fan_in", "normal")(jax.random.key(seed), (fan_in, fan_out))

    @offers("initialization.glorot", law="corrected", orientation="in_out")
    def glorot(self, fan_out: int, fan_in: int, *, seed: int) -> jax.Array:
        return initializers.glorot_normal()(jax.random.key(seed), (fan_in, fan_out))


class Jmp(Trainer):
    """The loss scales of jmp."""

    name = "flax[jmp]"
    version = VERSION
    precisions = PRECISIONS

    @offers("precision.loss_scaling", detection="unscaled", floor="given", factors="inverse", missing="refused")
    def loss_scaling(
        self, *, initial_scale: float, growth_factor: int, backoff_factor: float, growth_interval: int, floor: float
    ) -> LossScaler:
        del backoff_factor  # declared: factors = inverse
        scale = jmp.DynamicLossScale(
            jnp.float32(initial_scale),
            period=growth_interval,
            factor=growth_factor,
            min_loss_scale=jnp.float32(floor),
        )
        return JmpScale(scale)

    @offers("precision.static_loss_scaling", missing="refused")
    def static_loss_scaling(self, *, scale: float) -> LossScaler:
        return JmpScale(jmp.StaticLossScale(jnp.float32(scale)))


@hookimpl
def lm_conformance_trainers() -> Iterable[Trainer]:
    yield Flax()
    yield Normal()
    yield Jmp()
