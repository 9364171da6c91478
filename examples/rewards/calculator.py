"""A reward from one's own file: are the sums that a GSM8K solution marks as `<<48/2=24>>` right?

rewards: [{name: examples/rewards/calculator.py:calculator}]
"""

import ast
import operator
import re

_MARKED = re.compile(r"<<([^<>=]{1,40})=([^<>=]{1,20})>>")
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def calculator(prompts, completions, **columns):
    """The share of a completion's marked sums that are right; 0 when it marks none."""
    return [_share([_is_right(*pair) for pair in _MARKED.findall(text)]) for text in completions]


def _share(right):
    return sum(right) / len(right) if right else 0.0


def _is_right(sum_, value):
    try:
        return abs(_value(ast.parse(sum_.strip(), mode="eval").body) - float(value)) < 0.01
    except (SyntaxError, ValueError, TypeError, KeyError, ZeroDivisionError, OverflowError, RecursionError):
        return False


def _value(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("neither a number nor a sum")
