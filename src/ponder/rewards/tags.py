r"""Rewards `tags` and `format_lines`: the tags of the template, counted and in their places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ponder.prompting import ParsedCompletion, Tags


def expected_tags(tags: Tags) -> tuple[str, ...]:
    """The tags a template asks for, in their order."""
    names = [tags.reasoning] + ([tags.answer] if tags.answer else [])
    return tuple(tag for name in names for tag in (f"<{name}>", f"</{name}>"))


def tags(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    parsed: Sequence[ParsedCompletion],
    partial: bool = True,
    lines: bool = False,
    **columns: Any,
) -> list[float | None]:
    r"""The share of the template's tags that occur exactly once, after those before them; in [0, 1].

    With `partial: false` 1 for all of them, otherwise 0. With `lines` the order does not count and line
    breaks do, as in open-r1's `tag_count`: a quarter each for "<think>\n", "\n</think>\n", "\n<answer>\n"
    and "\n</answer>" exactly once. A prefilled tag counts as written.
    """
    count = _count_lines if lines else _count_in_order
    shares = [count(part) / len(expected_tags(part.tags)) for part in parsed]
    return [share if partial else float(share == 1.0) for share in shares]


def _count_in_order(part: ParsedCompletion) -> int:
    found = end = 0
    for tag in expected_tags(part.tags):
        place = part.text.find(tag)
        if place >= end and part.text.find(tag, place + 1) < 0:
            found += 1
            end = place + len(tag)
    return found


def _count_lines(part: ParsedCompletion) -> int:
    reasoning, answer = part.tags.reasoning, part.tags.answer
    wanted = [f"<{reasoning}>\n", f"\n</{reasoning}>\n"]
    wanted += [f"\n<{answer}>\n", f"\n</{answer}>"] if answer else []
    return sum(part.text.count(tag) == 1 for tag in wanted)


def format_lines(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    parsed: Sequence[ParsedCompletion],
    code: str = "",
    **columns: Any,
) -> list[float | None]:
    r"""1 when the text begins with the blocks of reasoning and answer, tags on their own lines; otherwise 0.

    What open-r1's `format` accepts, `^<think>\n.*?\n</think>\n<answer>\n.*?\n</answer>$` with re.DOTALL and
    re.MULTILINE, with the run's tags and in linear time: more lines may follow, and tags may be repeated.
    With `code: python` the answer must hold a code block of that language, as in its `code_format`.
    """
    return [float(_in_lines(part.text, part.tags, code)) for part in parsed]


def _in_lines(text: str, tags: Tags, code: str) -> bool:
    """Each piece is looked for from the end of the one before it: its first place leaves the most room."""
    reasoning, answer = tags.reasoning, tags.answer or "answer"
    opening, closing = f"<{reasoning}>\n", f"\n</{answer}>"
    if not text.startswith(opening):
        return False
    end = len(opening)
    for piece in (f"\n</{reasoning}>\n<{answer}>\n", *((f"```{code}", "```") if code else ())):
        place = text.find(piece, end)
        if place < 0:
            return False
        end = place + len(piece)
    last = len(text) - len(closing)
    return text.find(f"{closing}\n", end) >= 0 or (text.endswith(closing) and last >= end)
