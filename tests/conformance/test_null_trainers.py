"""Trainers that compute nothing fail on every page."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from lm_conformance.check import Target
from lm_conformance.evaluate import evaluate
from lm_conformance.reference_trainer import Reference
from lm_conformance.trainer import Offer
from lm_reference.page import pages

OPTIMIZERS = [page for page in pages() if page.startswith("optimizers.")]
DTYPES = ("float64", "float32", "bfloat16", "float16")
CLIPPING = "gradients.global_norm_clipping"


class Nothing:
    """An optimizer that leaves its parameters as they are."""

    def __init__(self, parameters: Sequence[Any]) -> None:
        self.parameters = parameters

    def step(self, *_: Any, **__: Any) -> Sequence[Any]:
        return self.parameters


class Zeros(Nothing):
    """An optimizer whose parameters are always zero."""

    def step(self, *_: Any, **__: Any) -> Sequence[Any]:
        return [torch.zeros_like(parameter) for parameter in self.parameters]


class Echo(Nothing):
    """An optimizer that returns its gradients."""

    def step(self, gradients: Sequence[Any], **_: Any) -> Sequence[Any]:
        return [p if g is None else g for p, g in zip(self.parameters, gradients, strict=True)]


def target(page: str, dtype: str, method: Any) -> Target:
    """A page that is offered by a null trainer, which claims the precision of the reference."""
    return Target(Offer(Reference(), page, {}, method), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("page", OPTIMIZERS)
@pytest.mark.parametrize("kind", [Nothing, Zeros, Echo])
def test_an_optimizer_that_computes_nothing_fails(check_named, page, dtype, kind):
    def method(parameters: Sequence[Any], **_: Any) -> Nothing:
        return kind(parameters)

    found = evaluate(check_named(f"{page}/updates"), target(page, dtype, method), seed=0, factor=0.3, shrink=False)

    assert found.verdict == "fail"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "clip",
    [
        lambda gradients, _: (gradients, None),
        lambda gradients, _: ([g if g is None else 0 * g for g in gradients], None),
        lambda gradients, max_norm: (gradients, max_norm),
    ],
    ids=["nothing", "zeros", "echo"],
)
def test_clipping_that_computes_nothing_fails(check_named, dtype, clip):
    def method(gradients: Sequence[Any], *, max_norm: float) -> Any:
        return clip(gradients, max_norm)

    found = evaluate(check_named(f"{CLIPPING}/long_gradients"), target(CLIPPING, dtype, method), seed=0, shrink=False)

    assert found.verdict == "fail"


def test_a_norm_that_is_the_threshold_fails(check_named):
    def method(gradients: Sequence[Any], *, max_norm: float) -> Any:
        return gradients, max_norm

    found = evaluate(check_named(f"{CLIPPING}/reported_norm"), target(CLIPPING, "float32", method), seed=0)

    assert found.verdict == "fail"
