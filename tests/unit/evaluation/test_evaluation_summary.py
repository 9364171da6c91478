import pytest

from ponder.errors import DataError
from ponder.evaluation import metrics, overall, summarise


@pytest.fixture
def two_tasks(evaluation, problem, outcome):
    """Arithmetic: two problems of 4 samples; parity in English and Chinese: one problem each."""
    return evaluation(
        [
            problem("a", [outcome("1"), outcome("1"), outcome("2", False), outcome("3", False)]),
            problem("b", [outcome("5", False), outcome("5", False), outcome("5", False), outcome("1")]),
            problem("c", [outcome("odd")] * 3 + [outcome("even", False)], task="parity"),
            problem("d", [outcome("odd"), outcome("even", False)] * 2, task="parity", language="zh"),
        ],
        chance={"parity": 0.5},
    )


def by_name(scores):
    return {(row.task, row.language): row for row in scores}


def test_the_table_has_every_cell_every_bilingual_task_and_all(two_tasks):
    rows = summarise(two_tasks)
    assert [(row.task, row.language) for row in rows] == [
        ("arithmetic", "en"),
        ("parity", "en"),
        ("parity", "zh"),
        ("parity", "all"),
        ("all", "all"),
    ]
    assert overall(rows) is rows[-1]
    assert [row.num_problems for row in rows] == [2, 1, 1, 2, 4]


def test_scores_by_hand(two_tasks):
    rows = by_name(summarise(two_tasks, ks=(1, 2, 4)))
    row = rows["arithmetic", "en"]
    # a: 2 of 4 right; b: 1 of 4.
    assert row.pass_at_1.value == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert row.pass_at_k[1].value == pytest.approx(row.pass_at_1.value)
    assert row.pass_at_k[2].value == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert row.pass_at_k[4].value == 1.0
    # a: {1 1 2 3}: the right class wins; b: {5 5 5 1}: it loses.
    assert row.cons_at_k[4].value == pytest.approx((1 + 0) / 2)
    assert row.cons_gain[4].value == pytest.approx((1 - 1 / 2 + 0 - 1 / 4) / 2)
    assert row.cons_at_k[2].value == pytest.approx(row.pass_at_1.value)
    assert row.cons_gain[2].value == pytest.approx(0.0, abs=1e-12)
    assert (row.chance, row.corrected.value) == (0.0, row.pass_at_1.value)


def test_rows_over_cells_weigh_cells_the_same_and_correct_each_for_its_chance(two_tasks):
    rows = by_name(summarise(two_tasks))
    assert rows["parity", "en"].corrected.value == pytest.approx((0.75 - 0.5) / 0.5)
    assert rows["parity", "zh"].corrected.value == pytest.approx(0.0)
    assert rows["parity", "all"].pass_at_1.value == pytest.approx((0.75 + 0.5) / 2)
    assert rows["all", "all"].pass_at_1.value == pytest.approx((0.375 + 0.75 + 0.5) / 3)
    assert rows["all", "all"].corrected.value == pytest.approx((0.375 + 0.5 + 0.0) / 3)
    assert rows["all", "all"].chance == pytest.approx(1 / 3)


def test_intervals_come_from_problems(two_tasks):
    row = by_name(summarise(two_tasks))["arithmetic", "en"]
    assert row.pass_at_1.num_problems == 2
    assert (row.pass_at_1.low, row.pass_at_1.high) == (0.25, 0.5)  # both drawn a, or both b


def test_ungradable_samples_are_in_no_rate(evaluation, problem, outcome):
    made = evaluation(
        [
            problem("a", [outcome("1"), outcome("1"), outcome("", None), outcome("2", False)]),
            problem("b", [outcome("", None)] * 4),
            problem("c", [outcome("1")] * 4),
        ]
    )
    row = overall(summarise(made, ks=(3, 4)))
    assert row.pass_at_1.value == pytest.approx((2 / 3 + 1) / 2)
    assert row.pass_at_1.num_problems == 2
    assert row.pass_at_k[3].num_problems == 2
    assert row.pass_at_k[4].num_problems == 1  # only c has four graded samples
    assert row.cons_at_k[4].value == 1.0
    assert row.num_ungradable == 5
    assert row.num_left_out == 2


def test_nothing_gradable_is_no_score_and_not_zero(evaluation, problem, outcome):
    row = overall(summarise(evaluation([problem("a", [outcome("", None)] * 2)])))
    assert row.pass_at_1 is None
    assert row.corrected is None
    assert row.cons_gain == {2: None}
    assert not [name for name in metrics(row) if name.startswith("score/")]


@pytest.mark.parametrize("k", [0, 5])
def test_samples_that_are_not_there_are_an_error(two_tasks, k):
    with pytest.raises(DataError, match=rf"pass@{k} and cons@{k} need {k} samples.*has 4"):
        summarise(two_tasks, ks=(k,))


def test_metrics_are_named_noun_measure_reduction(two_tasks):
    row = summarise(two_tasks, language_consistency=lambda reasoning, language: float(language == "en"))[-1]
    named = metrics(row)
    assert all(name.count("/") == 2 for name in named)
    assert all(isinstance(value, float) for value in named.values())
    assert named["score/pass_at_1/mean"] == row.pass_at_1.value
    assert named["score/cons_gain_at_4/low"] == row.cons_gain[4].low
    assert named["format/right/mean"] == 1.0
    assert named["length/right/mean"] == 10.0
    assert named["language/consistent/frac"] == 0.75
    assert "length/truncated/mean" not in named
