"""How trainers with 16-bit numbers are asked, and what a failing one looks like."""

import math
from functools import cache

import pytest
import torch
from lm_conformance.check import ANY, Target, checks
from lm_conformance.evaluate import evaluate
from lm_conformance.reference_trainer import Reference
from lm_conformance.trainer import Trainer, offers
from lm_reference.page import pages

CASTS, SCALING, STATIC = "precision.float16", "precision.loss_scaling", "precision.static_loss_scaling"
MASTERS, MEMORY, REDUCTIONS = "precision.master_weights", "precision.memory", "precision.reductions"


@cache
def check_named(name):
    return next(check for check in checks() if check.id == name)


def verdict_of(check, method, **forks):
    """The verdict of a check on a trainer with one method."""

    class Mine(Trainer):
        name = "mine"

        @offers(check.rpartition("/")[0], **forks)
        def mine(self, *arguments, **settings):
            return method(*arguments, **settings)

    return evaluate(check_named(check), Target(Mine().offered()[0], ANY), seed=0)


def reference(page, **forks):
    """The page's own trainer as a method."""
    trainer = Reference(forks={page: forks})
    return next(offer.method for offer in trainer.offered() if offer.page == page)


# casts


class Torch16:
    def cast(self, values):
        return values.half()

    def add(self, one, other):
        return one + other


@pytest.mark.parametrize("check", [check.id for check in checks() if check.page == CASTS])
def test_the_casts_of_torch_pass(check):
    assert verdict_of(check, Torch16).verdict == "pass"


def test_a_truncating_cast_is_recognised():
    class Truncating(Torch16):
        def cast(self, values):
            nearest = values.half()
            toward_zero = torch.nextafter(nearest, torch.zeros_like(nearest))
            return torch.where(nearest.float().abs() > values.abs(), toward_zero, nearest)

    found = verdict_of("precision.float16/nearest", Truncating)

    assert (found.verdict, found.as_if.partition(" (")[0]) == ("fail", "truncated")
    assert "became" in found.reason


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "cast() returned None at position 0"),
        (torch.zeros(3), "cast() returned a tensor of float32 and shape (3,) at position 0"),
        ("half", "cast() returned str, which is no array"),
    ],
)
def test_what_is_no_number_of_the_format_is_an_error(result, reason):
    class Odd(Torch16):
        def cast(self, values):  # noqa: ARG002
            return result

    found = verdict_of("precision.float16/overflow", Odd)

    assert (found.verdict, found.reason[: len(reason)]) == ("error", reason)


def test_a_trainer_without_sums_is_an_error():
    class Mute:
        def cast(self, values):
            return values.half()

    found = verdict_of("precision.float16/numbers", Mute)

    assert (found.verdict, found.reason) == ("error", "mine returned Mute, which has no add()")


# loss scalers


class Scaler:
    """The page's own scaler, to be spoilt."""

    def __init__(self, **settings):
        self.inner = reference(SCALING)(**settings)

    def scale(self, loss):
        return self.inner.scale(loss)

    def step(self, gradients):
        return self.inner.step(gradients)


def test_a_scaler_that_cannot_be_saved_is_not_asked_to_resume():
    found = verdict_of(f"{SCALING}/resume", Scaler)

    assert (found.verdict, found.reason) == ("skip", "its scaler has no save() and load()")


def test_a_scaler_that_forgets_its_count_is_recognised():
    class Forgetful(Scaler):
        def save(self):
            return self.inner.save()

        def load(self, saved):
            self.inner.load(saved._replace(good=0))

    found = verdict_of(f"{SCALING}/resume", Forgetful)

    assert (found.verdict, found.as_if.partition(" (")[0]) == ("fail", "the count is not restored")


def test_the_side_of_a_fork_that_is_not_declared_is_named():
    found = verdict_of(f"{SCALING}/growth", reference(SCALING, growth="after_interval"))

    assert (found.verdict, found.as_if) == (
        "fail",
        "the fork growth = after_interval, which the trainer does not declare",
    )


