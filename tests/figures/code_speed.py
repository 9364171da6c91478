"""Isolated runs per second of trivial programs, on two cores.

python tests/figures/code_speed.py [NUMBER OF RUNS]
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy

from ponder.grading import grade
from ponder.grading.code_runners import choose_isolation
from ponder.types import Problem, Verdict

WORKERS = 3
"""Runs under way at a time: while one waits for the kernel, another runs."""
CHECK = {
    "type": "check",
    "tests": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
    "entry_point": "add",
}
STDIO = {"type": "stdio", "cases": [{"input": "1 2\n", "output": "3\n"}]}
PROGRAMS = {
    "a function, two sandboxes each": (CHECK, "def add(a, b):\n    return a + b\n"),
    "a program, one sandbox each": (STDIO, "print(sum(map(int, input().split())))\n"),
}


def machine_rate() -> float:
    """GFLOP/s of a matrix product, in this run."""
    a = numpy.ones((1024, 1024), numpy.float32)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < 1.0:
        a @ a
        count += 1
    return count * 2 * 1024**3 / (time.perf_counter() - start) / 1e9


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print(f"numpy's matrix product: {machine_rate():.0f} GFLOP/s")
    for isolation in ("bubblewrap", "none"):
        choose_isolation(isolation)
        for name, (reference, source) in PROGRAMS.items():
            problem = Problem("p", "t", ({"role": "user", "content": "?"},), "code", json.dumps(reference))
            with ThreadPoolExecutor(WORKERS) as pool:
                list(pool.map(lambda _, p=problem, s=source: grade(p, s), range(2 * WORKERS)))
                start = time.perf_counter()
                grades = list(pool.map(lambda _, p=problem, s=source: grade(p, s), range(count)))
                seconds = time.perf_counter() - start
            right = sum(got.verdict is Verdict.CORRECT for got in grades)
            print(
                f"{isolation}: {name}: {count / seconds:.1f} runs/s; {right} of {count} correct", flush=True
            )


if __name__ == "__main__":
    main()
