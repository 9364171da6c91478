"""How often the math grader agrees with the tests of other graders, and how fast it is, beside math-verify.

The rows are pairs (reference, answer) with the verdict that the tests of a published grader assert.
Conventions differ between the suites: rows that contradict each other are left out (`conflict`, `suspect`),
and each disagreement that is left is printed.

    PONDER_DATA=... python tests/figures/math_equivalence.py [--without-math-verify]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from figure_data import SKIPPED, folder

from ponder.grading import grade
from ponder.grading.math_worker import shared_worker
from ponder.tasks.files import read_rows
from ponder.types import Problem, Verdict

Row = dict[str, Any]
WANTED = "wanted: agreement >= 97.0 %, at most 1 negative accepted, at least 10 times as fast as math-verify"


def unconflicted() -> list[Row]:
    place = folder()
    assert place is not None
    rows = read_rows(place / "answer_equivalence.jsonl")
    return [row for row in rows if not row["conflict"] and not row["suspect"]]


def ours(row: Row) -> tuple[bool, str]:
    asked = Problem(row["id"], "equivalence", ({"role": "user", "content": "?"},), "math", row["gold"])
    found = grade(asked, row["pred"])
    return found.verdict is Verdict.CORRECT, f"{found.verdict.value}: {found.reason}"


def math_verify_alone(row: Row) -> tuple[bool, str]:
    from math_verify import parse, verify

    try:
        equal = bool(verify(parse(as_it_wants(row["gold"])), parse(as_it_wants(row["pred"]))))
    except Exception as error:  # it raises on some of its own inputs
        return False, f"{type(error).__name__}: {error}"
    return equal, "equal" if equal else "not equal"


def as_it_wants(text: str) -> str:
    """A bare formula between dollars: math-verify reads LaTeX only where it is marked."""
    bare = "\\" in text and not any(mark in text for mark in ("$", "\\boxed", "\\(", "\\["))
    return f"${text}$" if bare else text


def measure(name: str, judge: Callable[[Row], tuple[bool, str]], rows: list[Row], show: bool) -> float:
    """Prints the figures of one grader; rows per second."""
    start = time.monotonic()
    found = [judge(row) for row in rows]
    seconds = time.monotonic() - start
    wrong = [(row, why) for row, (equal, why) in zip(rows, found, strict=True) if equal != row["expected"]]
    accepted = sum(not row["expected"] for row, _ in wrong)
    negatives = sum(not row["expected"] for row in rows)
    print(
        f"{name}: agrees on {len(rows) - len(wrong)} of {len(rows)} rows "
        f"({100 * (1 - len(wrong) / len(rows)):.2f} %), accepts {accepted} of {negatives} negatives, "
        f"{len(rows) / seconds:.0f} rows/s",
        flush=True,
    )
    for row, why in wrong if show else ():
        expected = "equal" if row["expected"] else "different"
        print(f"  {row['suite']} ({row['test']}), expected {expected}:")
        print(f"    {shown(row['gold'])} | {shown(row['pred'])}: {why}")
    return len(rows) / seconds


def shown(text: str) -> str:
    return repr(text if len(text) < 90 else "…" + text[-90:])


def main() -> None:
    if folder() is None:
        print(SKIPPED)
        return
    rows = unconflicted()
    start = time.monotonic()
    shared_worker().compare("x+1", "1+x")
    seconds = time.monotonic() - start
    print(f"{len(rows)} rows; the symbolic worker started in {seconds:.1f} s (not counted below)")
    mine = measure("grader math", ours, rows, show=True)
    if "--without-math-verify" not in sys.argv:
        math_verify_alone(rows[0])  # its import and first parser are not counted either
        theirs = measure("math-verify alone", math_verify_alone, rows, show=False)
        print(f"speed: {mine / theirs:.1f} times math-verify's")
    print(WANTED)


if __name__ == "__main__":
    main()
