"""What a trainer draws, and where and by what law the page draws it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from lm_reference.laws import Constant, Law
from lm_reference.rounding import FORMATS
from torch import Tensor

from lm_conformance import guard
from lm_conformance.cases.initialization import Case, Matrices
from lm_conformance.errors import TrainerError, nearest
from lm_conformance.search import derived_seed

if TYPE_CHECKING:
    from lm_reference.page import Variant

    from lm_conformance.check import Check, Target

SEEDS = 2**31 - 1  # seeds are below: every library takes them
MAY_BE_EMPTY = "biases"  # a role that a model may do without


@dataclass(frozen=True)
class Place:
    """One tensor of a model."""

    name: str
    role: str
    shape: tuple[int, ...]
    law: Law


@dataclass(frozen=True)
class Drawn:
    """A tensor that a trainer drew."""

    place: Place
    weights: Tensor = field(repr=False)
    call: tuple[int, str]  # of the trainer: tensors of one call must be independent
    skipped: int = 0  # rows in front that the declared forks exempt


def places(target: Target, case: Case, *variants: Variant) -> list[Place]:
    """Where the page, with other lines, has tensors, and their laws."""
    page = target.page.module(*target.page.sides(target.offer.forks), *variants)
    if isinstance(case, Matrices):
        named = [(f"W {fan_out} x {fan_in}", fan_out, fan_in) for fan_out, fan_in in case.fans]
        return [Place(name, name, page.shape(*fans), page.law(*fans)) for name, *fans in named]
    shapes, found = page.shapes(**case.sizes), []
    for role, law in page.laws(**case.sizes).items():
        for number, shape in enumerate(shapes[role]):
            found.append(Place(role if len(shapes[role]) == 1 else f"{role} {number}", role, shape, law))
    return found


def is_drawn(place: Place) -> bool:
    """Whether chance has a part in it."""
    return not isinstance(place.law, Constant)


def seeds(check: Check, target: Target, count: int) -> list[int]:
    """Different seeds for one row; they depend on the run's seed and the row's names alone."""
    found: list[int] = []
    for number in range(count):
        seed = derived_seed(target.seed, check.id, target.dtype, str(number)) % SEEDS
        while seed in found:
            seed = (seed + 1) % SEEDS
        found.append(seed)
    return found


def drawn(
    target: Target, case: Case, seeds: Iterable[int], *, roles: Sequence[str] = (), finite: bool = True
) -> list[Drawn]:
    """The tensors of some roles, or of all that are drawn, from a model for each seed.

    Raises:
        TrainerError: the trainer raised, or returned something else.

    """
    wanted = places(target, case)
    found = []
    for seed in seeds:
        weights = obtained(target, case, seed, finite=finite)
        for role in roles or dict.fromkeys(place.role for place in wanted if is_drawn(place)):
            own = [place for place in wanted if place.role == role]
            skipped = padding_rows(target, role)
            found += [
                Drawn(place, tensor[skipped:], (seed, role if isinstance(case, Matrices) else ""), skipped)
                for place, tensor in zip(own, weights[role], strict=True)
            ]
    return found


def padding_rows(target: Target, role: str) -> int:
    """How many rows in front are zero by declaration."""
    return int(role == "token_embedding" and target.offer.forks.get("padding") == "zero")


def obtained(target: Target, case: Case, seed: int, *, finite: bool = True) -> dict[str, list[Tensor]]:
    """The tensors that a trainer draws, role by role.

    Raises:
        TrainerError: it raised, or returned something else; with `finite`, also for an element that is not.

    """
    name, method = target.offer.method.__name__, target.offer.method
    wanted = places(target, case)
    if isinstance(case, Matrices):
        found: dict[str, list[Any]] = {
            place.role: [guard.call(name, method, *fans, seed=seed, timeout=target.timeout)]
            for place, fans in zip(wanted, case.fans, strict=True)
        }
    else:
        found = _by_role(name, guard.call(name, method, **case.sizes, seed=seed, timeout=target.timeout), wanted)
    weights = {role: [guard.as_tensor(name, tensor) for tensor in found[role]] for role in found}
    _require_places(name, weights, wanted)
    for role, tensors in weights.items():
        for tensor in tensors:
            _require_numbers(f"{name} returned {role}", tensor, finite=finite)
    return weights


def _by_role(name: str, result: Any, wanted: Sequence[Place]) -> dict[str, list[Any]]:
    roles = dict.fromkeys(place.role for place in wanted)
    if not isinstance(result, Mapping):
        kind = type(result).__name__
        raise TrainerError(f"{name} returned {kind}, but must return a dictionary from roles to lists of tensors")
    for role in result:
        if role not in roles:
            raise TrainerError(f"{name} returned the role {role!r}, which the page does not have{nearest(role, roles)}")
    for role in roles:
        if role not in result:
            raise TrainerError(f"{name} returned no {role!r}; the roles are {', '.join(roles)}")
        if not isinstance(result[role], Sequence):
            kind = type(result[role]).__name__
            raise TrainerError(f"{name} returned {kind} for {role!r}, but must return a list of tensors")
    return {role: list(result[role]) for role in roles}


def _require_places(name: str, weights: Mapping[str, Sequence[Tensor]], wanted: Sequence[Place]) -> None:
    for role, tensors in weights.items():
        own = [place for place in wanted if place.role == role]
        if not is_drawn(own[0]):
            _require_elements(name, role, tensors, own)
            continue
        if len(tensors) != len(own):
            raise TrainerError(f"{name} returned {len(tensors)} tensors for {role!r}, but must return {len(own)}")
        for place, tensor in zip(own, tensors, strict=True):
            if tuple(tensor.shape) != tuple(place.shape):
                raise TrainerError(
                    f"{name} returned {place.name!r} with the shape {tuple(tensor.shape)}, but it must have the shape "
                    f"{tuple(place.shape)}"
                )


def _require_elements(name: str, role: str, tensors: Sequence[Tensor], own: Sequence[Place]) -> None:
    """Vectors of constants may be cut and joined in any way."""
    got, expected = sum(tensor.numel() for tensor in tensors), sum(torch.Size(place.shape).numel() for place in own)
    if got != expected and not (role == MAY_BE_EMPTY and not tensors):
        raise TrainerError(
            f"{name} returned {got:,} elements for {role!r}, but the vectors of the model have {expected:,} in all"
        )


def _require_numbers(what: str, tensor: Tensor, *, finite: bool) -> None:
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in FORMATS:
        raise TrainerError(f"{what} as {dtype}, but must return one of {', '.join(FORMATS)}")
    if finite and not bool(torch.isfinite(tensor).all()):
        count = int((~torch.isfinite(tensor)).sum())
        raise TrainerError(f"{what} with {count:,} elements that are infinite or NaN")
