from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.evaluation import (
    ABSTAINED,
    EQUIVALENCES,
    equivalence_for,
    graded_equivalence,
    same_answer,
    same_expression,
    vote_classes,
)
from ponder.evaluation.arithmetic import parse_expression
from ponder.evaluation.voting import normalise_answer, number_of
from ponder.grading import GRADERS, grade
from ponder.types import Problem, Verdict


def problem_of(grader: str, reference: str) -> Problem:
    return Problem("p", "t", ({"role": "user", "content": "?"},), grader, reference)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1/2", "0.5"),
        ("\\frac{1}{2}", "0.5"),
        ("-\\dfrac{1}{2}", "-.5"),
        ("½", "2/4"),
        ("1,000", "1000"),
        ("12.", "12"),
        ("+7", "007"),
        ("７", "7"),
        ("−3", "-3"),
        ("$\\boxed{42}$", "42"),
        ("$\\boxed{\\frac{1}{2}}$", "1/2"),
        ("Odd", " odd "),
        ("A=1  B=0", "a=1 b=0"),
    ],
)
def test_spellings_of_one_answer(one, other):
    assert same_answer(one, other)
    assert same_answer(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1/2", "0.05"),
        ("1", "-1"),
        ("12", "1 2"),
        ("1,00", "100"),
        ("a", "b"),
        ("1/0", "2/0"),
        ("", "0"),
        ("x", ""),
        ("{1}{2}", "1}{2"),
    ],
)
def test_different_answers(one, other):
    assert not same_answer(one, other)


def test_numbers_are_exact_and_huge_ones_are_not_read():
    assert number_of("0.1") == Fraction(1, 10)
    assert number_of("3/0") is None
    assert number_of("1e999999999") is None
    assert number_of("9" * 61) is None
    assert same_answer("9" * 500, "9" * 500)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=80))
def test_no_text_raises_and_every_text_equals_itself(text):
    assert same_answer(text, text)
    assert same_expression(text, text)
    number_of(text)
    normalise_answer(text)
    parse_expression(text)


@pytest.mark.parametrize(
    ("text", "value", "numbers"),
    [
        ("1+2*3", 7, (1, 2, 3)),
        ("(1+2)*3", 9, (1, 2, 3)),
        ("8-3-2", 3, (2, 3, 8)),
        ("8/4/2", 1, (2, 4, 8)),
        ("-(2-5)×2÷3", 2, (2, 2, 3, 5)),
        ("0.5+1", Fraction(3, 2), (Fraction(1, 2), 1)),
    ],
)
def test_expressions_by_hand(text, value, numbers):
    parsed = parse_expression(text)
    assert parsed.value == value
    assert parsed.numbers == numbers


@pytest.mark.parametrize(
    "text", ["", "1+", "(1", "1)", "1 2", "1/0", "2**3", "x+1", "((((", "(" * 30 + "1" + ")" * 30, "1" * 200]
)
def test_what_is_no_expression(text):
    assert parse_expression(text) is None


def test_countdown_answers_vote_by_numbers_and_value():
    assert same_expression("(1+2)*3", "3*(2+1)")
    assert same_expression("1+2+3 = 6", "3+2+1")
    assert not same_expression("9", "1+8")  # other numbers, so perhaps not allowed
    assert not same_expression("1+2+3", "1*2+3")
    same = equivalence_for(problem_of("countdown", '{"numbers": [1, 2, 3], "target": 9}'), grade)
    assert vote_classes(["(1+2)*3", "1+2+3", "3*(1+2)", "", "9"], same) == (0, 1, 0, ABSTAINED, 2)


def test_votes_number_the_classes_in_order_of_appearance():
    assert vote_classes(["0.5", "2", "1/2", "", "2.0", "three"]) == (0, 1, 0, ABSTAINED, 1, 2)


def test_equal_answers_are_compared_once():
    calls = []

    def same(one: str, other: str) -> bool:
        calls.append((one, other))
        return False

    assert vote_classes(["a", "b", "a", "b", "c", "c"], same) == (0, 1, 0, 1, 2, 2)
    assert calls == [("a", "b"), ("a", "c"), ("b", "c")]


def test_a_grader_decides_what_normalisation_cannot():
    problem = problem_of("math", "x^2-1")
    answers = ["(x-1)(x+1)", "x^2-1", "x^2+1", "\\frac{2}{4}", "0.5"]
    assert vote_classes(answers) == (0, 1, 2, 3, 3)
    assert vote_classes(answers, equivalence_for(problem, grade)) == (0, 0, 1, 2, 2)


def test_a_grader_that_accepts_in_one_direction_only_is_enough_and_numbers_never_reach_it():
    asked = []

    def one_way(problem, answer):
        asked.append((problem.reference, answer))
        accepted = (problem.reference, answer) == ("seven apples", "seven")
        return grade(problem_of("exact", "yes"), "yes" if accepted else "no")

    same = graded_equivalence(problem_of("exact", "?"), one_way)
    assert same("seven", "seven apples")
    assert same("seven apples", "seven")
    assert not same("seven", "eight apples")
    assert ("seven apples", "seven") in asked
    asked.clear()
    assert not same("7", "8")
    assert same("7", "7.0")
    assert asked == []


def test_the_table_names_graders_that_exist():
    assert set(EQUIVALENCES) <= set(GRADERS)
    assert equivalence_for(problem_of("integer", "3"), grade) is same_answer


def test_extracted_answers_of_the_knights_grader_vote_together():
    problem = problem_of("knights", "A=1 B=0")
    grades = [grade(problem, text) for text in ("A=1 B=0", "B is a knave, A is a knight", "A=0 B=1")]
    assert [given.verdict for given in grades] == [Verdict.CORRECT, Verdict.CORRECT, Verdict.WRONG]
    assert vote_classes([given.extracted for given in grades], equivalence_for(problem, grade)) == (0, 0, 1)
