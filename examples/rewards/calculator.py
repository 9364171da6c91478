"""A reward from one's own file: are the sums that a GSM8K solution marks as `<<48/2=24>>` right?

rewards: [{name: examples/rewards/calculator.py:calculator}]
"""

import ast
import operator
import re

_MARKED = re.compile(r"<<([^<>=]{1,40})=([^<>=]{1,20})>>")
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def calculator(prompts, completions, **columns):
    """The share of a completion's marked sums that are right; 0 when it marks none.

    One without an operator is wrong: a model that was paid for `<<1=1>>` learned to write nothing else.
    """
    return [_share([_is_right(*pair) for pair in _MARKED.findall(text)]) for text in completions]


def _share(right):
    return sum(right) / len(right) if right else 0.0


def _is_right(sum_, value):
    try:
        tree = ast.parse(sum_.strip(), mode="eval").body
        return isinstance(tree, ast.BinOp) and abs(_value(tree) - float(value)) < 0.01
    except (SyntaxError, ValueError, TypeError, KeyError, ZeroDivisionError, OverflowError, RecursionError):
        return False


def _value(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("neither a number nor a sum")
