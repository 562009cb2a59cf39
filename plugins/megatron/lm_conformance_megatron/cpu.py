"""Megatron Core without a GPU: its own code runs, and where it names the GPU it gets the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

import torch
from torch import distributed
from torch.overrides import TorchFunctionMode


class _Cpu(TorchFunctionMode):
    """Tensors asked for on the GPU are made on the CPU, and say that they are the GPU's."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        own = dict(kwargs or {})
        if str(own.get("device")).startswith("cuda"):
            own["device"] = "cpu"
        if func is torch.Tensor.cuda:
            return args[0]
        result = func(*args, **own)
        if func is torch.Tensor.type and isinstance(result, str):
            # Megatron compares these names with "torch.cuda.FloatTensor" and its like
            return result.replace("torch.", "torch.cuda.")
        return result


@contextmanager
def cpu() -> Iterator[None]:
    """The block in which code of Megatron Core runs on the CPU."""
    with mock.patch.object(torch.cuda, "current_device", return_value=torch.device("cpu")), _Cpu():
        yield


@cache
def world() -> distributed.ProcessGroup:
    """The group of this one process, over which Megatron Core sums norms and overflows."""
    from megatron.core import parallel_state

    if not distributed.is_initialized():
        distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    parallel_state.initialize_model_parallel()
    return parallel_state.get_model_parallel_group()