SIDES = [
    {"detection": "sums"},
    {"factors": "inverse"},
    {"factors": "two"},
    {"missing": "refused"},
    {"hysteresis": "growth"},
    {"hysteresis": "spent", "growth": "after_interval", "floor": "given", "ceiling": "two_to_24"},
]


@pytest.mark.parametrize("forks", SIDES)
@pytest.mark.parametrize("check", ["any_run", "finite", "hysteresis", "above_zero", "missing", "not_infinite"])
def test_declared_sides_pass(check, forks):
    found = verdict_of(f"{SCALING}/{check}", reference(SCALING, **forks), **forks)

    assert found.verdict == "pass" or found.reason.startswith("declared:")


def test_a_trainer_that_ends_with_an_error_at_its_floor_passes():
    class Ending(Scaler):
        def step(self, gradients):
            if self.inner.state.scale <= 1.0 and not gradients[0].isfinite().all():
                raise FloatingPointError("the scale is at its floor")
            return super().step(gradients)

    assert verdict_of(f"{SCALING}/above_zero", Ending, floor="given").verdict == "pass"


def test_a_trainer_that_ends_before_its_floor_is_an_error():
    class Ending(Scaler):
        def step(self, gradients):  # noqa: ARG002
            raise FloatingPointError("an overflow")

    found = verdict_of(f"{SCALING}/above_zero", Ending, floor="given")

    assert (found.verdict, found.reason) == ("error", "step() raised FloatingPointError: an overflow")


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (3.0, "step() returned float, but must return a list of 1 tensors"),
        ([], "step() returned 0 tensors, but must return 1"),
        ([None], "step() returned None at position 0, but must return a tensor of float32 and shape (1,)"),
    ],
)
def test_what_are_no_gradients_is_an_error(result, reason):
    class Odd(Scaler):
        def step(self, gradients):  # noqa: ARG002
            return result

    found = verdict_of(f"{SCALING}/growth", Odd)

    assert (found.verdict, found.reason) == ("error", reason)


def test_a_scale_that_is_no_number_is_an_error():
    class Odd(Scaler):
        def scale(self, loss):  # noqa: ARG002
            return "65536"

    found = verdict_of(f"{SCALING}/growth", Odd)

    assert (found.verdict, found.reason) == ("error", "scale() returned str, but must return a number")


def test_to_unscale_in_place_is_an_error():
    class InPlace(Scaler):
        def step(self, gradients):
            return [g.mul_(0.5) for g in gradients]

    found = verdict_of(f"{SCALING}/growth", InPlace)

    assert (found.verdict, found.reason) == (
        "error",
        "step() changed the gradient of parameter 0, which was only lent",
    )


def test_zeros_for_a_missing_gradient_fail():
    class Filling(Scaler):
        def step(self, gradients):
            found = super().step(gradients)
            return found and [torch.zeros(2) if g is None else g for g in found]

    found = verdict_of(f"{SCALING}/missing", Filling)

    assert (found.verdict, found.reason) == ("fail", "gradient 0 of update 1 is there, expected missing")


class Static:
    def __init__(self, *, scale):
        self.constant = scale

    def scale(self, loss):
        return self.constant * loss

    def step(self, gradients):
        if any(g is not None and not g.isfinite().all() for g in gradients):
            raise OverflowError("a gradient is not finite")
        return [None if g is None else g / self.constant for g in gradients]


@pytest.mark.parametrize("check", [check.id for check in checks() if check.page == STATIC and check.name != "missing"])
def test_a_static_scaler_may_raise_if_it_says_so(check):
    assert verdict_of(check, Static, nonfinite="raised").verdict == "pass"


def test_a_static_scaler_that_says_it_raises_must_raise():
    found = verdict_of(f"{STATIC}/not_finite", reference(STATIC), nonfinite="raised")

    assert (found.verdict, found.reason) == ("fail", "declared: nonfinite = raised, but nothing was raised")


