"""Bootstrap intervals against the normal theory, the definition, and their promised coverage."""

import numpy as np
import pytest

from ponder.errors import DataError
from ponder.evaluation import bootstrap_difference, bootstrap_mean, bootstrap_strata


def test_interval_has_the_width_of_the_normal_theory():
    # 400 problems at 0 or 1, half each: standard error 0.5 / 20 = 0.025, 1.96 of them are 0.049.
    estimate = bootstrap_mean([0.0, 1.0] * 200)
    assert estimate.value == 0.5
    assert estimate.num_problems == 400
    assert estimate.low == pytest.approx(0.451, abs=0.003)
    assert estimate.high == pytest.approx(0.549, abs=0.003)
    wide = bootstrap_mean([0.0, 1.0] * 200, level=0.99)
    assert wide.high - 0.5 == pytest.approx(2.576 * 0.025, abs=0.004)


def test_both_ways_of_drawing_give_the_same_interval():
    rng = np.random.default_rng(5)
    few = rng.integers(0, 5, 600) / 4
    many = few + rng.normal(0, 1e-9, 600)  # all distinct: problems are drawn one by one
    assert np.unique(few).size <= 64 < np.unique(many).size
    by_counts, by_problems = bootstrap_mean(few), bootstrap_mean(many)
    assert by_counts.low == pytest.approx(by_problems.low, abs=2e-3)
    assert by_counts.high == pytest.approx(by_problems.high, abs=2e-3)


def test_equal_seeds_give_equal_intervals_and_others_do_not():
    values = np.random.default_rng(0).random(50)
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_ninety_five_intervals_in_a_hundred_hold_the_truth():
    # Problems of pass rates Beta(2, 3), mean 0.4, four samples each: what an evaluation sees.
    rng = np.random.default_rng(11)
    held = 0
    for trial in range(600):
        rates = rng.beta(2, 3, 120)
        estimate = bootstrap_mean(rng.binomial(4, rates) / 4, num_resamples=2000, seed=trial)
        held += estimate.low <= 0.4 <= estimate.high
    assert 0.925 <= held / 600 <= 0.97  # 0.95 within three standard errors, less the bootstrap's own bias


def test_a_paired_difference_is_sharper_than_two_intervals():
    rng = np.random.default_rng(2)
    before = rng.random(200)
    after = before + 0.03 + rng.normal(0, 0.02, 200)
    paired = bootstrap_difference(after, before)
    assert paired.value == pytest.approx(float((after - before).mean()))
    assert paired.excludes_zero
    alone = bootstrap_mean(after)
    assert paired.high - paired.low < (alone.high - alone.low) / 5
    assert not bootstrap_difference(before, before).excludes_zero


def test_strata_weigh_the_same_whatever_their_size():
    estimate = bootstrap_strata([[1.0, 0.0], [0.25] * 1000])
    assert estimate.value == pytest.approx((0.5 + 0.25) / 2)
    assert estimate.num_problems == 1002
    # Two problems of 0 and 1 give means 0, 1/2, 1 with chances 1/4, 1/2, 1/4; the other stratum never varies.
    assert estimate.low == pytest.approx(0.125)
    assert estimate.high == pytest.approx(0.625)


def test_all_equal_values_have_an_interval_without_width():
    estimate = bootstrap_mean([1.0] * 30)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, 1.0, 1.0)


def test_rescaling_moves_all_three_numbers():
    estimate = bootstrap_mean([0.0, 1.0] * 50).rescaled(2.0, -1.0)
    assert estimate.value == 0.0
    assert estimate.low == pytest.approx(-estimate.high, abs=0.05)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: bootstrap_mean([]), "at least one problem"),
        (lambda: bootstrap_strata([]), "at least one problem"),
        (lambda: bootstrap_mean([0.1, float("nan")]), "finite"),
        (lambda: bootstrap_difference([0.1, 0.2], [0.1]), "same problems on both sides; got 2 and 1"),
        (lambda: bootstrap_mean([0.5], level=95), "level 95"),
    ],
)
def test_a_bootstrap_refuses_what_it_cannot_draw_from(call, says):
    with pytest.raises(DataError, match=says):
        call()
