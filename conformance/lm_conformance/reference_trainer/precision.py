"""Pages of mixed precision as casts, loss scalers, and an optimizer that keeps its weights twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from lm_reference.page import pages
from torch import Tensor

if TYPE_CHECKING:
    from types import ModuleType


def offered(page: str) -> Callable[..., Any]:
    """What makes of a page's module what `trainer.py` asks for."""
    makers: dict[str, Callable[..., Any]] = {
        "float16": partial(Casts, dtype=torch.float16),
        "bfloat16": partial(Casts, dtype=torch.bfloat16),
        "loss_scaling": Scaler,
        "static_loss_scaling": StaticScaler,
        "master_weights": MixedPrecision,
        "memory": memory,
        "reductions": Reductions,
    }
    return makers[page]


class Casts:
    """A format made of a page."""

    def __init__(self, page: ModuleType, *, dtype: torch.dtype) -> None:
        self.page = page
        self.dtype = dtype

    def cast(self, values: Tensor) -> Tensor:
        """The page's numbers."""
        return self.page.cast(values.double()).to(self.dtype)  # type: ignore[no-any-return]

    def add(self, one: Tensor, other: Tensor) -> Tensor:
        """The page's sums."""
        return self.page.add(one.double(), other.double()).to(self.dtype)  # type: ignore[no-any-return]


class Scaler:
    """A dynamic loss scaler made of a page."""

    def __init__(
        self, page: ModuleType, *, initial_scale: float, hysteresis: int = 1, floor: float = 0.0, **settings: Any
    ) -> None:
        self.page = page
        self.settings = {"hysteresis": hysteresis, "floor": floor, **settings}
        self.state = page.init(initial_scale, hysteresis=hysteresis)

    def scale(self, loss: Tensor) -> Tensor:
        """The page's loss."""
        return self.page.scaled(loss, self.state.scale)  # type: ignore[no-any-return]

    def step(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None] | None:
        """The page's gradients."""
        found, self.state = self.page.step(gradients, self.state, **self.settings)
        return found  # type: ignore[no-any-return]

    def save(self) -> Any:
        """The state."""
        return self.state

    def load(self, saved: Any) -> None:
        """Continue from what was saved."""
        self.state = self.page.restore(saved)


class StaticScaler:
    """A static loss scaler made of a page."""

    def __init__(self, page: ModuleType, *, scale: float) -> None:
        self.page = page
        self.constant = page.init(scale)

    def scale(self, loss: Tensor) -> Tensor:
        """The page's loss."""
        return self.page.scaled(loss, self.constant)  # type: ignore[no-any-return]

    def step(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None] | None:
        """The page's gradients."""
        found, self.constant = self.page.step(gradients, self.constant)
        return found  # type: ignore[no-any-return]


class MixedPrecision:
    """An optimizer with master weights, made of their page, of Adam's, of the format's and of the loss scaler's."""

    def __init__(
        self,
        page: ModuleType,
        weights: Sequence[Tensor],
        *,
        dtype: str,
        initial_scale: float | None,
        growth_interval: int | None,
        adam: ModuleType | None = None,
        **settings: float,
    ) -> None:
        self.page, self.adam = page, adam or pages()["optimizers.adam"].module()
        self.dtype, self.format = getattr(torch, dtype), pages()[f"precision.{dtype}"].module()
        self.settings = settings
        self.scaler: Scaler | None = None
        if initial_scale is not None:
            self.scaler = Scaler(
                pages()["precision.loss_scaling"].module(),
                initial_scale=initial_scale,
                growth_factor=2.0,
                backoff_factor=0.5,
                growth_interval=growth_interval,
            )
        self.kept = page.init(list(weights), rounded=self._rounded, start=self.adam.init)

    def _rounded(self, tensor: Tensor) -> Tensor:
        return self.format.cast(tensor.double()).to(tensor.dtype)  # type: ignore[no-any-return]

    def _update(self, theta: Tensor, gradient: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.adam.step(theta, gradient, state, **self.settings)  # type: ignore[no-any-return]

    def scale(self, loss: Tensor) -> Tensor:
        """The scaler's loss."""
        return loss if self.scaler is None else self.scaler.scale(loss)

    def step(self, gradients: Sequence[Tensor]) -> None:
        """The page's update."""
        scale, skipped = 1.0, False
        if self.scaler is not None:
            scale = float(self.scaler.state.scale)
            skipped = self.scaler.step([g.float() for g in gradients]) is None
        self.kept = self.page.step(
            list(gradients), self.kept, skipped=skipped, scale=scale, rounded=self._rounded, update=self._update
        )

    def masters(self) -> list[Tensor]:
        """The page's masters."""
        return list(self.kept.masters)

    def copies(self) -> list[Tensor]:
        """The page's copies."""
        return [copy.to(self.dtype) for copy in self.kept.copies]

    def state(self) -> list[Any]:
        """The parts of Adam's state, weight by weight."""
        return [part for moments in self.kept.moments for part in moments]

    def save(self) -> Any:
        """Everything."""
        return self.kept, None if self.scaler is None else self.scaler.save()

    def load(self, saved: Any) -> None:
        """Continue from what was saved."""
        kept, scaler = saved
        self.kept = self.page.restore(kept)
        if self.scaler is not None:
            self.scaler.load(scaler)


class Reductions:
    """Sums of 16-bit numbers, made of a page."""

    def __init__(self, page: ModuleType) -> None:
        self.page = page

    def sum(self, values: Tensor) -> Tensor:
        """The page's sum."""
        return self.page.total(values.float(), rounded=_rounding(values))  # type: ignore[no-any-return]

    def dot(self, one: Tensor, other: Tensor) -> Tensor:
        """The page's dot product."""
        return self.page.dot(one.float(), other.float(), rounded=_rounding(one))  # type: ignore[no-any-return]

    def norm(self, values: Tensor) -> Tensor:
        """The page's norm."""
        return self.page.norm(values.float(), rounded=_rounding(values))  # type: ignore[no-any-return]


def _rounding(like: Tensor) -> Callable[[Tensor], Tensor]:
    """Rounding to the format of a tensor, with results in float32."""
    page = pages()[f"precision.{str(like.dtype).removeprefix('torch.')}"].module()
    return lambda tensor: page.cast(tensor.double()).float()


def memory(
    page: ModuleType,
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],  # noqa: ARG001 sizes do not depend on them
    *,
    dtype: str,
) -> dict[str, list[Tensor]]:
    """Arrays of the sizes that the page states."""
    sizes = page.parameter(getattr(torch, dtype).itemsize)
    narrow = torch.bfloat16 if dtype == "float32" else getattr(torch, dtype)
    return {
        name: [tensor for like in weights for tensor in _arrays(like, size, narrow)] for name, size in sizes.items()
    }


def _arrays(like: Tensor, size: int, narrow: torch.dtype) -> list[Tensor]:
    """As many float32 arrays as fit, and a narrow one of the rest."""
    wide = [torch.zeros_like(like) for _ in range(size // 4)]
    return [*wide, torch.zeros_like(like, dtype=narrow)] if size % 4 else wide
