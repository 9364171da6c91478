"""How many rows of each published set are problems, and how their references and others than them grade.

    PONDER_DATA=... python tests/figures/benchmark_rows.py [NAME ...]

Right: the reference itself, and of a choice also the option's text. Wrong: another option, the next row's
fact, one role turned round, another target. Mathematics and code have scripts of their own.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ponder.grading import check_reference, grade, reference_answer
from ponder.grading.facts import accepted_forms
from ponder.tasks.benchmark_loading import read_benchmark
from ponder.tasks.benchmarks import BENCHMARKS, data_folder
from ponder.types import Problem, Verdict

DATA = data_folder() or Path(__file__).parents[2].parent / "shared" / "data"
GRADED = ("choice", "facts", "knights", "countdown", "ifeval")
LETTERS = "ABCDEFGHIJ"


def main() -> None:
    if not DATA.is_dir():
        print("skipped: PONDER_DATA names no folder of data")
        return
    for name in sys.argv[1:] or BENCHMARKS:
        measure(name)


def measure(name: str) -> None:
    start = time.monotonic()
    loaded = read_benchmark(name, DATA)
    graders = Counter(problem.grader for problem in loaded.problems)
    out = ", ".join(f"{count} {reason}" for reason, count in loaded.left_out.items())
    print(
        f"{name}: {len(loaded.problems)} of {BENCHMARKS[name].rows} rows are problems"
        + (f"; {out}" if out else "")
    )
    asked = [problem for problem in loaded.problems if problem.grader in GRADED]
    if asked:
        counts, odd = grades_of(asked)
        shares = ", ".join(
            f"{counts[kind, True]} of {counts[kind, True] + counts[kind, False]} {kind}"
            for kind in ("readable", "right", "wrong")
            if (kind, True) in counts
        )
        print(f"  {dict(graders)}: {shares}; {time.monotonic() - start:.1f} s")
        for line in odd[:5]:
            print(f"  {line}")


def grades_of(problems: list[Problem]) -> tuple[Counter[tuple[str, bool]], list[str]]:
    counts: Counter[tuple[str, bool]] = Counter()
    odd: list[str] = []
    for number, problem in enumerate(problems):
        fault = check_reference(problem)
        counts["readable", fault is None] += 1
        if fault is not None:
            odd.append(f"{problem.id}: {fault}")
            continue
        other = problems[(number + 1) % len(problems)]
        for kind, asked, answer in answers(problem, other):
            verdict = grade(asked, answer).verdict
            as_wanted = verdict is (Verdict.CORRECT if kind == "right" else Verdict.WRONG)
            counts[kind, as_wanted] += 1
            if not as_wanted:
                odd.append(f"{problem.id}: {kind} answer {answer[:60]!r} is {verdict.value}")
    return counts, odd


def answers(problem: Problem, other: Problem) -> Iterator[tuple[str, Problem, str]]:
    """(right or wrong, problem, answer)."""
    own = reference_answer(problem)
    if own is not None:
        yield "right", problem, own
    if problem.grader == "choice":
        texts = problem.meta.get("choices", [])
        for letter, text in zip(LETTERS, texts, strict=False):
            if letter == own:
                yield "right", problem, text
                yield "right", problem, f"{letter}. {text}"
            elif text.strip().casefold() != texts[LETTERS.index(own or "A")].strip().casefold():
                yield "wrong", problem, letter
                yield "wrong", problem, text
                yield "wrong", problem, f"{own} or {letter}"
    elif problem.grader == "facts":
        if not set(accepted_forms(problem.reference)) & set(accepted_forms(other.reference)):
            yield "wrong", problem, other.reference
            yield "wrong", problem, f"{problem.reference} or {other.reference}"
        yield "wrong", problem, problem.text
    elif problem.grader == "knights":
        yield "wrong", problem, f"{problem.reference[:-1]}{1 - int(problem.reference[-1])}"
    elif problem.grader == "countdown":
        answer = problem.meta.get("answer") or own
        if answer:
            yield "right", problem, answer
            off = problem.reference.rstrip("}") + "1}"
            yield "wrong", replace(problem, reference=off), answer


if __name__ == "__main__":
    main()
