"""pass@1, pass@k, cons@k and chance correction against numbers worked by hand or by counting."""

import itertools
import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.errors import DataError
from ponder.evaluation import ABSTAINED, chance_corrected, cons_at_k, pass_at_1, pass_at_k

R, W = True, False


def vote_of_draw(drawn):
    """The vote among (class, right share) pairs, ties shared: the definition, nothing clever."""
    counts = Counter(vote for vote, _ in drawn if vote != ABSTAINED)
    if not counts:
        return Fraction(0)
    top = max(counts.values())
    winners = [vote for vote, count in counts.items() if count == top]
    shares = dict(drawn)
    return sum((shares[vote] for vote in winners), Fraction(0)) / len(winners)


def cons_by_counting(votes, correct, k):
    """The mean of the vote over every subset of k samples, in exact fractions."""
    verdicts = {}
    for vote, right in zip(votes, correct, strict=True):
        verdicts.setdefault(vote, []).append(right)
    share = {vote: Fraction(sum(rights), len(rights)) for vote, rights in verdicts.items()}
    draws = list(itertools.combinations([(vote, share[vote]) for vote in votes], k))
    return sum((vote_of_draw(draw) for draw in draws), Fraction(0)) / len(draws)


def test_pass_at_1_is_the_mean_of_the_verdicts():
    assert pass_at_1([R, W, W, R, W]) == pytest.approx(0.4)
    assert pass_at_1([W]) == 0.0


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [
        (4, 1, 2, 1 / 2),  # 1 - C(3,2)/C(4,2) = 1 - 3/6
        (4, 2, 2, 5 / 6),  # 1 - C(2,2)/C(4,2) = 1 - 1/6
        (10, 3, 5, 11 / 12),  # 1 - 21/252
        (10, 3, 1, 3 / 10),
        (10, 0, 10, 0.0),
        (10, 1, 10, 1.0),
        (5, 3, 3, 1.0),  # only two wrong ones: three drawn hold a right one
        (1000, 1, 500, 1 / 2),
    ],
)
def test_pass_at_k_by_hand(n, c, k, expected):
    assert pass_at_k(n, c, k) == pytest.approx(expected, rel=1e-13)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_pass_at_k_equals_the_binomials(data):
    n = data.draw(st.integers(1, 400))
    c = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    exact = 1 - Fraction(math.comb(n - c, k), math.comb(n, k))
    assert pass_at_k(n, c, k) == pytest.approx(float(exact), rel=1e-11, abs=1e-300)


def test_pass_at_k_keeps_digits_where_the_naive_difference_loses_them():
    # C(10^6-1, 1)/C(10^6, 1) is 1 - 1e-6: 1 minus it keeps ten digits; a product of many keeps fewer.
    assert pass_at_k(1_000_000, 1, 1) == pytest.approx(1e-6, rel=1e-12)
    assert pass_at_k(1_000_000, 3, 2) == pytest.approx(
        float(1 - Fraction(math.comb(999_997, 2), math.comb(1_000_000, 2))), rel=1e-12
    )


@pytest.mark.parametrize(
    ("votes", "correct", "k", "expected"),
    [
        # All samples: the top class, ties shared.
        ([0, 0, 1], [R, R, W], 3, 1.0),
        ([0, 1, 1], [R, W, W], 3, 0.0),
        ([0, 0, 1, 1], [R, R, W, W], 4, 1 / 2),
        ([0, 1, 2], [R, W, W], 3, 1 / 3),
        ([0, 0, 1, 1, 2], [R, R, R, R, W], 5, 1.0),  # two right classes tie
        # k = 3 of {a a b c}: aab 1, aac 1, abc twice 1/3; (2 + 2/3) / 4.
        ([0, 0, 1, 2], [R, R, W, W], 3, 2 / 3),
        # k = 2: aa 1, ab 1/2 twice, ac 1/2 twice, bc 0; 3 / 6.
        ([0, 0, 1, 2], [R, R, W, W], 2, 1 / 2),
        # Abstaining: {a - - b}, k = 2: a- twice 1, ab 1/2, -- 0, -b twice 0; 2.5 / 6.
        ([0, ABSTAINED, ABSTAINED, 1], [R, W, W, W], 2, 5 / 12),
        ([0, ABSTAINED, ABSTAINED], [R, W, W], 3, 1.0),  # one vote decides
        ([ABSTAINED, ABSTAINED], [W, W], 2, 0.0),
        ([ABSTAINED, ABSTAINED], [W, W], 1, 0.0),
        # One class graded both ways counts with its mean.
        ([0, 0, 1], [R, W, W], 3, 1 / 2),
        # k = 1 is a vote of one: the share of right samples.
        ([0, 0, 1, 2, 3], [R, R, W, W, W], 1, 2 / 5),
    ],
)
def test_cons_at_k_by_hand(votes, correct, k, expected):
    assert cons_at_k(votes, correct, k) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_cons_at_k_equals_counting_every_subset(data):
    n = data.draw(st.integers(1, 8))
    votes = data.draw(st.lists(st.integers(ABSTAINED, 3), min_size=n, max_size=n))
    correct = [data.draw(st.booleans()) and vote != ABSTAINED for vote in votes]
    k = data.draw(st.integers(1, n))
    assert cons_at_k(votes, correct, k) == pytest.approx(
        float(cons_by_counting(votes, correct, k)), abs=1e-12
    )


