"""What both trainers share: how they compute, and parameters that have the gradients of a case."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import lightning
import torch
from lm_conformance.cases.tensors import copy
from lm_conformance.trainer import Precision, Trainer
from torch import Tensor

DTYPES = ("float64", "float32", "bfloat16", "float16")


class Lightning(Trainer):
    """Each operation is torch's, rounded to the dtype of the parameters."""

    version = lightning.__version__
    precisions: ClassVar[Mapping[str, Precision]] = {dtype: Precision(scalars="float64") for dtype in DTYPES}


def with_gradients(gradients: Sequence[Tensor | None]) -> list[torch.nn.Parameter]:
    """Parameters that have copies of these gradients, or none."""
    parameters = []
    for gradient in gradients:
        parameter = torch.nn.Parameter(torch.zeros(()) if gradient is None else torch.zeros_like(gradient))
        parameter.grad = None if gradient is None else copy(gradient)
        parameters.append(parameter)
    return parameters


class Counted(torch.optim.SGD):
    """Descent at the rate zero, which knows whether it was made."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        super().__init__(parameters, lr=0.0)
        self.made = False
        self.register_step_post_hook(self._note)

    def _note(self, *_: Any) -> None:
        self.made = True


def packed(state: Any) -> bytes:
    """A state as a file holds it."""
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def unpacked(saved: bytes) -> Any:
    """The state that a file holds."""
    return torch.load(io.BytesIO(saved), weights_only=True)
