"""`reference_answer`: a text that its grader must call right, where there is one."""

import json

import pytest

from ponder.grading import GRADERS, grade, reference_answer
from ponder.types import Problem, Verdict


def problem(grader: str, reference: str, **meta) -> Problem:
    return Problem("p", "t", ({"role": "user", "content": "?"},), grader, reference, meta=meta)


def countdown(*numbers: int, target: int) -> str:
    return json.dumps({"numbers": numbers, "target": target})


@pytest.mark.parametrize(
    ("grader", "reference"),
    [
        ("integer", "-072"),
        ("exact", " Odd. "),
        ("choice", "(c)"),
        ("knights", "A is a knight, B is a knave"),
        ("knights", "A=1 B=0 C=1"),
        ("math", "72"),
        ("math", "\\frac{1}{2}"),
        ("math", "She adds.\n#### 1,072"),
        ("facts", '["Marie Curie", "Curie"]'),
        ("countdown", countdown(3, 5, 8, target=16)),
        ("countdown", countdown(3, 5, 8, target=-16)),
        ("countdown", countdown(2, 3, 4, 6, target=24)),
        ("countdown", countdown(3, 3, 8, 8, target=24)),  # only 8 / (3 - 8 / 3)
        ("countdown", countdown(*range(1, 12), target=0)),
    ],
)
def test_the_reference_answer_grades_correct(grader, reference):
    asked = problem(grader, reference)
    answer = reference_answer(asked)
    assert answer is not None
    assert grade(asked, answer).verdict is Verdict.CORRECT, (answer, grade(asked, answer).reason)


@pytest.mark.parametrize(
    ("grader", "reference"),
    [
        ("countdown", countdown(1, 1, 1, 1, target=100)),  # there is none
        ("countdown", countdown(1, 2, 3, 4, 50, target=1200)),  # not looked for
        ("countdown", "16"),
        ("integer", "seven"),
        ("code", "no tests"),
        ("ifeval", '{"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}'),
        ("no_such_grader", "1"),
    ],
)
def test_where_there_is_none_it_is_none(grader, reference):
    assert reference_answer(problem(grader, reference)) is None


def test_code_has_the_canonical_solution_of_its_row():
    for name in ("code", "code_partial"):
        answers = GRADERS[name].reference_answer
        assert answers is not None
        assert answers(problem(name, "{}", canonical_solution="def f(): ...")) == "def f(): ..."
        assert answers(problem(name, "{}", canonical_solution=" ")) is None
        assert answers(problem(name, "{}")) is None
