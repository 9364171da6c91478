r"""Reward `structure`: order and number of the tags, and what was opened, left empty or put after the end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ponder.prompting import ParsedCompletion, is_blank
from ponder.prompting.parsing import PLACEHOLDERS
from ponder.rewards.parts import Part, mean_of_parts, part_weights
from ponder.rewards.tags import expected_tags

_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([^{}\n]{1,40})\}")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_PAIRS = (("([", ")]"), ("{", "}"), ("（", "）"), ("【", "】"), ("「", "」"), ("『", "』"), ("《", "》"))
"""Opening and closing characters of each kind. Round and square ones are one kind: intervals mix them."""


def order(part: ParsedCompletion) -> float:
    """1 when every tag of the template is there and their first places are in its order; otherwise 0."""
    places = [part.text.find(tag) for tag in expected_tags(part.tags)]
    return float(places[0] >= 0 and all(a < b for a, b in pairwise(places)))


def count(part: ParsedCompletion) -> float:
    """The share of the template's tags that occur exactly once."""
    wanted = expected_tags(part.tags)
    return sum(part.text.count(tag) == 1 for tag in wanted) / len(wanted)


def closed(part: ParsedCompletion) -> float:
    """`closed_share` of the text."""
    return closed_share(part.text)


def summary(part: ParsedCompletion) -> float:
    """1 when the reasoning ends and something follows it; otherwise 0."""
    return float(f"</{part.tags.reasoning}>" in part.text and not is_blank(part.summary))


def answer(part: ParsedCompletion) -> float:
    """1 for an answer that is neither empty nor the template's placeholder; otherwise 0."""
    return float(not is_blank(part.answer) and part.answer.lower() not in PLACEHOLDERS)


def tail(part: ParsedCompletion) -> float:
    """1 when nothing follows the answer; 0 for text after its closing tag, and without one.

    Where the template has no tag for it, the answer is all that follows the reasoning: as `answer`.
    """
    if part.tags.answer is None:
        return answer(part)
    return float(is_blank(part.text.rpartition(f"</{part.tags.answer}>")[2]))


PARTS: dict[str, Part] = {
    "order": order,
    "count": count,
    "closed": closed,
    "summary": summary,
    "answer": answer,
    "tail": tail,
}
"""The parts of `structure`, each in [0, 1]."""


def structure(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    parsed: Sequence[ParsedCompletion],
    parts: dict[str, float] | None = None,
    **columns: Any,
) -> list[float | None]:
    """The weighted mean of order, count, closed, summary, answer and tail; in [0, 1].

    `parts` gives the weights of those that are wanted, for example {closed: 1, tail: 0.5}; without it
    all of them count 1. A blank completion earns 0.
    """
    weights = part_weights("structure", PARTS, parts)
    return [mean_of_parts(part, PARTS, weights) for part in parsed]


def closed_share(text: str) -> float:
    r"""1 - unclosed / opened, over brackets, braces, LaTeX environments, formulas and code fences.

    Counted, not nested: of each kind, unclosed is what was opened more often than closed. More closing
    than opening marks are no fault ("1) ... 2) ..."). Brackets inside code and escaped braces are not
    counted. 1 for a text that opens nothing.
    """
    fences = text.count("```")
    opened, unclosed = (fences + 1) // 2, fences % 2
    text = _CODE.sub(" ", text).replace("\\\\", " ")
    for starts, ends in (*_environments(text), (text.count("\\["), text.count("\\]"))):
        opened, unclosed = opened + starts, unclosed + max(0, starts - ends)
    starts, ends, displays = text.count("\\("), text.count("\\)"), text.count("$$")
    opened += starts + (displays + 1) // 2
    unclosed += max(0, starts - ends) + displays % 2
    text = _ESCAPED.sub(" ", text)
    for opening, closing in _PAIRS:
        starts, ends = sum(map(text.count, opening)), sum(map(text.count, closing))
        opened, unclosed = opened + starts, unclosed + max(0, starts - ends)
    return 1.0 - unclosed / opened if opened else 1.0


def _environments(text: str) -> list[tuple[int, int]]:
    r"""(times begun, times ended) of each LaTeX environment."""
    found: Mapping[tuple[str, str], int] = Counter(_ENVIRONMENT.findall(text))
    return [(times, found.get(("end", name), 0)) for (kind, name), times in found.items() if kind == "begin"]