def test_cons_at_32_of_64_equals_the_sum_over_compositions():
    sizes, right = (30, 20, 14), 0
    k, total = 32, Fraction(0)
    for drawn in itertools.product(*(range(size + 1) for size in sizes)):
        if sum(drawn) == k and drawn[right] == max(drawn):
            ways = math.prod(math.comb(size, count) for size, count in zip(sizes, drawn, strict=True))
            total += Fraction(ways, drawn.count(max(drawn)))
    votes = [vote for vote, size in enumerate(sizes) for _ in range(size)]
    exact = float(total / math.comb(64, k))
    assert 0.9 < exact < 1  # a case that is not settled beforehand
    assert cons_at_k(votes, [vote == right for vote in votes], k) == pytest.approx(exact, rel=1e-12)


def test_cons_at_512_of_1024_neither_overflows_nor_loses_digits():
    # Two classes of 540 and 484: the first wins with more than 256 of 512 draws, and ties with 256.
    ways = [math.comb(540, drawn) * math.comb(484, 512 - drawn) for drawn in range(256, 513)]
    exact = float((Fraction(ways[0], 2) + sum(ways[1:])) / math.comb(1024, 512))
    votes = [0] * 540 + [1] * 484
    assert 0.9 < exact < 0.9999
    assert cons_at_k(votes, [vote == 0 for vote in votes], 512) == pytest.approx(exact, rel=1e-10)
    assert cons_at_k(votes, [vote == 1 for vote in votes], 512) == pytest.approx(1 - exact, rel=1e-8)


def test_a_vote_of_two_is_worth_one_sample():
    # With two votes a disagreement is a tie: cons@2 = pass@1 whatever the classes are.
    votes, correct = [0, 0, 1, 2, 2, 2, 3], [R, R, W, W, W, W, W]
    assert cons_at_k(votes, correct, 2) == pytest.approx(pass_at_1(correct), rel=1e-12)


@pytest.mark.parametrize(
    ("accuracy", "chance", "expected"),
    [(0.75, 0.5, 0.5), (0.5, 0.5, 0.0), (1.0, 0.25, 1.0), (0.0, 0.5, -1.0), (0.3, 0.0, 0.3)],
)
def test_chance_correction_by_hand(accuracy, chance, expected):
    assert chance_corrected(accuracy, chance) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: pass_at_k(4, 1, 8), "needs 8 graded samples of each problem and there are 4"),
        (lambda: cons_at_k([0, 0], [R, R], 3), "cons@3 needs 3"),
        (lambda: pass_at_1([]), "at least one graded sample"),
        (lambda: pass_at_k(4, 1, 0), "k must be at least 1"),
        (lambda: pass_at_k(4, 5, 1), "5 right samples of 4"),
        (lambda: cons_at_k([0], [R, W], 1), "1 votes but 2 verdicts"),
        (lambda: cons_at_k([ABSTAINED], [R], 1), "no answer to vote with"),
        (lambda: chance_corrected(0.5, 1.0), "chance level 1.0"),
    ],
)
def test_estimators_refuse_what_is_not_there(call, says):
    with pytest.raises(DataError, match=says):
        call()
