r"""Reading formulas as trees: sums, products, powers, roots, functions, factorials, binomials, series."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from ponder.grading.formulas.tokens import Token, Unreadable, tokenize
from ponder.grading.formulas.tree import Node, number

MAX_DEPTH = 40
"""Deeper nesting is left to the symbolic comparison."""


def parse_expression(tokens: Sequence[Token]) -> Node:
    """The tree of a whole formula. Raises Unreadable."""
    parser = _Parser(tokens)
    tree = parser.sum()
    if parser.index != len(parser.tokens):
        raise Unreadable(f"{parser.tokens[parser.index].text!r} is out of place")
    return tree


_RUNNING_INDEX = re.compile(r"[0-9]*[i-nr-t](?:[-+][0-9i-nr-t]+)*|[0-9]+(?:[-+][0-9i-nr-t]+)+")
"""The index of a term of a sequence, "a_{n+1}"; in "v_0" and "v_max" the index belongs to the name."""


class _Parser:
    """Recursive descent over a list of tokens."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.index = 0
        self.depth = 0
        self.open_bars = 0

    def peek(self) -> str:
        return self.tokens[self.index].kind if self.index < len(self.tokens) else ""

    def take(self, kind: str = "") -> Token:
        if self.index >= len(self.tokens) or (kind and self.peek() != kind):
            raise Unreadable(f"{kind or 'something'} is missing")
        self.index += 1
        return self.tokens[self.index - 1]

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("nested too deeply")
        total = self.signed_product()
        while self.peek() in ("+", "-"):
            sign = self.take().kind
            term = self.signed_product()
            total = Node("+", (total, term if sign == "+" else Node("negative", (term,))))
        self.depth -= 1
        return total

    def signed_product(self) -> Node:
        negative = False
        while self.peek() in ("+", "-"):
            negative ^= self.take().kind == "-"
        product = self.product()
        return Node("negative", (product,)) if negative else product

    def product(self) -> Node:
        result = self.power()
        while True:
            kind = self.peek()
            if kind in ("*", "/"):
                self.take()
                result = Node(kind, (result, self.signed_power()))
                if kind == "/" and self.starts_factor(self.peek()):
                    raise Unreadable("what a slash divides by is ambiguous")
            elif self.starts_factor(kind):
                if kind == "number" and self.tokens[self.index - 1].kind == "number":
                    raise Unreadable("two numbers side by side")
                result = Node("*", (result, self.power()))
            else:
                return result

    def starts_factor(self, kind: str) -> bool:
        if kind == "|":
            return self.open_bars == 0
        return kind in ("number", "letter", "function", "command", "(", "[", "{", "lfloor", "lceil")

    def signed_power(self) -> Node:
        """A factor that may carry a sign: the right side of "3 * -2"."""
        negative = False
        while self.peek() in ("+", "-"):
            negative ^= self.take().kind == "-"
        factor = self.power()
        return Node("negative", (factor,)) if negative else factor

    def power(self) -> Node:
        base = self.postfix(self.atom())
        if self.peek() != "^":
            return base
        self.take()
        if [token.text for token in self.tokens[self.index : self.index + 3]] in (["{", "circ", "}"],):
            self.index += 3
            return _degrees(base)
        if self.peek() == "command" and self.tokens[self.index].text in ("circ", "degree"):
            self.take()
            return _degrees(base)
        return self.postfix(Node("^", (base, self.exponent())))

    def exponent(self) -> Node:
        if self.peek() in ("+", "-"):
            return Node("negative", (self.exponent(),)) if self.take().kind == "-" else self.exponent()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("nested too deeply")
        tree = self.power()  # a ^ b ^ c is a ^ (b ^ c)
        self.depth -= 1
        return tree

    def postfix(self, tree: Node) -> Node:
        while self.peek() == "!":
            self.take()
            tree = Node("factorial", (tree,))
        return tree

    def atom(self) -> Node:
        token = self.take()
        kind = token.kind
        if kind == "number":
            return self.mixed(number(Fraction(token.text)))
        if kind == "letter":
            return self.letter(token.text)
        if kind == "function":
            return self.function(token.text)
        if kind == "command":
            return self.command(token.text)
        for opening, closing in (("(", ")"), ("[", "]"), ("{", "}")):
            if kind == opening:
                return self.until(closing)
        if kind in ("lfloor", "lceil"):
            return Node("floor" if kind == "lfloor" else "ceiling", (self.until("r" + kind[1:]),))
        if kind == "|" and self.open_bars == 0:
            self.open_bars += 1
            inner = self.sum()
            self.open_bars -= 1
            self.take("|")
            return Node("absolute", (inner,))
        raise Unreadable(f"{token.text!r} is out of place")

    def until(self, closing: str) -> Node:
        bars, self.open_bars = self.open_bars, 0
        inner = self.sum()
        self.open_bars = bars
        self.take(closing)
        return inner

    def letter(self, name: str) -> Node:
        if name == "e":
            return Node("e")
        if name == "i":
            return Node("i")
        if name.startswith("C_") and self.peek() == "^":  # the Chinese notation of a binomial coefficient
            lower = name[2:]
            if lower.isdigit() or (len(lower) == 1 and lower.isalpha()):
                self.take()
                below = number(int(lower)) if lower.isdigit() else Node("letter", name=lower)
                return Node("binomial", (below, self.group()))
        after = [token.kind for token in self.tokens[self.index : self.index + 3]]
        if after[:1] == ["("] and (name in ("f", "g", "h", "F", "G") or after == ["(", "number", ")"]):
            self.take()  # "f(x)", "I(0)": the value of a function, not a product
            return Node("applied", (self.until(")"),), name=name)
        base, _, index = name.partition("_")
        if _RUNNING_INDEX.fullmatch(index):
            return Node("indexed", (parse_expression(tokenize(index)),), name=base)
        return Node("letter", name=name)

    def mixed(self, whole: Node) -> Node:
        r"""`whole`, or the mixed number that it begins: 3\frac{1}{2} is three and a half."""
        if self.peek() != "command" or self.tokens[self.index].text != "frac" or whole.value.denominator != 1:
            return whole
        start = self.index
        self.take()
        top, bottom = self.digit_or_group(), self.digit_or_group()
        if top.operation == bottom.operation == "number" and 0 < top.value < bottom.value:
            return number(whole.value + top.value / bottom.value)
        self.index = start
        return whole

    def group(self) -> Node:
        """The argument of a command: a group, or the next digit or sign."""
        if self.peek() == "{":
            self.take()
            return self.until("}")
        if self.peek() == "(":
            self.take()
            return self.until(")")
        return self.atom()

    def command(self, name: str) -> Node:
        if name == "pi":
            return Node("pi")
        if name == "frac":
            return Node("/", (self.digit_or_group(), self.digit_or_group()))
        if name == "sqrt":
            return self.root()
        if name in ("binom", "dbinom"):
            return Node("binomial", (self.digit_or_group(), self.digit_or_group()))
        if name == "exp":
            return Node("^", (Node("e"), self.group()))
        if name in ("sum", "prod"):
            return self.series("sum" if name == "sum" else "product")
        raise Unreadable(f"\\{name} is out of place")

    def series(self, operation: str) -> Node:
        r"""\sum_{k=1}^{n} and what follows it up to the next sign."""
        self.take("_")
        self.take("{")
        index = self.take("letter").text
        self.take("=")
        low = self.until("}")
        self.take("^")
        high = self.group()
        return Node(operation, (low, high, self.product()), name=index)

    def digit_or_group(self) -> Node:
        r"""The argument of \frac: of "\frac12" one digit."""
        token = self.tokens[self.index] if self.index < len(self.tokens) else None
        if token is not None and token.kind == "number" and len(token.text) > 1 and token.text.isdigit():
            rest = list(self.tokens)
            rest[self.index : self.index + 1] = [
                Token("number", token.text[0]),
                Token("number", token.text[1:]),
            ]
            self.tokens = rest
        if self.peek() == "number":
            return number(Fraction(self.take().text))
        return self.group()

    def root(self) -> Node:
        degree = number(2)
        if self.peek() == "[":
            self.take()
            degree = self.until("]")
        radicand = self.group() if self.peek() != "number" else number(Fraction(self.take().text))
        return Node("root", (radicand, degree))

    def function(self, name: str) -> Node:
        """A function with its power, base and argument: sin^2 x, log_2 n, ln(x + 1), sin 2x."""
        if name == "sqrt":
            return self.root()
        power = base = None
        for _ in range(2):
            if self.peek() == "_" and base is None and name == "log":
                self.take()
                base = self.group() if self.peek() == "{" else self.atom()
            elif self.peek() == "^" and power is None:
                self.take()
                power = self.exponent()
        result = _applied(name, base, self.argument())
        if power is None:
            return result
        if power == Node("negative", (number(1),)):
            if name not in ("sin", "cos", "tan"):
                raise Unreadable(f"{name} to the power -1")
            return Node("function", result.operands, name="arc" + name)
        return Node("^", (result, power))

    def argument(self) -> Node:
        """What a function is applied to: one group, or the factors up to a sign or another function."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("nested too deeply")
        if self.peek() in ("(", "{", "["):
            result = self.power_of_group()
        else:
            negative = self.peek() == "-"
            if negative:
                self.take()
            result = self.power()
            while self.starts_factor(self.peek()) and self.peek() not in ("function", "(", "["):
                result = Node("*", (result, self.power()))
            if self.peek() == "/":
                raise Unreadable("an argument that a slash makes ambiguous")
            if negative:
                result = Node("negative", (result,))
        self.depth -= 1
        return result

    def power_of_group(self) -> Node:
        return self.postfix(self.group())


def _degrees(tree: Node) -> Node:
    return Node("*", (tree, Node("/", (Node("pi"), number(180)))))


def _applied(name: str, base: Node | None, argument: Node) -> Node:
    name = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "log": "ln"}.get(name, name)
    logarithm = Node("function", (argument,), name="ln")
    if base is not None:
        return Node("/", (logarithm, Node("function", (base,), name="ln")))
    if name == "lg":
        return Node("/", (logarithm, Node("function", (number(10),), name="ln")))
    return Node("function", (argument,), name=name)
