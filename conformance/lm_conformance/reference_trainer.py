"""The pages themselves as a trainer: the first that must pass, and with faults in it the proof of the checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from lm_reference.page import Variant, pages

from lm_conformance.trainer import Offer, Precision, Trainer, hookimpl

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor


class Reference(Trainer):
    """Every page in plain torch: state and arithmetic in float32 at least, parameters in their own dtype.

    `forks` chooses other sides, page by page, and declares them; `variants` puts other lines into a page and says
    nothing of it.
    """

    name = "reference"
    precisions: ClassVar[Mapping[str, Precision]] = {
        "float64": Precision(scalars="float64"),
        "float32": Precision(scalars="float64"),
        "bfloat16": Precision(compute="float32", scalars="float64"),
        "float16": Precision(compute="float32", scalars="float64"),
    }

    def __init__(self, forks: Mapping[str, Mapping[str, str]] | None = None, variants: Iterable[Variant] = ()) -> None:
        self.forks = forks or {}
        self.variants = tuple(variants)

    def offered(self) -> list[Offer]:
        """Every page."""
        return [Offer(self, page, self.forks.get(page, {}), self._method(page)) for page in pages()]

    def _method(self, page: str) -> Any:
        sides = pages()[page].sides(self.forks.get(page, {}))
        module = pages()[page].module(*sides, *(variant for variant in self.variants if variant.page == page))
        method: Any = partial(Updates, module) if page.startswith("optimizers.") else partial(clip, module)
        method.__name__ = page.split(".")[1]
        return method


def wide(tensor: Tensor) -> Tensor:
    """The tensor in the precision in which it is computed."""
    import torch

    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def clip(page: ModuleType, gradients: Sequence[Tensor | None], *, max_norm: float) -> tuple[list[Tensor | None], Any]:
    """Clipping made of a page."""
    clipped, norm = page.clip([None if g is None else wide(g) for g in gradients], max_norm=max_norm)
    return [
        g if g is None or like is None else g.to(like.dtype) for g, like in zip(clipped, gradients, strict=True)
    ], norm


class Updates:
    """An optimizer made of a page."""

    def __init__(self, page: ModuleType, parameters: Sequence[Tensor], *, lr: float | None, **settings: Any) -> None:
        self.page = page
        self.parameters = list(parameters)
        self.states = [page.init(wide(parameter)) for parameter in parameters]
        decayed = settings.pop("decayed", None)
        self.settings = [dict(settings) for _ in parameters]
        if decayed is not None:
            for own, listed in zip(self.settings, decayed, strict=True):
                own |= {"decayed": listed, "base_lr": lr}

    def step(self, gradients: Sequence[Tensor | None], *, lr: float | None) -> list[Tensor]:
        """One update of every parameter."""
        for i, gradient in enumerate(gradients):
            theta, g = self.parameters[i], None if gradient is None else wide(gradient)
            new, self.states[i] = self.page.step(wide(theta), g, self.states[i], lr=lr, **self.settings[i])
            self.parameters[i] = new.to(theta.dtype)
        return self.parameters

    def save(self) -> Any:
        """Parameters and states."""
        return self.parameters, self.states

    def load(self, saved: Any) -> None:
        """Continue from what was saved."""
        parameters, states = saved
        self.parameters = list(parameters)
        self.states = [self.page.restore(state) for state in states] if hasattr(self.page, "restore") else states

    def state(self, index: int) -> list[Tensor]:
        """The tensors of one parameter's state."""
        return [part for part in self.states[index] if hasattr(part, "numel")]


@hookimpl
def lm_conformance_trainers() -> Iterable[Trainer]:
    """The pages with their own sides of all forks."""
    yield Reference()
