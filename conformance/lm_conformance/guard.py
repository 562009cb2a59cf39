"""Calls of a trainer: with a time limit, and with one line for whatever goes wrong."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lm_conformance.errors import Hung, TrainerError

if TYPE_CHECKING:
    from types import FrameType

    from torch import Tensor


def call(what: str, function: Callable[..., Any], *arguments: Any, timeout: float, **keywords: Any) -> Any:
    """The result of a trainer's function.

    Raises:
        TrainerError: it raised.
        Hung: it took longer than `timeout` seconds.

    """
    try:
        with _time_limit(what, timeout):
            return function(*arguments, **keywords)
    except (KeyboardInterrupt, Hung):
        raise
    except SystemExit as error:
        raise TrainerError(f"{what} called exit({error.code!r})") from error
    except BaseException as error:  # what ends a test, such as pytest.skip, is no Exception
        raise TrainerError(f"{what} raised {type(error).__name__}: {_first_line(error)}") from error


@contextmanager
def _time_limit(what: str, seconds: float) -> Iterator[None]:
    """Interrupt the block after some seconds. Works in the main thread, and between Python's own operations."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 the signature of a signal handler
        raise Hung(f"{what} took longer than {seconds:g} seconds")

    start, before = time.monotonic(), signal.signal(signal.SIGALRM, stop)
    outer, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if outer:  # the time limit of somebody else, such as pytest-timeout's, goes on
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - start), 1e-6))


def _first_line(error: BaseException) -> str:
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 an error that cannot be printed is still an error
        lines = []
    return lines[0][:300] if lines else "no message"


def tensors(what: str, results: Any, like: list[Tensor | None]) -> list[Tensor | None]:
    """The results of a trainer as CPU tensors of the shapes and dtypes of `like`; None where `like` has None.

    Raises:
        TrainerError: they are not that.

    """
    found = listed(what, results, len(like))
    return [_tensor(what, i, result, model) for i, (result, model) in enumerate(zip(found, like, strict=True))]


def listed(what: str, results: Any, count: int) -> list[Any]:
    """The results of a trainer as a list of `count` things.

    Raises:
        TrainerError: they are not that.

    """
    try:
        found = list(results)
    except Exception as error:
        kind = type(results).__name__
        raise TrainerError(f"{what} returned {kind}, but must return a list of {count} tensors") from error
    if len(found) != count:
        raise TrainerError(f"{what} returned {len(found)} tensors, but must return {count}")
    return found


def _tensor(what: str, index: int, result: Any, like: Tensor | None) -> Tensor | None:
    if like is None or result is None:
        if result is like:
            return None
        got, wanted = (type(result).__name__, "None") if like is None else ("None", f"a tensor of {_kind(like)}")
        raise TrainerError(f"{what} returned {got} at position {index}, but must return {wanted}")
    tensor = as_tensor(what, result)
    if tensor.shape != like.shape or tensor.dtype != like.dtype:
        raise TrainerError(
            f"{what} returned a tensor of {_kind(tensor)} at position {index}, but must return one of {_kind(like)}"
        )
    return tensor


def as_tensor(what: str, result: Any) -> Tensor:
    """Any array as a CPU tensor.

    Raises:
        TrainerError: torch and NumPy cannot read it.

    """
    import numpy as np
    import torch

    try:
        if isinstance(result, torch.Tensor):
            return result.detach().cpu()
        if hasattr(result, "__dlpack__") and not isinstance(result, np.ndarray):
            return torch.utils.dlpack.from_dlpack(result).cpu()
        return torch.from_numpy(np.array(result))
    except Exception as error:
        kind = type(result).__name__
        raise TrainerError(f"{what} returned {kind}, which is no array: {_first_line(error)}") from error


def number(what: str, result: Any) -> float:
    """Any number as a float.

    Raises:
        TrainerError: it is none.

    """
    if result is not None and not isinstance(result, (str, bytes, bool)):
        try:
            return float(result)
        except Exception:  # noqa: BLE001, S110 whatever a foreign type raises, it is no number
            pass
    raise TrainerError(f"{what} returned {type(result).__name__}, but must return a number")


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} and shape {tuple(tensor.shape)}"


def unchanged(what: str, lent: list[Tensor | None], originals: list[Tensor | None]) -> None:
    """Nothing, if the tensors that were lent to a trainer are as they were.

    Raises:
        TrainerError: one of them is not.

    """
    import torch

    for i, (now, before) in enumerate(zip(lent, originals, strict=True)):
        if now is None or before is None or torch.equal(now, before):
            continue
        if now.shape == before.shape and bool(torch.isclose(now, before, rtol=0, atol=0, equal_nan=True).all()):
            continue
        raise TrainerError(f"{what} changed the gradient of parameter {i}, which was only lent")
