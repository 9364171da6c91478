"""Graders `facts` and `judged`: short factual answers by their spelling, and what only a judge can tell."""

import json
import time

import pytest

from ponder.errors import PreflightError
from ponder.grading import check_reference, grade
from ponder.types import Problem, Verdict


def problem(grader: str, reference: str) -> Problem:
    return Problem("p", "t", ({"role": "user", "content": "?"},), grader, reference)


def is_right(reference: str, answer: str) -> bool:
    found = grade(problem("facts", reference), answer)
    assert found.verdict is not Verdict.UNGRADABLE, found.reason
    return found.verdict is Verdict.CORRECT


@pytest.mark.parametrize(
    ("reference", "answers"),
    [
        ("Michio Sugeno", ["michio sugeno.", "**Michio Sugeno**", "It was Michio Sugeno.", "Ｍichio Sugeno"]),
        ("The Beatles", ["Beatles", "the beatles"]),
        ("J. K. Rowling", ["J.K. Rowling", "JK Rowling"]),
        ("São Paulo", ["Sao Paulo"]),
        ("O'Brien", ["O’Brien"]),
        ("AT&T", ["AT & T", "at and t"]),
        ("1,234", ["1234", "1,234.0", "one thousand two hundred and thirty-four", "一千二百三十四"]),
        ("20", ["twenty", "20.0", "二十"]),
        ("3.5 million", ["3,500,000", "350万"]),
        ("50%", ["50 percent", "50 per cent", "百分之五十"]),
        ("first", ["1st"]),
        ("-5", ["−5"]),
        ("July 4, 1976", ["4 July 1976", "1976-07-04", "on the 4th of July 1976", "一九七六年七月四日"]),
        ("March 2010", ["Mar. 2010", "2010年3月"]),
        ("1976", ["in 1976", "1976年"]),
        ("足阳明胃经", ["足阳明胃经。", "答案：足阳明胃经", "足 阳明 胃经"]),
        ("《红楼梦》", ["红楼梦"]),
        ("!!!", ["!!!"]),
        (json.dumps(["New York City", "NYC"]), ["N.Y.C.", "new york city"]),
    ],
)
def test_spellings_of_the_same_fact(reference, answers):
    assert [
        answer for answer in [*answers, reference] if reference[0] != "[" and not is_right(reference, answer)
    ] == []
    assert [answer for answer in answers if not is_right(reference, answer)] == []


@pytest.mark.parametrize(
    ("reference", "answers"),
    [
        ("Michio Sugeno", ["Michio", "Not Michio Sugeno", "the", "..."]),
        ("Vitamin A", ["vitamin", "Vitamin B"]),
        ("Hepatitis A virus", ["hepatitis virus"]),
        ("1/2", ["12", "2"]),
        ("3-2", ["32", "3"]),
        ("-5", ["5"]),
        ("C++", ["C", "C#"]),
        ("C#", ["C", "C++"]),
        ("50%", ["50", "5%"]),
        ("20", ["2 0", "20%", "200"]),
        ("1976", ["1977", "1976-1977"]),
        ("July 4, 1976", ["1976", "July 1976", "July 5, 1976", "7/4/1976"]),
        ("007", ["7"]),
        ("三国演义", ["四国演义"]),
        ("足阳明胃经", ["胃经", "阳明胃经"]),
    ],
)
def test_spellings_of_another_fact(reference, answers):
    assert [answer for answer in answers if is_right(reference, answer)] == []


@pytest.mark.parametrize(
    "answer",
    [
        "Michio Sugeno or John Smith",
        "Michio Sugeno, John Smith",
        "John Smith / Michio Sugeno",
        "Michio Sugeno (or John Smith)",
        "Answer: John Smith\nAnswer: Michio Sugeno",
        "\\boxed{Michio Sugeno}, \\boxed{John Smith}",
        "Who received the award in 2010, Michio Sugeno?",
        "Michio Sugeno " * 300,
        "Smith\nJones\nMichio Sugeno",
    ],
)
def test_lists_of_guesses_and_echoes_of_the_question_are_wrong(answer):
    assert not is_right("Michio Sugeno", answer)


def test_two_accepted_forms_side_by_side_are_a_list_too():
    assert not is_right(json.dumps(["Paris", "City of Light"]), "Paris, City of Light")


@pytest.mark.parametrize(
    "answer",
    [
        "It took a while to find. " * 20 + "\nThe answer is **Michio Sugeno**.",
        "It took a while to find. " * 20 + "\\boxed{\\text{Michio Sugeno}}",
    ],
)
def test_a_long_answer_is_read_at_its_marker(answer):
    assert is_right("Michio Sugeno", answer)


def test_right_answers_vote_together():
    asked = problem("facts", json.dumps(["New York City", "NYC"]))
    assert {grade(asked, answer).extracted for answer in ("NYC", "new york city", "N.Y.C.")} == {
        "new york city"
    }


def test_an_empty_reference_is_found():
    assert "empty" in (check_reference(problem("facts", " ")) or "")
    assert check_reference(problem("facts", "The The")) is None


@pytest.mark.parametrize(
    "text", ["answer: " * 6_000, "十" * 900, "hundred " * 120, "9 " + "亿" * 900, "1," * 24_000]
)
def test_no_text_takes_long(text):
    start = time.perf_counter()
    is_right("20", text)
    assert time.perf_counter() - start < 2


def test_what_needs_a_judge_is_ungradable_and_refused_before_training():
    from ponder.pipeline.preflight import check_references

    asked = problem("judged", "")
    found = grade(asked, "a poem")
    assert found.verdict is Verdict.UNGRADABLE
    assert "judge" in found.reason
    with pytest.raises(PreflightError, match="needs a judge"):
        check_references([asked])