# master weights


class Masters:
    """Float32 weights and their copies as torch makes them, with Adam and a scale that stays."""

    def __init__(self, weights, *, dtype, lr, beta1, beta2, eps, initial_scale, growth_interval):  # noqa: ARG002
        self.dtype, self.constant = getattr(torch, dtype), initial_scale or 1.0
        self.weights = [weight.clone().requires_grad_() for weight in weights]
        self.adam = torch.optim.Adam(self.weights, lr=lr, betas=(beta1, beta2), eps=eps, foreach=False)

    def scale(self, loss):
        return self.constant * loss

    def step(self, gradients):
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = gradient.float() / self.constant
        if all(weight.grad.isfinite().all() for weight in self.weights):
            self.adam.step()

    def masters(self):
        return [weight.detach() for weight in self.weights]

    def copies(self):
        return [weight.to(self.dtype) for weight in self.masters()]

    def state(self):
        return [value for weight in self.weights for value in self.adam.state[weight].values()]


@pytest.mark.parametrize("check", ["start", "copies", "scales", "small_gradients", "updates", "skipped", "tensors"])
def test_float32_weights_with_copies_pass(check):
    assert verdict_of(f"{MASTERS}/{check}", Masters).verdict == "pass"


def test_weights_that_are_kept_in_16_bits_are_recognised():
    class Narrow(Masters):
        def step(self, gradients):
            super().step(gradients)
            with torch.no_grad():
                for weight in self.weights:
                    weight.copy_(weight.bfloat16())

    found = verdict_of(f"{MASTERS}/updates", Narrow, formats="bfloat16")

    assert (found.verdict, found.as_if.partition(" (")[0]) == ("fail", "masters are kept in 16 bits")


def test_copies_that_are_not_refreshed_are_recognised():
    class Stale(Masters):
        def __init__(self, weights, **settings):
            super().__init__(weights, **settings)
            self.kept = super().copies()

        def copies(self):
            return self.kept

    found = verdict_of(f"{MASTERS}/copies", Stale)

    assert (found.verdict, found.as_if.partition(" (")[0]) == ("fail", "copies are not refreshed")
    assert found.reason.startswith("after update 1 ")


def test_a_counter_that_goes_on_when_an_update_is_skipped_is_recognised():
    class Counting(Masters):
        def step(self, gradients):
            super().step(gradients)
            if not all(g.isfinite().all() for g in gradients):
                for state in filter(None, self.adam.state.values()):
                    state["step"] += 1

    found = verdict_of(f"{MASTERS}/skipped", Counting)

    assert (found.verdict, found.reason.partition(",")[0]) == ("fail", "update 2 is to be skipped")


def test_an_optimizer_of_one_format_is_asked_about_that_alone():
    class Only(Masters):
        def __init__(self, weights, *, dtype, **settings):
            assert dtype == "bfloat16"
            super().__init__(weights, dtype=dtype, **settings)

    verdicts = {
        name: verdict_of(f"{MASTERS}/{name}", Only, formats="bfloat16").verdict for name in ("start", "skipped")
    }

    assert verdicts == {"start": "pass", "skipped": "skip"}


def test_the_optimizer_has_the_forks_that_the_trainer_declares_for_adam():
    class Mine(Trainer):
        name = "mine"

        @offers("optimizers.adam", epsilon="hat")
        def adam(self, parameters, **settings):
            raise NotImplementedError

        @offers(MASTERS)
        def masters(self, weights, **settings):
            page = pages()["optimizers.adam"]
            return reference(MASTERS)(weights, **settings, adam=page.module(*page.sides({"epsilon": "hat"})))

    offer = next(offer for offer in Mine().offered() if offer.page == MASTERS)

    assert evaluate(check_named(f"{MASTERS}/updates"), Target(offer, ANY), seed=0).verdict == "pass"


