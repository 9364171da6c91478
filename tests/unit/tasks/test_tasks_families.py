"""Every family: exact references, right traces, slips that matter, a stated chance level."""

from __future__ import annotations

import itertools
import json
import random
from fractions import Fraction

import pytest

from ponder.config import TaskConfig
from ponder.grading import grade as grade_for_real
from ponder.grading.code_runners import isolation_fault
from ponder.grading.verdicts import correct, wrong
from ponder.tasks import LANGUAGES, TASKS, TaskFamily, TraceStyle, is_held_out
from ponder.tasks.chains import check_backwards, expression, simplify
from ponder.tasks.countdown import Countdown
from ponder.tasks.sources import load_problems
from ponder.types import Grade, Problem, Verdict

SETTINGS = {
    "arithmetic": {"numbers": 6},
    "countdown": {"numbers": 4},
    "knights": {"people": 5},
    "parity": {"digits": 12},
    "choice": {"options": 20},
    "functions": {},
}


def problem_of(family: TaskFamily, instance: object, language: str) -> Problem:
    return Problem(
        id="p",
        task=family.name,
        messages=({"role": "user", "content": "?"},),
        grader=family.grader,
        reference=family.reference(instance, language),
        language=language,
    )


def grade(problem: Problem, answer: str) -> Grade:
    """As the grader; functions are run here, because there are thousands (a test below runs some apart)."""
    if problem.grader != "code":
        return grade_for_real(problem, answer)
    space: dict[str, object] = {}
    exec(answer, space)
    try:
        exec("\n".join(json.loads(problem.reference)["tests"]), space)
    except AssertionError:
        return wrong(answer, "a test failed")
    return correct(answer, "")


@pytest.mark.skipif(isolation_fault() is not None, reason="no sandbox works here")
def test_functions_are_judged_in_the_sandbox() -> None:
    family, rng = TASKS["functions"], random.Random(5)
    for _ in range(5):
        instance = family.draw(rng, {})
        problem = problem_of(family, instance, "en")
        assert (
            grade_for_real(problem, family.work(instance, rng, TraceStyle()).answer).verdict
            is Verdict.CORRECT
        )
        other = family.draw(rng, {})
        same = family.key(other) == family.key(instance)
        assert grade_for_real(problem, family.guess(other, "en", rng, noised=False)).credit == same


def test_a_function_by_hand() -> None:
    family, rng = TASKS["functions"], random.Random(0)
    steps = ("*3", "-4", "*2")
    assert family.ask(steps, "en", rng) == (
        "Write f(x) that multiplies x by 3, then subtracts 4, then multiplies by 2."
    )
    assert family.ask(steps, "zh", rng) == "写函数f(x)，把x乘以3再减4再乘以2。"
    assert family.guess(steps, "en", rng, noised=False) == "def f(x):\n    return (x * 3 - 4) * 2"
    assert family.key(steps) == "6x-8" == family.key(("*6", "-9", "+1"))
    trace = family.work(steps, rng, TraceStyle())
    assert trace.steps == "x x * 3 x * 3 - 4 (x * 3 - 4) * 2"


@pytest.mark.parametrize("name", sorted(TASKS))
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_trace_without_slips_is_graded_correct(name: str, language: str) -> None:
    family, rng = TASKS[name], random.Random(7)
    for _ in range(100):
        instance = family.draw(rng, SETTINGS[name])
        problem = problem_of(family, instance, language)
        trace = family.work(instance, rng, TraceStyle(language=language))
        assert grade(problem, trace.answer).verdict is Verdict.CORRECT, (problem, trace)
        noticed = family.work(instance, rng, TraceStyle(0.3, notices=True, checks=True, language=language))
        assert grade(problem, noticed.answer).verdict is Verdict.CORRECT, (problem, noticed)
        assert grade(problem, family.guess(instance, language, rng, noised=False)).verdict is Verdict.CORRECT


@pytest.mark.parametrize("name", sorted(TASKS))
def test_slips_that_go_unnoticed_lead_to_wrong_answers(name: str) -> None:
    family, rng = TASKS[name], random.Random(8)
    wrong = 0
    for _ in range(200):
        instance = family.draw(rng, SETTINGS[name])
        trace = family.work(instance, rng, TraceStyle(slip_frac=0.3))
        wrong += grade(problem_of(family, instance, "en"), trace.answer).verdict is Verdict.WRONG
    assert wrong > 30


