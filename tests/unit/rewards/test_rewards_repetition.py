"""Repetition: n-grams counted by hand, and runs of one character or line."""

import random

import pytest
from one_group import rewards_of

from ponder.rewards.ngrams import repeated_ngrams, units_of
from ponder.rewards.runs import run_of_characters, run_of_lines


@pytest.mark.parametrize(
    ("text", "size", "value"),
    [
        ("", 3, 0.0),
        ("one two", 3, 0.0),  # fewer words than the n-gram has
        ("one two three", 3, 0.0),
        ("a b c a b c", 3, -(1 - 3 / 4)),  # abc bca cab abc
        ("A b a B", 2, -(1 - 2 / 3)),  # small letters: ab ba ab
        ("wait " * 100, 2, -(1 - 1 / 99)),
        ("wait, " * 4, 1, -(1 - 1 / 4)),
        ("等等等等", 2, -(1 - 1 / 3)),
        ("我们先加再加", 2, 0.0),  # 我们 们先 先加 加再 再加
        ("再加一再加一", 3, -(1 - 3 / 4)),
        ("ok 再加 ok 再加", 2, -(1 - 3 / 5)),  # ok再 再加 加ok ok再 再加
    ],
)
def test_repetition_penalty_is_the_share_of_repeated_ngrams(text, size, value):
    assert rewards_of("repetition_penalty", text, ngram_size=size) == [pytest.approx(value)]


def test_the_penalty_is_scaled_and_is_never_minus_nothing():
    assert rewards_of("repetition_penalty", "a b c a b c", max_penalty=-2.0) == [-2.0 * (1 - 3 / 4)]
    assert [str(value) for value in rewards_of("repetition_penalty", "a b c d")] == ["0.0"]


def test_naming_windows_counts_the_same_as_comparing_them():
    rng = random.Random(3)
    for size in range(1, 12):
        units = rng.choices("abc", k=400)
        windows = [tuple(units[i : i + size]) for i in range(len(units) - size + 1)]
        assert repeated_ngrams(units, size) == pytest.approx(1 - len(set(windows)) / len(windows))


def test_units_are_words_and_wide_characters():
    assert units_of("So x=3,  we\nget 答案是3。Ok") == ["so", "x=3,", "we", "get", "答", "案", "是", "3。ok"]


def test_runs_are_the_longest_ones():
    assert run_of_characters("abbbcc") == 3
    assert run_of_characters("a") == 1
    assert run_of_characters("") == 0
    assert run_of_lines("a\nb\n b \n\nb\na") == 3  # the blank line is none
    assert run_of_lines("") == 0


def test_longest_run_falls_from_what_is_allowed_to_twice_that():
    """-penalty x (run / allowed - 1), within 0 and 1; the worse of characters and lines."""
    options = {"characters": 10, "lines": 2}
    texts = ["!" * 10, "!" * 15, "!" * 20, "!" * 99, "a\nb\nb", "a\nb\nb\nb", "b\n" * 4]
    assert rewards_of("longest_run", *texts, **options) == [0.0, -0.5, -1.0, -1.0, 0.0, -0.5, -1.0]
    assert rewards_of("longest_run", "!" * 15, "", penalty=0.2, **options) == [pytest.approx(-0.1), 0.0]