def test_masters_of_another_dtype_are_an_error():
    class Wide(Masters):
        def masters(self):
            return [weight.double() for weight in super().masters()]

    found = verdict_of(f"{MASTERS}/start", Wide)

    assert (found.verdict, found.reason[:49]) == ("error", "masters() returned a tensor of float64 and shape ")


# trainers that do nothing


class Idle:
    """Scales nothing, skips nothing, updates nothing."""

    def __init__(self, weights=(), *, dtype="float32", **settings):  # noqa: ARG002
        self.weights, self.dtype = list(weights), getattr(torch, dtype)

    def scale(self, loss):
        return loss

    def step(self, gradients):
        return list(gradients)

    def masters(self):
        return self.weights

    def copies(self):
        return [torch.zeros_like(weight, dtype=self.dtype) for weight in self.weights]

    def state(self):
        return []


class Zeros:
    def cast(self, values):
        return torch.zeros_like(values, dtype=torch.float16)

    def add(self, one, other):  # noqa: ARG002
        return torch.zeros_like(one)

    def sum(self, values):  # noqa: ARG002
        return 0.0

    def norm(self, values):  # noqa: ARG002
        return 0.0


@pytest.mark.parametrize(
    ("idle", "check"),
    [
        (Zeros, f"{CASTS}/numbers"),
        (Zeros, f"{CASTS}/sums"),
        (Zeros, f"{REDUCTIONS}/sum"),
        (Zeros, f"{REDUCTIONS}/norm"),
        (Idle, f"{SCALING}/scaled_loss"),
        (Idle, f"{SCALING}/phases"),
        (Idle, f"{SCALING}/any_run"),
        (Idle, f"{MASTERS}/copies"),
        (Idle, f"{MASTERS}/updates"),
        (Idle, f"{MASTERS}/skipped"),
    ],
)
def test_a_trainer_that_does_nothing_fails(idle, check):
    assert verdict_of(check, idle).verdict == "fail"


# memory and reductions


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        (None, "mine returned NoneType, but must return a dictionary of weights, masters, gradients, moments"),
        (
            {"weights": []},
            "mine returned weights, but must return a dictionary of weights, masters, gradients, moments",
        ),
        (
            dict.fromkeys(("weights", "masters", "gradients", "moments"), 2),
            "mine returned int as weights, but must return a list of arrays",
        ),
    ],
)
def test_what_is_no_account_of_memory_is_an_error(kept, reason):
    found = verdict_of(f"{MEMORY}/weights", lambda *tensors, dtype: kept)  # noqa: ARG005

    assert (found.verdict, found.reason) == ("error", reason)


def test_moments_of_16_bits_are_recognised():
    def keep(weights, gradients, *, dtype):
        kept = reference(MEMORY)(weights, gradients, dtype=dtype)
        return {**kept, "moments": [moment.to(gradients[0].dtype) for moment in kept["moments"]]}

    found = verdict_of(f"{MEMORY}/moments", keep)

    assert (found.verdict, found.reason, found.as_if.partition(" (")[0]) == (
        "fail",
        "moments in bytes per parameter is 4, expected 8",
        "moments of 16 bits",
    )


def test_an_accumulator_of_16_bits_is_recognised():
    class Narrow:
        def sum(self, values):
            return values.cumsum(0, dtype=torch.float32) if not values.numel() else self._loop(values)

        def _loop(self, values):
            total = values[0]
            for value in values[1:]:
                total = total + value
            return total

    found = verdict_of(f"{REDUCTIONS}/sum", Narrow, formats="bfloat16")

    assert (found.verdict, found.as_if.partition(" (")[0]) == ("fail", "added up in 16 bits")


def test_a_reduction_that_is_not_there_is_not_asked_for():
    class Norms:
        def norm(self, values):
            return math.sqrt(values.double().square().sum())

    found = {name: verdict_of(f"{REDUCTIONS}/{name}", Norms) for name in ("norm", "dot")}

    assert (found["norm"].verdict, found["dot"].verdict, found["dot"].reason) == ("pass", "skip", "it has no dot()")
