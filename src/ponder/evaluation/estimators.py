"""Estimates for one problem from n graded samples: pass@1, pass@k, cons@k.

All three are unbiased: the expectation over every way to draw k of the n samples without replacement.
All refuse with a `DataError` when the samples they need are not there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ponder.errors import DataError

ABSTAINED = -1
"""The vote of a sample in which no answer was found."""


def pass_at_1(correct: Sequence[bool]) -> float:
    """Mean of the verdicts of one problem's samples (R1, 3: pass@1 = mean of p_i).

    Raises DataError for no samples.
    """
    if not correct:
        raise DataError("pass@1 needs at least one graded sample of the problem; there is none")
    return fmean(correct)


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Probability that at least one of k samples drawn from the n is right: 1 - C(n-c, k) / C(n, k).

    Chen et al. 2021, equation 1, as the product of 1 - k/i for i = n-c+1 .. n, which neither
    overflows nor cancels. Raises DataError unless 1 <= k <= n and 0 <= c <= n.
    """
    _require_samples("pass", num_samples, k)
    if not 0 <= num_correct <= num_samples:
        raise DataError(
            f"pass@{k}: {num_correct} right samples of {num_samples}; allowed: 0 to {num_samples}"
        )
    if num_samples - num_correct < k:
        return 1.0
    missing = math.fsum(math.log1p(-k / i) for i in range(num_samples - num_correct + 1, num_samples + 1))
    return 0.0 - math.expm1(missing)


def cons_at_k(votes: Sequence[int], correct: Sequence[bool], k: int) -> float:
    """Expected correctness of the answer most of k samples agree on, over every draw of k of the n.

    `votes` holds the class of equivalent answers of each sample (`voting.vote_classes`), `ABSTAINED`
    where there is none: an abstaining sample is drawn like any other but votes for nothing, and a
    draw in which all abstain is wrong. Classes that tie share the vote: m classes at the top, r of
    them right, give r / m. A class whose members were graded differently counts with their mean.

    Exact for every k, see `_expected_vote`. Raises DataError unless 1 <= k <= n, and when
    a sample that abstained was graded right (there is nothing to vote on).
    """
    if len(votes) != len(correct):
        raise DataError(
            f"cons@{k}: {len(votes)} votes but {len(correct)} verdicts; give one of each per sample"
        )
    _require_samples("cons", len(votes), k)
    if any(right and vote == ABSTAINED for vote, right in zip(votes, correct, strict=True)):
        raise DataError(
            f"cons@{k}: a sample graded right has no answer to vote with; its grader must extract one"
        )
    members: dict[int, list[bool]] = {}
    for vote, right in zip(votes, correct, strict=True):
        if vote != ABSTAINED:
            members.setdefault(vote, []).append(right)
    classes = sorted((len(verdicts), fmean(verdicts)) for verdicts in members.values())
    return _expected_vote(tuple(classes), len(votes), k)


def chance_corrected(accuracy: float, chance: float) -> float:
    """(accuracy - chance) / (1 - chance): 0 at the level of guessing, 1 when all is right.

    Raises DataError unless 0 <= chance < 1.
    """
    if not 0 <= chance < 1:
        raise DataError(f"chance level {chance}; allowed: at least 0 and below 1")
    return (accuracy - chance) / (1 - chance)


def _require_samples(name: str, num_samples: int, k: int) -> None:
    if k < 1:
        raise DataError(f"{name}@{k}: k must be at least 1")
    if num_samples < k:
        raise DataError(
            f"{name}@{k} needs {k} graded samples of each problem and there are {num_samples}; "
            f"sample more (--samples {k}) or ask for k <= {num_samples}"
        )


@lru_cache(maxsize=65_536)
def _expected_vote(classes: tuple[tuple[int, float], ...], num_samples: int, k: int) -> float:
    """`cons_at_k` for classes given as (members, share of right ones); the other samples abstain.

    The counts of a draw without replacement (multivariate hypergeometric) are independent binomials
    with p = k/n given that they add up to k. So no compositions are enumerated: for each class j and
    each count a it may win with, a table over (samples drawn so far, classes that tie at a) takes in
    the other classes one by one, none with more than a. Every term is positive: nothing cancels, and
    the cost is polynomial, at most O(k^2 n) additions of rows per right class.
    """
    if not classes:
        return 0.0
    if k == num_samples:
        top = max(count for count, _ in classes)
        return fmean(share for count, share in classes if count == top)
    frac = k / num_samples
    drawn = [_binomial(count, frac, k) for count, _ in classes]
    abstained = _binomial(num_samples - sum(count for count, _ in classes), frac, k)
    total = 0.0
    for j, (_, share) in enumerate(classes):
        if share == 0:
            continue
        others = drawn[:j] + drawn[j + 1 :]
        for wins in range(1, len(drawn[j])):
            total += share * float(drawn[j][wins]) * _vote_share(others, abstained, wins, k - wins)
    return min(1.0, total / float(_binomial(num_samples, frac, k)[k]))


def _vote_share(
    others: list[NDArray[np.float64]], abstained: NDArray[np.float64], wins: int, rest: int
) -> float:
    """Sum over the draws of the `rest` samples in which no other class has more than `wins`, of
    probability x share of the vote, 1 / (1 + classes that tie)."""
    most_ties = min(rest // wins, len(others))
    table = np.zeros((rest + 1, most_ties + 1))
    table[: min(len(abstained), rest + 1), 0] = abstained[: rest + 1]
    for counts in others:
        taken = np.zeros_like(table)
        for count in range(min(wins, len(counts), rest + 1)):
            taken[count:] += counts[count] * table[: rest + 1 - count]
        if wins < len(counts) and wins <= rest:
            taken[wins:, 1:] += counts[wins] * table[: rest + 1 - wins, :-1]
        table = taken
    return float(np.sum(table[rest] / np.arange(1, most_ties + 2)))


def _binomial(count: int, frac: float, most: int) -> NDArray[np.float64]:
    """Probabilities of 0 .. min(count, most) successes in `count` trials; 0 < frac < 1."""
    log_frac, log_rest = math.log(frac), math.log1p(-frac)
    return np.array(
        [
            math.exp(
                math.lgamma(count + 1)
                - math.lgamma(i + 1)
                - math.lgamma(count - i + 1)
                + i * log_frac
                + (count - i) * log_rest
            )
            for i in range(min(count, most) + 1)
        ]
    )