@pytest.mark.parametrize("name", sorted(TASKS))
def test_answers_blind_to_the_question_are_right_as_often_as_stated(name: str) -> None:
    """An answer made for another instance: the chance level, or for Countdown nearly never."""
    family, rng = TASKS[name], random.Random(9)
    right, count = 0, 3000
    for _ in range(count):
        instance, other = (family.draw(rng, SETTINGS[name]) for _ in range(2))
        answer = family.guess(other, "en", rng, noised=False)
        right += grade(problem_of(family, instance, "en"), answer).verdict is Verdict.CORRECT
    chance = family.chance(SETTINGS[name])
    spread = 4 * (chance * (1 - chance) / count) ** 0.5
    assert right / count <= chance + spread
    if name != "countdown":
        assert right / count >= chance - spread


def test_the_chance_of_countdown_counts_every_accepted_expression() -> None:
    family, rng = Countdown(), random.Random(10)
    shares = []
    for _ in range(10):
        numbers, target = family.draw(rng, {"numbers": 4})
        values = [value for order in itertools.permutations(numbers) for value in _all_values(order)]
        shares.append(sum(value == target for value in values) / len(values))
    assert sum(shares) / len(shares) <= family.chance({})


def _all_values(numbers: tuple[int, ...]) -> list[Fraction | None]:
    """Values of every bracketing and choice of operators, None where it divides by zero."""
    if len(numbers) == 1:
        return [Fraction(numbers[0])]
    values: list[Fraction | None] = []
    for cut in range(1, len(numbers)):
        for left, right in itertools.product(_all_values(numbers[:cut]), _all_values(numbers[cut:])):
            if left is None or right is None:
                values += [None] * 4
            else:
                values += [left + right, left - right, left * right, left / right if right else None]
    return values


def test_simplifying_by_hand() -> None:
    text, value = simplify((3, 4, -2, 8), random.Random(0), TraceStyle())
    assert text == "3+4-2+8=7-2+8=5+8=13"
    assert value == 13
    assert check_backwards((3, 4, -2, 8), 13) == "13-8=5+2=7-4=3"
    assert expression((9, -5)) == "9-5"


def test_countdown_targets_are_reachable_and_never_the_plain_sum() -> None:
    family, rng = Countdown(), random.Random(11)
    for _ in range(200):
        numbers, target = family.draw(rng, {"numbers": [3, 4]})
        assert target != sum(numbers)
        assert json.loads(family.reference((numbers, target), "en")) == {
            "numbers": list(numbers),
            "target": target,
        }


def test_knights_has_exactly_one_solution() -> None:
    family, rng = TASKS["knights"], random.Random(12)
    for _ in range(100):
        puzzle = family.draw(rng, {"people": [4, 6]})
        solutions = [
            roles
            for roles in itertools.product((0, 1), repeat=len(puzzle.roles))
            if all(_consistent(statement, roles) for statement in puzzle.chain)
        ]
        assert solutions == [puzzle.roles]


def _consistent(statement: object, roles: tuple[int, ...]) -> bool:
    kind, speaker, subject = statement.kind, statement.speaker, statement.subject  # type: ignore[attr-defined]
    if kind == "both":
        true = roles[speaker] == 0 and roles[subject] == 0
    elif kind == "some":
        true = roles[speaker] == 0 or roles[subject] == 0
    else:
        true = roles[subject] == statement.bit  # type: ignore[attr-defined]
    return true == bool(roles[speaker])


def test_held_out_problems_are_the_same_instances_in_every_language() -> None:
    tasks = [TaskConfig(name=name, languages=LANGUAGES, options=SETTINGS[name]) for name in sorted(TASKS)]
    problems = load_problems(tasks, seed=3, count=20)
    for name in TASKS:
        by_language = {
            language: [p.id.split("-")[-1] for p in problems if p.task == name and p.language == language]
            for language in LANGUAGES
        }
        assert by_language["en"] == by_language["zh"]
        assert len(by_language["en"]) == 20


@pytest.mark.parametrize("name", sorted(TASKS))
def test_enough_instances_are_held_out(name: str) -> None:
    """An evaluation asks for 256 in each language; a family with few keys would give fewer."""
    task = TaskConfig(name=name, languages=LANGUAGES, options=SETTINGS[name])
    asked = load_problems([task], seed=0, count=256)
    assert {language: sum(p.language == language for p in asked) for language in LANGUAGES} == {
        "en": 256,
        "zh": 256,
    }


@pytest.mark.parametrize("name", sorted(TASKS))
def test_one_instance_in_five_is_held_out(name: str) -> None:
    family, rng = TASKS[name], random.Random(13)
    share = sum(is_held_out(family, family.draw(rng, SETTINGS[name])) for _ in range(2000)) / 2000
    assert 0.13 < share < 0.27
