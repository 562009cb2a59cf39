"""Pages of gradients as functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lm_conformance.reference_trainer.optimizers import wide

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor


def offered(page: str) -> Callable[..., Any]:  # noqa: ARG001 there is one page
    """What makes of the page's module the function that clips."""
    return clip


def clip(page: ModuleType, gradients: Sequence[Tensor | None], *, max_norm: float) -> tuple[list[Tensor | None], Any]:
    """Clipping made of a page."""
    clipped, norm = page.clip([None if g is None else wide(g) for g in gradients], max_norm=max_norm)
    return [
        g if g is None or like is None else g.to(like.dtype) for g, like in zip(clipped, gradients, strict=True)
    ], norm
