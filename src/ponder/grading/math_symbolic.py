"""The child's side of the symbolic comparison: math-verify and sympy, under CPU and memory limits.

Imported in the worker process only: the import alone takes a second, and nothing here is safe to run
on untrusted text in a process that matters.
"""

from __future__ import annotations

import contextlib
import logging
import re
import resource
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

EQUAL, DIFFERENT, MALFORMED, BAD_REFERENCE = "equal", "different", "malformed", "bad_reference"


def serve(connection: Connection[Any, Any], cpu_s: float, memory_bytes: int) -> None:
    """Answers (reference, answer | None) with (outcome, reason) until the channel closes.

    A request that takes more than `cpu_s` seconds of processor time ends the process by SIGPROF:
    the kernel's timer reaches computations that no Python signal handler would interrupt.
    """
    logging.disable(logging.CRITICAL)
    compare = _load_compare()
    with contextlib.suppress(ValueError, OSError):  # not every system limits the address space
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    sys.setrecursionlimit(3_000)
    compare(
        "x+1", "\\frac{1}{2}"
    )  # what sympy loads and builds at first use is not on the first answer's bill
    connection.send("ready")
    while True:
        reference, answer = connection.recv()
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        outcome = compare(reference, answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(outcome)


def _load_compare() -> Any:
    from math_verify import LatexExtractionConfig, parse, verify

    # Not its extraction of plain expressions: that finds a number in any text.
    targets = [LatexExtractionConfig()]

    def read(text: str) -> list[Any]:
        # math-verify's own time limits are signal alarms; the process has a better one.
        parsed = parse(_as_latex(text), targets, parsing_timeout=None)
        return [item for item in parsed if not isinstance(item, str)]

    def compare(reference: str, answer: str | None) -> tuple[str, str]:
        try:
            gold = read(reference)
            if not gold:
                return BAD_REFERENCE, "math-verify finds no expression in it"
            if answer is None:
                return EQUAL, "readable"
            given = read(answer)
            if not given:
                return MALFORMED, "no mathematical expression"
            equal = bool(verify(gold, given, timeout_seconds=None))
        except (Exception, RecursionError, MemoryError) as error:  # sympy raises anything on odd input
            return MALFORMED, f"sympy fails on it ({type(error).__name__})"
        return (EQUAL, "symbolically equal") if equal else (DIFFERENT, "not symbolically equal")

    return compare


_CONNECTIVE = re.compile(r"(?:\\q?quad)?\s*,?\s*\b(?:and|or)\b\s*(?:\\q?quad)?")
_DELIMITER = re.compile(r"(?<!\\)\$+|\\[()\[\]]")


def _as_latex(text: str) -> str:
    """`text` as one LaTeX formula: of several, math-verify would pick one, and a list is no single guess."""
    return f"${_DELIMITER.sub(' ', _CONNECTIVE.sub(', ', text))}$"
