"""Calls of trainers: time limits, what counts as a result, and what was only lent."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from lm_conformance import guard
from lm_conformance.errors import Hung, TrainerError

LIKE = [torch.zeros(2, 3)]


@dataclass
class Foreign:
    """An array of another library, which torch can only take by DLPack."""

    tensor: torch.Tensor

    def __dlpack__(self, **settings: Any) -> Any:
        return self.tensor.__dlpack__(**settings)

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()


@dataclass
class Convertible:
    """An array of another library, which NumPy can take."""

    array: Any

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array


def read_only() -> Any:
    """An array that must not be changed."""
    array = np.ones((2, 3), np.float32)
    array.setflags(write=False)
    return array


@pytest.mark.parametrize(
    "result",
    [
        torch.ones(2, 3),
        torch.ones(2, 3, requires_grad=True),
        torch.ones(3, 2).t(),
        Foreign(torch.ones(2, 3)),
        np.ones((2, 3), np.float32),
        np.ones((3, 2), np.float32)[::-1].T,
        read_only(),
        Convertible(np.ones((2, 3), np.float32)),
    ],
    ids=["tensor", "with gradient", "transposed", "DLPack", "NumPy", "reversed", "read only", "convertible"],
)
def test_any_array_is_a_result(result):
    (found,) = guard.tensors("step()", [result], LIKE)

    assert torch.equal(found, torch.ones(2, 3))
    assert not found.requires_grad


def test_bfloat16_is_taken_by_dlpack():
    (found,) = guard.tensors("step()", [Foreign(torch.ones(2, dtype=torch.bfloat16))], [torch.zeros(2).bfloat16()])

    assert found.dtype == torch.bfloat16


@pytest.mark.parametrize("results", [(torch.ones(2, 3),), iter([torch.ones(2, 3)]), torch.ones(1, 2, 3)])
def test_results_may_be_any_sequence(results):
    (found,) = guard.tensors("step()", results, LIKE)

    assert torch.equal(found, torch.ones(2, 3))


def test_a_missing_tensor_is_a_result_where_none_is_expected():
    assert guard.tensors("clip", [None], [None]) == [None]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            np.ones((2, 3)),
            "step() returned a tensor of float64 and shape (2, 3) at position 0, but must return one of ",
        ),
        (np.ones(6, np.float32), "step() returned a tensor of float32 and shape (6,) at position 0, but must return "),
        ([[1, 2, 3], [4, 5, 6]], "step() returned a tensor of int64 and shape (2, 3) at position 0, but must return "),
        ("123456", "step() returned str, which is no array: "),
        ({"a": 1}, "step() returned dict, which is no array: "),
        ([[1], [2, 3]], "step() returned list, which is no array: "),
        (object(), "step() returned object, which is no array: "),
        (None, "step() returned None at position 0, but must return a tensor of float32 and shape (2, 3)"),
    ],
)
def test_anything_else_is_refused_in_one_line(result, words):
    with pytest.raises(TrainerError) as error:
        guard.tensors("step()", [result], LIKE)

    assert str(error.value).startswith(words)
    assert "\n" not in str(error.value)


def test_a_tensor_where_none_is_expected_is_refused():
    with pytest.raises(TrainerError, match="clip returned Tensor at position 0, but must return None"):
        guard.tensors("clip", [torch.ones(2)], [None])


@pytest.mark.parametrize("number", [3, 3.0, np.float32(3), np.array(3.0), torch.tensor(3.0), torch.tensor([3.0])])
def test_any_number_is_a_number(number):
    assert guard.number("clip", number) == 3.0


@pytest.mark.parametrize("number", ["3", b"3", True, None, [3.0], torch.ones(2), 3j, object()])
def test_anything_else_is_no_number(number):
    with pytest.raises(TrainerError, match=f"clip returned {type(number).__name__}, but must return a number"):
        guard.number("clip", number)


def test_a_call_gives_the_result_with_arguments_and_keywords():
    assert guard.call("dict", dict, [("a", 1)], timeout=10, b=2) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("one\ntwo"), "step() raised ValueError: one"),
        (KeyError(), "step() raised KeyError: no message"),
        (SystemExit(3), "step() called exit(3)"),
        (GeneratorExit(), "step() raised GeneratorExit: no message"),
        (RecursionError("x" * 1000), f"step() raised RecursionError: {'x' * 300}"),
    ],
)
def test_whatever_a_trainer_raises_is_its_error_in_one_line(error, words):
    def fail() -> None:
        raise error

    with pytest.raises(TrainerError) as found:
        guard.call("step()", fail, timeout=10)
    assert str(found.value) == words


def test_an_interruption_is_the_users_and_no_error_of_the_trainer():
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guard.call("step()", interrupt, timeout=10)


def test_a_call_that_takes_too_long_is_interrupted():
    with pytest.raises(Hung, match=r"step\(\) took longer than 0\.05 seconds"):
        guard.call("step()", time.sleep, 60, timeout=0.05)


@pytest.fixture
def outer_limit() -> Iterator[Callable[[float], None]]:
    """Sets a time limit around the calls, and puts back the one that was there."""
    before, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, before)


def test_a_time_limit_ends_with_its_call(outer_limit):
    outer_limit(0)
    before = signal.getsignal(signal.SIGALRM)

    guard.call("step()", int, timeout=60)

    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


@pytest.mark.parametrize(
    "call", [lambda: guard.call("step()", int, timeout=60), lambda: guard.call("", exit, timeout=60)]
)
def test_a_time_limit_around_the_call_goes_on(outer_limit, call):
    outer_limit(5000)

    with suppress(TrainerError):
        call()

    assert 60 < signal.getitimer(signal.ITIMER_REAL)[0] < 5000


def test_gradients_that_keep_their_numbers_are_unchanged():
    lent = [torch.tensor([1.0, float("nan"), float("inf")]), None]

    assert guard.unchanged("step()", lent, [lent[0].clone(), None]) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g.add_(1),
        lambda g: g.resize_(0),
        lambda g: g[0].fill_(float("nan")),
        lambda g: g.mul_(1 + 2**-20),
    ],
    ids=["added to", "resized", "one NaN", "in the last bits"],
)
def test_a_gradient_that_is_changed_is_an_error(change):
    fine, changed = torch.ones(2), torch.ones(3)
    change(changed)

    with pytest.raises(TrainerError, match=r"step\(\) changed the gradient of parameter 1, which was only lent"):
        guard.unchanged("step()", [fine, changed], [torch.ones(2), torch.ones(3)])
