"""Graders on published data: in the folder that PONDER_DATA names, or beside the repository."""

import gzip
import json
import os
from pathlib import Path

import pytest

from ponder.grading import check_reference, grade
from ponder.prompting import parse_completion
from ponder.types import Problem, Verdict

DATA = Path(os.environ.get("PONDER_DATA") or Path(__file__).parents[4] / "shared" / "data")


def rows(name: str) -> list[dict]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not in {DATA}")
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode()
    return [json.loads(line) for line in text.split("\n") if line]


def problem(grader: str, reference: str) -> Problem:
    return Problem("p", "t", ({"role": "user", "content": "?"},), grader, reference)


def test_every_gsm8k_reference_solution_is_correct_and_wrong_with_another_final_number():
    failures = []
    solved = rows("gsm8k_train.jsonl.gz")
    for row in solved:
        asked = problem("math", f"{row['solution']}\n#### {row['answer']}")  # as GSM8K itself prints it
        changed = str(int(row["answer"].replace(",", "")) + 1)
        written = f"{row['solution']}\n#### {row['answer']}"
        tagged = parse_completion(f"<think>{row['solution']}</think>\n<answer>{row['answer']}</answer>")
        right = [written, tagged.answer]
        wrong = [f"{row['solution']}\n#### {changed}", changed]
        failures += [row["id"] for text in right if grade(asked, text).verdict is not Verdict.CORRECT]
        failures += [row["id"] for text in wrong if grade(asked, text).verdict is not Verdict.WRONG]
        if check_reference(asked) is not None or not tagged.well_formed:
            failures.append(row["id"])
    assert len(solved) == 7473
    assert failures == []


def test_model_solutions_get_the_published_verdicts():
    disagreements = [
        row["id"]
        for row in rows("gsm8k_model_solutions.jsonl.gz")
        if (grade(problem("math", row["gold"]), row["pred"]).verdict is Verdict.CORRECT) != row["expected"]
    ]
    assert disagreements == []


def test_published_knights_and_countdown_solutions_are_correct():
    for row in rows("knights_knaves_test.jsonl"):
        reference = " ".join(f"{n}={int(r)}" for n, r in zip(row["names"], row["solution"], strict=True))
        flipped = (
            row["answer"].replace("knight", "?", 1).replace("knave", "knight", 1).replace("?", "knave", 1)
        )
        assert grade(problem("knights", reference), row["answer"]).verdict is Verdict.CORRECT
        assert grade(problem("knights", reference), flipped).verdict is Verdict.WRONG
    for row in rows("countdown_test.jsonl"):
        asked = problem("countdown", json.dumps({"numbers": row["nums"], "target": row["target"]}))
        off = problem("countdown", json.dumps({"numbers": row["nums"], "target": row["target"] + 1}))
        assert grade(asked, row["answer"]).verdict is Verdict.CORRECT
        assert grade(off, row["answer"]).verdict is Verdict.WRONG


def test_agreement_with_the_tests_of_other_graders():
    """What disagrees is convention (docs/math-conventions.md): tests/figures/math_equivalence.py lists it."""
    compared = [r for r in rows("answer_equivalence.jsonl") if not r["conflict"] and not r["suspect"]]
    found = [
        (row["expected"], grade(problem("math", row["gold"]), row["pred"]).verdict is Verdict.CORRECT)
        for row in compared
    ]
    assert len(found) == 354
    assert sum(expected == equal for expected, equal in found) >= 0.97 * len(found)
    assert sum(equal and not expected for expected, equal in found) <= 1
