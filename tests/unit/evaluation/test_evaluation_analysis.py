import pytest

from ponder.errors import DataError
from ponder.evaluation import (
    language_consistency,
    lengths_by_outcome,
    reflection,
    truncated_frac,
    well_formed_frac,
)
from ponder.prompting import THINK_TAGS
from ponder.types import Finish


def test_lengths_by_right_wrong_and_truncated(outcome):
    lengths = lengths_by_outcome(
        [
            outcome(num_tokens=10),
            outcome(num_tokens=20, finish=Finish.LENGTH),  # cut, but the answer was there: right
            outcome("2", False, num_tokens=7),
            outcome("", False, num_tokens=64, finish=Finish.LENGTH),
            outcome("", None, num_tokens=1000),  # our failure: in none of them
        ]
    )
    assert (lengths.right, lengths.wrong, lengths.truncated) == (15, 7, 64)
    assert (lengths.num_right, lengths.num_wrong, lengths.num_truncated) == (2, 1, 1)


def test_a_length_of_nothing_is_none(outcome):
    lengths = lengths_by_outcome([outcome(num_tokens=10)])
    assert (lengths.wrong, lengths.truncated) == (None, None)


def test_rates_leave_aborted_rows_out(outcome):
    outcomes = [
        outcome(),
        outcome(well_formed=False, finish=Finish.LENGTH),
        outcome(),
        outcome(),
        outcome("", None, well_formed=False, finish=Finish.ABORT),
    ]
    assert truncated_frac(outcomes) == 0.25
    assert well_formed_frac(outcomes) == 0.75
    with pytest.raises(DataError, match="gave every row up"):
        truncated_frac(outcomes[-1:])


def test_reflective_words_per_completion(problem, outcome):
    found = reflection(
        [
            problem("a", [outcome(text="<think>Wait, check 3+4. wait</think><answer>wait</answer>")]),
            problem("b", [outcome(text="<think>waiting for it</think><answer>1</answer>")]),
            problem("c", [outcome("2", False, text="<think>等等，不对</think><answer>2</answer>")]),
            problem("d", [outcome("", None, text="<think>but</think>")]),
            problem("e", [outcome(text="")]),  # not kept
        ],
        THINK_TAGS,
    )
    assert found.words_per_completion == pytest.approx((3 + 0 + 2 + 1) / 4)
    assert found.frac == 0.75
    assert dict(found.counts) == {"wait": 2, "check": 1, "等等": 1, "不对": 1, "but": 1}
    assert next(iter(found.counts)) == "wait"
    assert found.accuracy_with == 0.5  # a right, c wrong; d has no verdict
    assert found.accuracy_without == 1.0


def test_no_texts_no_reflection(problem, outcome):
    assert reflection([problem("a", [outcome(text="")])], THINK_TAGS) is None


def test_language_consistency_asks_the_measure_for_each_reasoning(problem, outcome):
    asked = []

    def measure(reasoning, language):
        asked.append((reasoning, language))
        return {"one": 1.0, "two": 0.5}.get(reasoning)

    problems = [
        problem("a", [outcome(text="<think>one</think><answer>x</answer>")]),
        problem("b", [outcome(text="<think>two</think><answer>x</answer>")], language="zh"),
        problem("c", [outcome(text="<think>42</think><answer>x</answer>")]),
    ]
    assert language_consistency(problems, THINK_TAGS, measure) == 0.75
    assert asked == [("one", "en"), ("two", "zh"), ("42", "en")]
    assert language_consistency(problems[2:], THINK_TAGS, measure) is None
