"""The pages themselves as a trainer: the first that must pass, and with faults in it the proof of the checks.

A page becomes what `trainer.py` asks of it in the module that is named like its area.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib import import_module
from typing import Any, ClassVar

from lm_reference.page import Variant, pages

from lm_conformance.trainer import Offer, Precision, Trainer, hookimpl


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

    def _method(self, page: str) -> Callable[..., Any]:
        def method(*arguments: Any, **settings: Any) -> Any:
            return self._made(page)(*arguments, **settings)

        method.__name__ = page.split(".")[1]
        return method

    @cache  # noqa: B019 trainers live as long as the process
    def _made(self, page: str) -> Callable[..., Any]:
        """The page with its lines, as its area's module makes it; not before it is called, because pages are many."""
        sides = pages()[page].sides(self.forks.get(page, {}))
        module = pages()[page].module(*sides, *(variant for variant in self.variants if variant.page == page))
        area, name = page.split(".")
        return partial(import_module(f"lm_conformance.reference_trainer.{area}").offered(name), module)


@hookimpl
def lm_conformance_trainers() -> Iterable[Trainer]:
    """The pages with their own sides of all forks."""
    yield Reference()
