"""The child's side of the grader `reasoning_gym`: foreign scorers, with `eval` tamed.

Some of the scorers give what a model wrote to `eval`, directly or by way of sympy's parser. Here both take
formulas of numbers, lists and the usual functions, and nothing that could run code, so that no answer can
give itself a score.
"""

from __future__ import annotations

import ast
import contextlib
import logging
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

_VALUES = (
    ast.Expression, ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.BinOp, ast.UnaryOp, ast.Load,
    ast.operator, ast.unaryop,
)  # fmt: skip
_MAKERS = frozenset(("Symbol", "Integer", "Float", "Rational", "Function"))
_FUNCTIONS = _MAKERS | frozenset((
    "sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "acot", "sinh", "cosh", "tanh", "asinh",
    "acosh", "atanh", "exp", "log", "ln", "sqrt", "cbrt", "root", "Abs", "Pow", "Mul", "Add", "factorial",
    "pi", "E", "I", "oo",
))  # fmt: skip


def serve(connection: Connection[Any, Any], cpu_s: float, memory_bytes: int) -> None:
    """Answers (data set, entry, answer) with (outcome, score, reason) until the channel closes.

    An answer that takes more than `cpu_s` seconds of processor time ends the process by SIGPROF.
    """
    logging.disable(logging.CRITICAL)
    import reasoning_gym

    _tame()
    with contextlib.suppress(ValueError, OSError):  # not every system limits the address space
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    scorers: dict[str, Callable[[str, Any], Any]] = {}
    connection.send("ready")
    while True:
        dataset, entry, answer = connection.recv()
        if dataset not in scorers:
            try:
                scorers[dataset] = reasoning_gym.get_score_answer_fn(dataset)
            except Exception as error:  # whatever a foreign constructor raises
                connection.send(("unknown", 0.0, f"{type(error).__name__}: {error}"))
                continue
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        outcome = _score(scorers[dataset], entry, answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(outcome)


def _score(scorer: Callable[[str, Any], Any], entry: Any, answer: str) -> tuple[str, float, str]:
    try:
        return "score", float(scorer(answer, entry)), ""
    except (Exception, SystemExit) as error:  # foreign code on odd text
        return "raised", 0.0, f"the scorer raises {type(error).__name__}: {error}"[:300]


def _tame() -> None:
    """Puts `evaluate` in the place of `eval` in the package's modules, and a check before sympy's."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "reasoning_gym":
            vars(module)["eval"] = evaluate
    from sympy.parsing import sympy_parser

    whole = sympy_parser.eval_expr

    def checked(code: str, local_dict: Mapping[str, Any], global_dict: Mapping[str, Any]) -> Any:
        check_formula(code, local_dict)
        return whole(code, local_dict, global_dict)

    sympy_parser.eval_expr = checked


def evaluate(text: str, *scopes: Any) -> Any:
    """The value of a text of numbers, texts, lists and operators. Raises ValueError for anything else."""
    tree = ast.parse(text.strip(), mode="eval")
    for node in ast.walk(tree):
        if not isinstance(node, _VALUES):
            raise ValueError(f"{type(node).__name__} is no value")
    return eval(compile(tree, "<answer>", "eval"), {"__builtins__": {}})


def check_formula(code: str, names: Mapping[str, Any]) -> None:
    """Raises ValueError for what is no formula of numbers, symbols and the usual functions, as sympy's parser
    writes it: "Integer (2 )*Symbol ('x' )". `names`: further names that stand for values."""
    allowed = _FUNCTIONS | names.keys()
    texts = set()
    for node in ast.walk(ast.parse(code.strip(), mode="eval")):
        if isinstance(node, ast.Name) and node.id not in allowed:
            raise ValueError(f"{node.id} is no function of formulas")
        if isinstance(node, ast.Call):
            made = isinstance(node.func, ast.Name) and node.func.id in _MAKERS
            function = isinstance(node.func, ast.Call) and getattr(node.func.func, "id", "") == "Function"
            if node.keywords or not (isinstance(node.func, ast.Name) or function):
                raise ValueError("a call that is no function of formulas")
            texts |= {id(argument) for argument in node.args if made}
        elif isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            if id(node) not in texts:
                raise ValueError("a text inside a formula")
        elif not isinstance(node, (*_VALUES, ast.Name)):
            raise ValueError(f"{type(node).__name__} is no formula")
