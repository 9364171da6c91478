"""How many published solutions pass their published tests in the sandbox, and that mutated ones fail.

PONDER_DATA=... python tests/figures/code_sets.py [NAME ...]
"""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ponder.grading import grade
from ponder.grading.code_local import join_prelude
from ponder.grading.code_tests import FunctionTests, read_tests
from ponder.tasks.benchmarks import BENCHMARKS, data_folder, find_file
from ponder.tasks.files import read_rows
from ponder.types import Verdict

SETS = ("humaneval", "humaneval-plus", "mbpp", "mbpp-plus", "leetcode", "leetcode-train")


def solution_of(name: str, row: dict[str, Any]) -> str:
    """The published solution as a model would give it: the whole function."""
    code = row["canonical_solution"]
    if name == "humaneval" or (name == "humaneval-plus" and f"def {row['entry_point']}" not in code):
        return row["prompt"] + code
    return code


class Mutation(ast.NodeTransformer):
    """Changes one operator or constant, the n-th that can be changed."""

    def __init__(self, place: int) -> None:
        self.place, self.seen = place, 0

    def _mine(self) -> bool:
        self.seen += 1
        return self.seen - 1 == self.place

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        swaps = {
            ast.Add: ast.Sub,
            ast.Sub: ast.Add,
            ast.Mult: ast.Add,
            ast.FloorDiv: ast.Mult,
            ast.Mod: ast.Mult,
        }
        if type(node.op) in swaps and self._mine():
            node.op = swaps[type(node.op)]()
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        swaps = {
            ast.Lt: ast.GtE,
            ast.GtE: ast.Lt,
            ast.Gt: ast.LtE,
            ast.LtE: ast.Gt,
            ast.Eq: ast.NotEq,
            ast.NotEq: ast.Eq,
        }
        if type(node.ops[0]) in swaps and self._mine():
            node.ops[0] = swaps[type(node.ops[0])]()
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) is int and self._mine():
            return ast.copy_location(ast.Constant(node.value + 1), node)
        return node


def mutate(source: str, seed: int) -> str | None:
    """The source with one change; None where nothing can be changed."""
    try:
        counter = Mutation(-1)
        counter.visit(ast.parse(source))
        if not counter.seen:
            return None
        mutation = Mutation(random.Random(seed).randrange(counter.seen))
        return ast.unparse(ast.fix_missing_locations(mutation.visit(ast.parse(source))))
    except SyntaxError:
        return None


_DIRECTLY = """
import json, sys
sys.setrecursionlimit(20000)
job = json.load(sys.stdin)
solution, tests = {"__name__": "solution"}, {"__name__": "tests"}
exec(job["source"], solution)
exec(job["test_prelude"], tests)
for name, expression in job["targets"]:
    tests[name] = eval(expression, solution)
exec(job["tests"], tests)
for function, argument in job["entries"]:
    tests[function](tests[argument])
"""


def passes_directly(reference: str, source: str) -> bool:
    """Whether the published tests accept a program that is run with them in one process, as peers do."""
    tests = read_tests(reference)
    assert isinstance(tests, FunctionTests)
    job = {
        "source": join_prelude(tests.prelude, source, dict(tests.targets)),
        "test_prelude": tests.test_prelude,
        "tests": tests.tests,
        "targets": tests.targets,
        "entries": tests.entries,
    }
    try:
        run = subprocess.run(
            [sys.executable, "-I", "-c", _DIRECTLY],
            input=json.dumps(job),
            text=True,
            capture_output=True,
            timeout=60,
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0


def main() -> None:
    if data_folder() is None:
        print("skipped: PONDER_DATA names no folder of data")
        return
    for name in sys.argv[1:] or SETS:
        measure(name)


def measure(name: str) -> None:
    rows = list(read_rows(find_file(BENCHMARKS[name].file)))
    jobs = []
    for number, row in enumerate(rows):
        problem, source = BENCHMARKS[name].problem(name, row), solution_of(name, row)
        jobs.append((problem, source, "whole"))
        if (changed := mutate(source, number)) is not None:
            jobs.append((problem, changed, "mutated"))
    start = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        grades = list(pool.map(lambda job: grade(job[0], job[1]), jobs))
    seconds = time.monotonic() - start
    whole = [(job, got) for job, got in zip(jobs, grades, strict=True) if job[2] == "whole"]
    mutated = [(job, got) for job, got in zip(jobs, grades, strict=True) if job[2] == "mutated"]
    passed = sum(got.verdict is Verdict.CORRECT for _, got in whole)
    lost = sum(got.verdict is Verdict.UNGRADABLE for got in grades)
    alive = [(job, got) for job, got in mutated if got.verdict is Verdict.CORRECT]
    # A change that the published tests do not see either is none of ours to see.
    unseen = [passes_directly(job[0].reference, job[1]) for job, _ in alive]
    print(
        f"{name}: {passed} of {len(whole)} solutions pass; of {len(mutated)} mutated ones "
        f"{len(mutated) - len(alive)} fail, {sum(unseen)} pass these tests run directly, too, "
        f"{len(alive) - sum(unseen)} pass here alone; {lost} ungradable; {len(jobs) / seconds:.1f} runs/s",
        flush=True,
    )
    for (problem, _, _), got in whole:
        if got.verdict is not Verdict.CORRECT:
            print(f"  {problem.id}: {got.verdict.value}: {got.reason[:160]}", flush=True)


if __name__ == "__main__":
    main()
