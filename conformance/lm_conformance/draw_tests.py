"""The tests of draws: of pools that share a law, and of the rows, columns and tensors that must be independent.

What is asked of rows, columns and tensors does not depend on their scale, so a wrong one fails where laws are asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lm_conformance import effects, probability
from lm_conformance.draws import GRID, TAILS, Sums
from lm_conformance.statistics import POWER, Finding, Stage, family

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHORT = 8  # lines that are shorter than this are often almost parallel


def support(pools: Sequence[Sums], stage: Stage) -> Finding:  # noqa: ARG001 there is no chance in it
    """Nothing lies where the law gives nothing."""
    worst = max(pools, key=lambda pool: pool.strays)
    return Finding(
        f"support of {_names(pools)}",
        sum(pool.draws for pool in pools),
        0.0 if worst.strays else 1.0,
        "one draw outside of it, surely",
        worst.name,
        f"{worst.strays:,} of {worst.draws:,} draws of {worst.name} lie outside of ±{worst.law.support[1]:.6g}, the "
        f"farthest at {worst.farthest:.6g}",
        frozenset(pool.name for pool in pools if pool.strays),
    )


def finite(tensors: Mapping[str, Tensor], stage: Stage) -> Finding:  # noqa: ARG001 there is no chance in it
    """Nothing is infinite or NaN."""
    counts = {name: int((~torch.isfinite(tensor)).sum()) for name, tensor in tensors.items()}
    worst = max(counts, key=counts.__getitem__)
    return Finding(
        "infinite and NaN elements",
        sum(tensor.numel() for tensor in tensors.values()),
        0.0 if counts[worst] else 1.0,
        "one element, surely",
        worst,
        f"{counts[worst]:,} of {tensors[worst].numel():,} elements of {worst} are infinite or NaN",
        frozenset(name for name, count in counts.items() if count),
    )


def scale(pools: Sequence[Sums], stage: Stage) -> Finding:
    """The sum of squares has the chi-square distribution."""
    worst, p = family([probability.chi_square(pool.squares, pool.draws) for pool in pools])
    effect = max(effects.scale(pool.law, pool.draws // stage.size, len(pools)) for pool in pools)
    pool = pools[worst]
    return Finding(
        f"std of {_names(pools)}",
        sum(pool.draws for pool in pools),
        p,
        _seen(f"a std that is off by {_percent(effect)}"),
        pool.name,
        f"the std of {pool.name} is {pool.std:.6g}, expected {pool.law.std:.6g}",
    )


def center(pools: Sequence[Sums], stage: Stage) -> Finding:
    """The sum has the normal distribution."""
    means = [pool.total / pool.draws for pool in pools]
    worst, p = family([probability.normal(pool.total / pool.draws**0.5) for pool in pools])
    effect = max(effects.center(pool.draws // stage.size, len(pools)) for pool in pools)
    return Finding(
        f"mean of {_names(pools)}",
        sum(pool.draws for pool in pools),
        p,
        _seen(f"a mean of {effect:.2g} std"),
        pools[worst].name,
        f"the mean of {pools[worst].name} is {means[worst]:.3g} std, expected 0",
    )


def form(pools: Sequence[Sums], stage: Stage) -> Finding:
    """The empirical distribution function is near the law's, at the points of the grid."""
    apart = [(pool.below - pool.expected) / pool.draws for pool in pools]
    ps = [probability.distance(float(np.abs(d).max()), pool.draws) for d, pool in zip(apart, pools, strict=True)]
    worst, p = family(ps)
    point = int(np.abs(apart[worst]).argmax())
    effect = max(effects.distance(pool.draws // stage.size, len(pools)) for pool in pools)
    pool = pools[worst]
    return Finding(
        f"distribution of {_names(pools)}",
        sum(pool.draws for pool in pools),
        p,
        _seen(f"distribution functions {effect:.2g} apart"),
        pool.name,
        f"of {pool.name}, {_percent(pool.below[point] / pool.draws)} lie below the quantile of "
        f"{_percent(pool.expected[point] / pool.draws)}",
    )


def tails(pools: Sequence[Sums], stage: Stage) -> Finding:
    """As many draws as expected lie farther out than two and three standard deviations of a normal law."""
    asked = [(pool, tail, *_beyond(pool, tail)) for pool in pools for tail in TAILS]
    worst, p = family([probability.binomial(count, pool.draws, rate) for pool, _, count, rate in asked])
    pool, tail, count, rate = asked[worst]
    two, three = (
        max(effects.rate(r, one.draws // stage.size, len(asked)) for one, t, _, r in asked if t == limit)
        for limit in TAILS
    )
    return Finding(
        f"tails of {_names(pools)}",
        sum(pool.draws for pool in pools),
        p,
        _seen(f"{_percent(two)} more or fewer draws beyond the quantile of 2 std, {_percent(three)} of 3 std"),
        pool.name,
        f"{count:,} of {pool.draws:,} draws of {pool.name} lie beyond the quantile of {tail:g} std, expected "
        f"{rate * pool.draws:,.0f}",
    )


def _beyond(pool: Sums, tail: float) -> tuple[int, float]:
    """How many draws lie farther out than a tail begins, and the rate that the law gives."""
    low, high = (int((GRID - edge).abs().argmin()) for edge in (-tail, tail))
    count = int(pool.below[low] + pool.draws - pool.below[high])
    return count, float(pool.expected[low] + pool.draws - pool.expected[high]) / pool.draws


@dataclass(frozen=True)
class Matrix:
    """A matrix or table, its draws carried over to the standard normal distribution."""

    name: str
    z: Tensor = field(repr=False)  # (rows, columns)
    call: Hashable = None  # of the trainer; what was drawn by different calls may be related
    skipped: int = 0  # rows that stood before the first

    def lines(self) -> Iterator[tuple[str, Tensor, int]]:
        """Rows and columns as the rows of a matrix, each with its word and the number of its first."""
        yield "row", self.z, self.skipped
        yield "column", self.z.T, 0


def largest(matrices: Sequence[Matrix], stage: Stage) -> Finding:
    """The largest share that one element has in the sum of squares of its tensor is one that chance may make."""
    shares = [float(matrix.z.abs().max() / _norm(matrix.z)) for matrix in matrices]
    counts = [matrix.z.numel() for matrix in matrices]
    ps = [min(1.0, n * probability.cosine(share, n)) for share, n in zip(shares, counts, strict=True)]
    worst, p = family(ps)
    effect = max(effects.largest(n, len(matrices) // stage.size) for n in counts)
    name, count, stds = matrices[worst].name, counts[worst], float(matrices[worst].z.abs().max())
    return Finding(
        "largest element of each tensor",
        sum(counts),
        p,
        f"one element beyond {effect:.2g} std, surely",
        name,
        f"the largest of {count:,} elements of {name} is {stds:.4g} std away from 0",
        frozenset(m.name for m, one in zip(matrices, ps, strict=True) if len(ps) * one < stage.level),
    )


def lines(matrices: Sequence[Matrix], stage: Stage) -> Finding:
    """The share of every row and every column in the sum of squares of its matrix is one that chance may make."""
    found: list[tuple[float, float, str]] = []  # p, std in units of the matrix's, where
    lengths: Counter[int] = Counter()
    for matrix in matrices:
        for word, z, first in matrix.lines():
            if len(z) > 1:
                shares = (z.square().sum(1) / _norm(z) ** 2).numpy()
                ps = probability.share(shares, z.shape[1], z.numel())
                worst = int(ps.argmin())
                std = float(shares[worst] * len(z)) ** 0.5
                found.append((float(ps[worst]), std, f"{word} {worst + first} of {matrix.name}"))
                lengths[z.shape[1]] += len(z)
    p, std, where = min(found)
    length = lengths.most_common(1)[0][0]
    effect = effects.line(length, lengths.total() // stage.size)
    return Finding(
        "every row and column",
        sum(matrix.z.numel() for matrix in matrices),
        min(1.0, lengths.total() * p),
        _seen(f"one row or column of {length} whose std is {effect:.2g} times too large"),
        where,
        f"the std of {where} is {std:.3g} times that of the whole",
        frozenset(place for one, _, place in found if lengths.total() * one < stage.level),
    )


def spread(matrices: Sequence[Matrix], stage: Stage) -> Finding:
    """The sums of squares of neighbouring rows, and of neighbouring columns, are as different as chance makes them."""
    points = np.arange(1, 32) / 32
    ps, found = [], []
    for number, word in enumerate(("rows", "columns")):
        likeness = np.concatenate([_likeness(list(matrix.lines())[number][1]) for matrix in matrices])
        apart = np.array([(likeness <= point).mean() for point in points]) - points
        worst = int(np.abs(apart).argmax())
        ps.append(probability.distance(float(abs(apart[worst])), len(likeness)))
        found.append((word, points[worst], points[worst] + apart[worst], len(likeness)))
    least, p = family(ps)
    word, expected, share, _ = found[least]
    effect = max(effects.distance(count // stage.size, len(found)) for *_, count in found)
    return Finding(
        "difference of neighbouring rows and columns",
        sum(count for *_, count in found),
        p,
        _seen(f"distribution functions {effect:.2g} apart"),
        word,
        f"{_percent(share)} of neighbouring {word} have a std as equal as {_percent(expected)} of independent ones",
        frozenset(
            f"{words} are too {'equal' if got > wanted else 'different'}"
            for one, (words, wanted, got, _) in zip(ps, found, strict=True)
            if len(ps) * one < stage.level
        ),
    )


def _likeness(z: Tensor) -> NDArray[np.float64]:
    """For each pair of neighbouring lines, how probable it is that two sums of squares are at least as equal."""
    squares = z.square().sum(1).numpy()
    one, two = squares[0 : len(squares) // 2 * 2 : 2], squares[1::2]
    whole = np.maximum(one + two, np.finfo(np.float64).tiny)
    return 1 - probability.share(one / whole, z.shape[1], 2 * z.shape[1])


def related_tensors(matrices: Sequence[Matrix], stage: Stage) -> Finding:
    """The cosine between any two tensors of a model has its distribution; the longer one is cut.

    Both are read row by row, and one of them also column by column.
    """
    found: list[tuple[float, float, str, str]] = []  # p, cosine, a tensor, its nearest relative
    lengths: Counter[int] = Counter()
    for call in dict.fromkeys(matrix.call for matrix in matrices):
        own = [matrix for matrix in matrices if matrix.call == call]
        for length in sorted({matrix.z.numel() for matrix in own}):
            long = [matrix for matrix in own if matrix.z.numel() >= length]
            shortest = torch.tensor([matrix.z.numel() == length for matrix in long])
            rows = _directions(torch.stack([matrix.z.reshape(-1)[:length] for matrix in long]))
            columns = _directions(torch.stack([matrix.z.T.reshape(-1)[:length] for matrix in long]))
            pairs = (shortest[:, None] | shortest).fill_diagonal_(False)  # of which one is of this length
            # rows with rows: each pair once; rows with columns: each pair twice
            lengths[length] += 3 * int(pairs.sum()) // 2
            for other in (rows, columns):
                cosines = torch.where(pairs, rows @ other.T, 0.0)
                for one, (r, two) in enumerate(zip(*_farthest(cosines), strict=True)):
                    found.append((probability.cosine(r, length), r, long[one].name, long[two].name))
    p, r, one_name, other_name = min(found)
    count, length = lengths.total(), lengths.most_common(1)[0][0]
    effect = effects.cosine(length, count // stage.size)
    return Finding(
        "correlation of tensors",
        sum(matrix.z.numel() for matrix in matrices),
        min(1.0, count * p),
        _seen(f"a correlation of {effect:.2g} over {length:,} elements"),
        f"{one_name} and {other_name}",
        f"the correlation of {one_name} and {other_name} is {r:.3g}, expected 0",
        frozenset(name for one_p, _, name, _ in found if count * one_p < stage.level),
    )


def _farthest(cosines: Tensor) -> tuple[list[float], list[int]]:
    """In each row the number that is farthest from 0, and its column."""
    columns = cosines.abs().argmax(1)
    return cosines.gather(1, columns[:, None])[:, 0].tolist(), columns.tolist()


def related_lines(matrices: Sequence[Matrix], stage: Stage) -> Finding:
    """The cosine between any two rows, and any two columns, of a matrix has its distribution."""
    found: list[tuple[float, float, str, str]] = []  # p, cosine, where, which matrix
    lengths: Counter[int] = Counter()
    for matrix in matrices:
        for word, z, first in matrix.lines():
            if z.shape[1] < SHORT:
                continue
            lengths[z.shape[1]] += len(z) * (len(z) - 1) // 2
            directions = _directions(z).float()
            cosines = (directions @ directions.T).fill_diagonal_(0)
            one, two = divmod(int(cosines.abs().argmax()), len(z))
            r = float(cosines[one, two])
            where = f"{word}s {one + first} and {two + first} of {matrix.name}"
            found.append((probability.cosine(r, z.shape[1]), r, where, f"{word}s of {matrix.name}"))
    p, r, where, _ = min(found)
    count, length = lengths.total(), lengths.most_common(1)[0][0]
    effect = effects.cosine(length, count // stage.size)
    return Finding(
        "correlation of rows and of columns",
        sum(matrix.z.numel() for matrix in matrices),
        min(1.0, count * p),
        _seen(f"a correlation of {effect:.2g} over {length} elements"),
        where,
        f"the correlation of {where} is {r:.3g}, expected 0",
        frozenset(member for one_p, _, _, member in found if count * one_p < stage.level),
    )


def _norm(z: Tensor) -> Tensor:
    length: Tensor = z.norm()
    return length.clamp(min=torch.finfo(z.dtype).tiny)


def _directions(vectors: Tensor) -> Tensor:
    """Each row divided by its length; zeros stay zeros."""
    lengths: Tensor = vectors.norm(dim=1, keepdim=True)
    return vectors / lengths.clamp(min=torch.finfo(vectors.dtype).tiny)


def _names(pools: Sequence[Sums]) -> str:
    first, *others = (pool.name for pool in pools)
    if len(others) > 1:
        return f"{first} and {len(others)} others"
    return " and ".join((first, *others))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _seen(effect: str) -> str:
    return f"{effect}, with power {POWER}"
