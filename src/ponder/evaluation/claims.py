"""What a piece of reasoning claims: equations, chains of them, conclusions; with their places.

Reads the notations of the shipped tasks ("3+4-2=7-2=5", "b1=0", "A=1") and of ordinary mathematical
prose ("x = 12", "the answer is 12", "B is a knave", "答案是12"). The text is untrusted: every pattern
looks at a bounded window, so the time is linear in the length and nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ponder.evaluation.arithmetic import parse_expression

WINDOW = 120
"""Characters looked at on either side of an equals sign."""

Span = tuple[int, int]
"""(start, end) in the text."""


@dataclass(frozen=True, slots=True)
class Claim:
    """`subject` is said to be `value`."""

    subject: str
    """Without spaces; "" for a conclusion: the answer itself."""
    value: str
    span: Span
    """Of the value."""
    chain: int
    """Number of the chain of equations within its segment it belongs to."""
    whole: bool = False
    """From the head of a chain of several steps to its end."""


@dataclass(frozen=True, slots=True)
class Head:
    """The expression a chain of equations begins with: an attempt, in Countdown."""

    expression: str
    span: Span


@dataclass(frozen=True, slots=True)
class Segment:
    """The claims between two places of the text."""

    claims: tuple[Claim, ...]
    """Equations in order; a whole chain after its steps."""
    conclusions: tuple[Claim, ...]
    heads: tuple[Head, ...]
    num_chains: int
    first: Claim | None
    """A bare value the segment begins with, before any other word."""
    last: Claim | None
    """A bare value it ends with, that is no side of an equation."""

    @property
    def empty(self) -> bool:
        return not (self.claims or self.conclusions or self.first or self.last)


_OPERAND = r"(?:[A-Za-z0-9_.:()%√]+|[\u4e00-\u9fff]{1,2})"
_EXPRESSION = rf"[-+−]?{_OPERAND}(?:\s?[-+*/×÷^−]\s?[-+]?{_OPERAND})*"
_LEFT = re.compile(rf"({_EXPRESSION})\s{{0,2}}$")
_RIGHT = re.compile(rf"\s{{0,2}}({_EXPRESSION})")
_NUMBER = r"[-−]?\d+(?:\.\d+)?(?:/\d+)?"
_WORDS = ("knight", "knave", "honest", "liar", "odd", "even", "true", "false", "骑士", "无赖", "奇数", "偶数")
_CUES = (
    "answer", "result", "total", "sum", "value", "equals", "equal", "get", "gives", "give", "so", "thus",
    "therefore", "hence", "it", "that", "this",
    "答案", "结果", "总和", "等于", "得到", "得", "所以", "因此", "应该",
)  # fmt: skip
_NOT_IN_EQUATION = r"(?!\s?[-+*/×÷=^]|[\d.]*\d)"


def values_pattern(vocabulary: Iterable[str]) -> str:
    """The pattern of a value: a number, or one of the words answers are made of."""
    words = sorted({*_WORDS, *vocabulary}, key=len, reverse=True)
    return rf"(?:{_NUMBER}|(?<![A-Za-z])(?:{'|'.join(re.escape(word) for word in words)})(?![A-Za-z]))"


class ClaimReader:
    """Reads segments of texts whose answers are numbers or words of `vocabulary`."""

    def __init__(self, vocabulary: Iterable[str] = ()) -> None:
        value = values_pattern(vocabulary)
        cue = "|".join(sorted(_CUES, key=len, reverse=True))
        link = r"(?:\s{0,2}(?:is|are|be|must be|should be|'s|:|：|是|为|,|，)){0,2}\s{0,2}"
        self._conclusion = re.compile(
            rf"(?:(?<![A-Za-z])(?:{cue})(?![A-Za-z]){link})({value}){_NOT_IN_EQUATION}", re.IGNORECASE
        )
        self._naming = re.compile(
            rf"(?<![A-Za-z])([A-Za-z][A-Za-z]{{0,15}})(?: is| must be)(?: an?)? ({value}){_NOT_IN_EQUATION}"
            rf"|([A-Za-z][A-Za-z]{{0,15}}|[\u4e00-\u9fff]{{2}})\s?是({value}){_NOT_IN_EQUATION}",
            re.IGNORECASE,
        )
        self._first = re.compile(rf"[\s,.:，。：]{{0,4}}({value}){_NOT_IN_EQUATION}", re.IGNORECASE)
        self._last = re.compile(rf"(?<![-+*/×÷=^\d.])({value})[\s,.!?，。！？]{{0,4}}$", re.IGNORECASE)

    def read(self, text: str, start: int, end: int, previous: str = "") -> Segment:
        """The claims of text[start:end]. `previous` is the subject that a segment which begins with
        "=" goes on about ("... =6-2 wait =7-2": the step before the wait, redone)."""
        equations = _equations(text, start, end, previous)
        claims, heads = _chains(equations)
        namings = list(self._namings(text, start, end, len(heads)))
        claims.extend(namings)
        claims.sort(key=lambda claim: claim.span)
        first = self._first.match(text, start, end)
        window = max(start, end - WINDOW)
        last = self._last.search(text[window:end])
        before = (
            text[max(start, window + last.start(1) - 3) : window + last.start(1)].rstrip() if last else ""
        )
        return Segment(
            claims=tuple(claims),
            conclusions=tuple(
                Claim("", match[1], match.span(1), -1)
                for match in self._conclusion.finditer(text, start, end)
            ),
            heads=tuple(heads),
            num_chains=len(heads) + len(namings),
            first=Claim("", first[1], first.span(1), -1) if first else None,
            last=None
            if last is None or before.endswith(("=", "+", "-", "*", "/"))
            else Claim("", last[1], (window + last.start(1), window + last.end(1)), -1),
        )

    def _namings(self, text: str, start: int, end: int, chain: int) -> Iterable[Claim]:
        for offset, match in enumerate(self._naming.finditer(text, start, end)):
            group = 1 if match[1] else 3
            if match[group].lower() not in _CUES:
                yield Claim(match[group], match[group + 1], match.span(group + 1), chain + offset)


@dataclass(frozen=True, slots=True)
class _Equation:
    left: str
    left_span: Span
    right: str
    right_span: Span
    continues: bool
    """Whether the left side is the right side of the equation before."""


def _equations(text: str, start: int, end: int, previous: str) -> list[_Equation]:
    equations: list[_Equation] = []
    position = text.find("=", start, end)
    while position != -1:
        equation = _equation(text, start, end, position, previous, equations[-1] if equations else None)
        if equation is not None:
            equations.append(equation)
        position = text.find("=", position + 1, end)
    return equations


def _equation(
    text: str, start: int, end: int, position: int, previous: str, before: _Equation | None
) -> _Equation | None:
    if text[position - 1 : position] in ("<", ">", "!", "=") or text[position + 1 : position + 2] == "=":
        return None
    right = _RIGHT.match(text, position + 1, min(end, position + 1 + WINDOW))
    if right is None:
        return None
    value, span = _trimmed(right[1], right.span(1))
    window = max(start, position - WINDOW)
    left = _LEFT.search(text[window:position])
    if left is not None:
        left_span = (window + left.start(1), window + left.end(1))
        continues = before is not None and left_span[0] <= before.right_span[0] < position
        return _Equation(_plain(left[1]), left_span, value, span, continues)
    if previous and not text[start:position].strip():
        return _Equation(previous, (position, position), value, span, False)
    return None


def _chains(equations: list[_Equation]) -> tuple[list[Claim], list[Head]]:
    """A claim per step, one per chain of several steps, and the heads of the chains.

    A chain in running notation ("12-8=4+2=6") does not say that its head is its end.
    """
    claims: list[Claim] = []
    heads: list[Head] = []
    head: _Equation | None = None
    running = False
    for index, equation in enumerate(equations):
        if head is None or not equation.continues:
            head, running = equation, False
            heads.append(Head(equation.left, equation.left_span))
        chain = len(heads) - 1
        step = _step(equation, chain)
        running = running or step.value != equation.right
        if not _is_number(equation.left):
            claims.append(step)
        ends = index + 1 == len(equations) or not equations[index + 1].continues
        if ends and head is not equation and not running and not _is_number(head.left):
            claims.append(Claim(head.left, equation.right, equation.right_span, chain, whole=True))
    return claims, heads


def _step(equation: _Equation, chain: int) -> Claim:
    """The claim of one equation.

    Running notation writes "12-8=4+2=6" for 12-8=4, 4+2=6: when only the first number of the right side
    makes the equation true, that number is the result.
    """
    left, right = parse_expression(equation.left), parse_expression(equation.right)
    first = re.match(r"\d+(?:\.\d+)?", equation.right)
    if left is not None and right is not None and first is not None and left.value != right.value:
        running = parse_expression(first[0])
        if running is not None and running.value == left.value:
            start = equation.right_span[0]
            return Claim(equation.left, first[0], (start, start + len(first[0])), chain)
    return Claim(equation.left, equation.right, equation.right_span, chain)


def _is_number(text: str) -> bool:
    return text.lstrip("+-").isdigit()


def _plain(text: str) -> str:
    return text.replace(" ", "").replace("−", "-").lstrip(".:")


def _trimmed(text: str, span: Span) -> tuple[str, Span]:
    """The right side without the punctuation that ends its sentence."""
    kept = text.rstrip(".:")
    return _plain(kept), (span[0], span[0] + len(kept))
