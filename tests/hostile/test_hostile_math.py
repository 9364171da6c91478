"""Answers made to slow, crash or fool the math grader: each is WRONG, and cheap."""

import time

import pytest

from ponder.grading import grade
from ponder.grading.math_worker import Comparison
from ponder.types import Problem, Verdict

REFERENCES = [
    "72",
    "\\frac{\\sqrt{3}}{2}",
    "[0,1)",
    "x^5+y^5=3x y+7",
    ",".join(f"\\sqrt{{{n}+1}}" for n in range(2, 42)),
]
MAX_CPU_S = 0.5
"""For one answer and reference, before the symbolic worker is asked; they take a tenth of it."""

BOMBS = {
    "a product of letters": "x" * 399,
    "a long sum": "+".join("x" * 190),
    "series of series": "\\sum_{k=1}^{200}" * 3 + "k",
    "a long series": "\\sum_{k=1}^{200} \\frac{1}{k^{7}+\\sqrt{k}}",
    "factorials": "+".join(["3000!"] * 60),
    "factorials of factorials": "((9!)!)!",
    "other roots": ",".join(f"\\sqrt{{{n}}}" for n in range(2, 42)),
    "parentheses": "(" * 35 + "x" + ")" * 35,
    "many parentheses": "(" * 300 + "x" + ")" * 300,
    "a tower": "^".join(["9"] * 50),
    "a braced tower": "2^{" * 30 + "2" + "}" * 30,
    "a tower of e": "e^{" * 20 + "9" + "}" * 20,
    "signs": "+".join(["\\pm 1"] * 30),
    "a chain": "=".join(["x"] * 150),
    "an inequality": "<".join(["x"] * 150),
    "an equation": "x^{99}+y^{98}+x y=1",
    "alternatives": " or ".join(["1"] * 300),
    "systems": ";".join(["p=1,q=2"] * 60),
    "unions": "\\cup".join(["[1,2]"] * 60),
    "ratios": ":".join(["1"] * 200),
    "ties": "~" * 20_000,
    "words": "5 " + "a " * 900,
    "units": "5 " + "cm " * 900,
    "space": "5" + " " * 1_900 + "x",
    "fractions": "\\frac" * 600,
    "functions": "\\sin " * 150 + "x",
    "radicals": "√" * 1_900,
    "superscripts": "x" + "²" * 1_900,
    "groups of three": "1" + ",111" * 450,
    "points": "1." * 900,
    "a period": "0." + "1" * 1_500 + "\\overline{3}",
    "bars": "|x" * 100 + "|" * 100,
    "a wide matrix": "\\begin{pmatrix}" + "1&" * 500 + "1\\end{pmatrix}",
    "matrices in matrices": "\\begin{pmatrix}" * 20 + "1" + "\\end{pmatrix}" * 20,
    "binomials": "\\binom{1000}{500}" * 30,
    "bold": "**5" * 400,
    "prices": "$5 " * 400,
    "open formulas": "\\(5" * 400,
    "claims": "is 5 " * 300,
    "minus signs": "-" * 1_500 + "5",
    "denials": "not " * 400 + "5",
    "mixed numbers": "3\\frac{1}{2}" * 100,
    "conditions": "where " * 300,
    "names": "f(x)=" * 200 + "5",
    "sets": "\\{" * 100 + "1" + "\\}" * 100,
    "indices": "x_{" * 200 + "1" + "}" * 200,
    "primes": "x" + "'" * 1_500,
    "percent signs": "5" + "%" * 1_500,
    "dollars": "$" * 1_500 + "5",
    "two of everything": "\\boxed{71}" * 500,
    "a table of candidates": "\\\\".join(str(n) for n in range(60, 80)),
    "candidates in a sentence": "The answer is " + ", ".join(str(n) for n in range(60, 80)),
    "candidates in boxes": " ".join(f"\\boxed{{{n}}}" for n in range(60, 80)),
    "candidates with or": " or ".join(str(n) for n in range(60, 80)),
    "candidates in a range": "60 to 80",
    "candidates in an interval": "[60, 80]",
    "a set of candidates": "\\{n : 60 \\le n \\le 80\\}",
    "all numbers": "\\mathbb{R}",
    "infinity": "\\infty",
    "zero by zero": "\\frac{0}{0}",
    "not a number": "nan",
    "an unknown": "x",
    "the question": "What is the answer?",
}


@pytest.fixture(autouse=True)
def no_symbolic(monkeypatch):
    """The worker has its own limits and tests; here it answers at once."""
    monkeypatch.setattr(
        "ponder.grading.math.compare_symbolically", lambda r, a: Comparison("different", "stubbed")
    )


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_hostile_answers_are_wrong_and_cheap(name):
    for reference in REFERENCES:
        asked = Problem("p", "t", ({"role": "user", "content": "Compute it."},), "math", reference)
        for answer in (BOMBS[name], f"\\boxed{{{BOMBS[name]}}}"):
            start = time.process_time()
            found = grade(asked, answer)
            assert found.verdict is Verdict.WRONG, (reference, found.reason)
            assert time.process_time() - start < MAX_CPU_S
