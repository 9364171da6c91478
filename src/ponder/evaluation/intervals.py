"""95% intervals by bootstrap over problems.

Problems are the unit: the samples of one problem are not independent of each other, so they are
averaged first and problems are drawn. Differences are paired: one draw serves both sides.

Legend: P problems, R resamples, U distinct values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ponder.errors import DataError

NUM_RESAMPLES = 10_000
LEVEL = 0.95

_MOST_DISTINCT = 64
"""Up to so many distinct values, drawing how often each occurs is faster than drawing problems."""
_CHUNK = 4_000_000
"""Indices drawn at once, so that memory stays below 64 MB whatever P is."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems with its interval."""

    value: float
    low: float
    high: float
    num_problems: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0

    def rescaled(self, scale: float, offset: float) -> Estimate:
        """The estimate of scale * x + offset, for scale > 0."""
        return Estimate(
            self.value * scale + offset,
            self.low * scale + offset,
            self.high * scale + offset,
            self.num_problems,
        )


def bootstrap_mean(
    values_P: Sequence[float] | NDArray[np.float64],
    *,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """The mean over problems with its percentile bootstrap interval. Equal seeds give equal intervals.

    When all values are equal the interval has no width: the data cannot show how they would vary.
    Raises DataError for no values, or values that are not finite.
    """
    return bootstrap_strata([values_P], level=level, num_resamples=num_resamples, seed=seed)


def bootstrap_difference(
    after_P: Sequence[float] | NDArray[np.float64],
    before_P: Sequence[float] | NDArray[np.float64],
    *,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """The mean of after - before with its interval, paired: entry i of both is the same problem.

    Raises DataError when the lengths differ.
    """
    after, before = np.asarray(after_P, np.float64), np.asarray(before_P, np.float64)
    if after.shape != before.shape:
        raise DataError(
            f"a paired difference needs the same problems on both sides; got {after.size} and {before.size}"
        )
    return bootstrap_mean(after - before, level=level, num_resamples=num_resamples, seed=seed)


def bootstrap_strata(
    strata: Sequence[Sequence[float] | NDArray[np.float64]],
    *,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """The mean of the strata's means, each stratum weighing the same, with its interval.

    Problems are drawn within their stratum (task and language), so a large one does not drown the
    others. Raises DataError for no strata, an empty one, or values that are not finite.
    """
    if not strata:
        raise DataError("a bootstrap needs at least one problem; there is none")
    if not 0 < level < 1:
        raise DataError(f"interval level {level}; allowed: between 0 and 1")
    rng = np.random.default_rng(seed)
    means_R = np.zeros(num_resamples)
    value, num_problems = 0.0, 0
    for stratum in strata:
        values_P = np.asarray(stratum, np.float64)
        if values_P.size == 0:
            raise DataError("a bootstrap needs at least one problem; there is none")
        if not np.isfinite(values_P).all():
            raise DataError("a bootstrap needs finite values; leave out problems without one and count them")
        means_R += _resampled_means(values_P, num_resamples, rng) / len(strata)
        value += float(values_P.mean()) / len(strata)
        num_problems += values_P.size
    low, high = np.quantile(means_R, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), num_problems)


def _resampled_means(
    values_P: NDArray[np.float64], num_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Means of `num_resamples` draws of P values with replacement.

    Draws of few distinct values (shares of k samples) are equal in distribution to multinomial
    counts of the values, which costs R x U instead of R x P.
    """
    num_problems = values_P.size
    values_U, counts_U = np.unique(values_P, return_counts=True)
    if values_U.size <= _MOST_DISTINCT:
        counts_RU = rng.multinomial(num_problems, counts_U / num_problems, size=num_resamples)
        means: NDArray[np.float64] = counts_RU @ values_U / num_problems
        return means
    rows = max(1, _CHUNK // num_problems)
    chunks = []
    for start in range(0, num_resamples, rows):
        indices = rng.integers(
            0, num_problems, (min(rows, num_resamples - start), num_problems), dtype=np.int32
        )
        chunks.append(values_P[indices].mean(axis=1))
    return np.concatenate(chunks)
