import random

import pytest

from ponder.errors import DataError
from ponder.evaluation import bootstrap_mean, compare_evaluations
from ponder.types import Finish


@pytest.fixture
def rated(evaluation, problem, outcome):
    """An evaluation with the given number of right ones among four samples of each problem."""

    def make(rights, task="arithmetic", tokens=10, **settings):
        problems = [
            problem(
                f"{task}-{i}", [outcome(str(m), m < right, num_tokens=tokens) for m in range(4)], task=task
            )
            for i, right in enumerate(rights)
        ]
        return evaluation(problems, **settings)

    return make


def test_differences_by_hand(rated):
    rows = compare_evaluations(rated([0, 1, 2]), rated([2, 3, 4], tokens=25))
    assert [(row.task, row.language) for row in rows] == [("arithmetic", "en"), ("all", "all")]
    row = rows[0]
    assert (row.before.value, row.after.value) == (pytest.approx(0.25), pytest.approx(0.75))
    # Every problem gains exactly a half: the paired interval has no width, though both sides vary.
    assert (row.difference.value, row.difference.low, row.difference.high) == pytest.approx((0.5, 0.5, 0.5))
    assert row.before.high > row.before.low
    assert row.right_length_ratio == pytest.approx(2.5)
    assert row.well_formed.value == 0.0
    assert (row.num_problems, row.num_left_out) == (3, 0)


def test_gains_are_corrected_for_chance(rated):
    chance = {"parity": 0.5}
    row = compare_evaluations(rated([2, 2], "parity", chance=chance), rated([4, 3], "parity", chance=chance))[
        0
    ]
    assert row.difference.value == pytest.approx(0.375)
    assert row.gain.value == pytest.approx(0.75)


def test_the_pairing_matters(rated):
    rng = random.Random(0)
    before = [rng.randint(0, 3) for _ in range(60)]
    after = [right + 1 for right in before]
    row = compare_evaluations(rated(before), rated(after))[0]
    alone = bootstrap_mean([right / 4 for right in after])
    assert row.difference.low == pytest.approx(0.25)
    assert row.after.low == alone.low


def test_rows_over_tasks_weigh_tasks_the_same(evaluation, problem, outcome):
    def make(arithmetic, parity):
        problems = [problem(f"a{i}", [outcome("1", right)]) for i, right in enumerate(arithmetic)]
        problems += [problem(f"p{i}", [outcome("1", right)], task="parity") for i, right in enumerate(parity)]
        return evaluation(problems)

    rows = compare_evaluations(make([False] * 6, [False, False]), make([False] * 6, [True, True]))
    assert rows[-1].difference.value == pytest.approx(0.5)  # (0 + 1) / 2, not 2 / 8


def test_problems_without_a_verdict_on_a_side_are_left_out_of_both(evaluation, problem, outcome):
    before = evaluation([problem("a", [outcome("1")]), problem("b", [outcome("1", False)])])
    after = evaluation([problem("a", [outcome("", None, finish=Finish.ABORT)]), problem("b", [outcome("1")])])
    row = compare_evaluations(before, after)[0]
    assert (row.num_problems, row.num_left_out) == (1, 1)
    assert (row.before.value, row.after.value) == (0.0, 1.0)
    nothing = compare_evaluations(after, after)[0]
    assert nothing.num_problems == 1


def test_nothing_in_common_is_none(evaluation, problem, outcome):
    lost = evaluation([problem("a", [outcome("", None)])])
    row = compare_evaluations(lost, evaluation([problem("a", [outcome("1")])]))[0]
    assert row.difference is None
    assert row.right_length_ratio is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"problem_id": "z"}, "problem 'a' of the first stands against 'z' of the second"),
        ({"reference": "9"}, "another question or reference"),
        ({"question": "Else?"}, "another question or reference"),
        ({"language": "zh"}, "same problems in the same order"),
    ],
)
def test_other_problems_are_refused(evaluation, problem, outcome, change, says):
    problem_id = change.pop("problem_id", "a")
    with pytest.raises(DataError, match=says):
        compare_evaluations(
            evaluation([problem("a", [outcome()])]), evaluation([problem(problem_id, [outcome()], **change)])
        )


def test_another_number_of_problems_or_chance_level_is_refused(rated):
    with pytest.raises(DataError, match="got 2 and 3"):
        compare_evaluations(rated([1, 2]), rated([1, 2, 3]))
    with pytest.raises(DataError, match="chance levels differ"):
        compare_evaluations(rated([1]), rated([1], chance={"arithmetic": 0.05}))
