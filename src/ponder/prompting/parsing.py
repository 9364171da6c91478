"""Parsing of a completion into reasoning, answer and summary, and the verdict on its format.

The text is untrusted: no input raises, and the time is linear in its length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Tags:
    """The tag names a template asks for.

    With `answer=None` there is no answer tag: the answer is the summary, whatever follows the
    reasoning (the chat format of R1, where the final value stands in a box).
    """

    reasoning: str = "think"
    answer: str | None = "answer"


THINK_TAGS = Tags()
REASONING_TAGS = Tags(reasoning="reasoning")
SUMMARY_TAGS = Tags(answer=None)

PLACEHOLDERS = frozenset({"...", "…", "reasoning process here", "thinking process here", "answer here"})
"""What the templates print between their tags; a copy of it is not reasoning and not an answer."""

_INVISIBLE = dict.fromkeys(
    [0x00AD, 0x115F, 0x1160, 0x2800, 0x3164, 0xFEFF, 0xFFA0, *range(0x200B, 0x2010), *range(0x2060, 0x2065)]
)


@dataclass(frozen=True, slots=True)
class ParsedCompletion:
    """The parts of one completion. Absent parts are empty strings."""

    text: str
    """What was parsed: the prefill followed by the completion."""
    tags: Tags
    reasoning: str
    """Content of the closed reasoning blocks, stripped; of the open one when none is closed."""
    answer: str
    """Content of the last complete answer pair outside the reasoning, stripped."""
    summary: str
    """What follows the last reasoning block, answer tags removed, stripped."""
    num_answers: int
    """Complete answer pairs outside the reasoning."""
    fault: str
    """Why the format is wrong, "" when it is right."""

    @property
    def well_formed(self) -> bool:
        """Exactly one reasoning pair, then exactly one answer pair, and nothing else but space."""
        return not self.fault


class _Event(NamedTuple):
    """A tag in the text. A named tuple: parsing is on the path of every completion."""

    kind: str
    """"r" / "/r" reasoning opened / closed, "a" / "/a" answer."""
    start: int
    end: int


def is_blank(text: str) -> bool:
    """Whether nothing can be seen: white space and invisible characters only."""
    return not _visible(text)


def _visible(text: str) -> str:
    """`text` stripped, without invisible characters."""
    return text.strip() if text.isascii() else text.translate(_INVISIBLE).strip()


def parse_completion(
    text: str, prefill: str = "", tags: Tags = THINK_TAGS, min_reasoning_chars: int = 1
) -> ParsedCompletion:
    """The parts of `text`, and whether it keeps the format that `tags` ask for.

    `prefill` is the end of the prompt that belongs to the reply: a prefilled opening tag counts as
    written. `min_reasoning_chars` visible characters of reasoning are required for the format
    verdict (0: an empty block will do).

    The answer with no complete pair is ""; with several it is the last one, and the format is wrong.
    An answer inside a closed reasoning block is reasoning. A closing reasoning tag that was never
    opened closes a block that began with the text. The caller has taken the end-of-sequence token
    off the text.
    """
    full = prefill + text
    events = _events(full, tags)
    blocks = _reasoning_blocks(events)
    answers = _answer_spans(events, blocks)
    after = blocks[-1][2] if blocks else 0
    summary = _tag_pattern(tags).sub("", full[after:]).strip()
    reasoning = _reasoning(full, events, blocks)
    if tags.answer is None:
        answer = "" if _open_at_end(events) else summary
    else:
        answer = full[slice(*answers[-1])].strip() if answers else ""
    return ParsedCompletion(
        text=full,
        tags=tags,
        reasoning=reasoning,
        answer=answer,
        summary=summary,
        num_answers=len(answers),
        fault=_format_fault(full, events, tags, min_reasoning_chars),
    )


@lru_cache(maxsize=16)
def _tag_pattern(tags: Tags) -> re.Pattern[str]:
    names = [tags.reasoning] + ([tags.answer] if tags.answer else [])
    return re.compile(f"</?(?:{'|'.join(re.escape(name) for name in names)})>")


def _events(text: str, tags: Tags) -> list[_Event]:
    """The tags of the text in order."""
    kinds = {f"<{tags.reasoning}>": "r", f"</{tags.reasoning}>": "/r", f"<{tags.answer}>": "a"}
    return [
        _Event(kinds.get(match.group(), "/a"), match.start(), match.end())
        for match in _tag_pattern(tags).finditer(text)
    ]


def _reasoning_blocks(events: list[_Event]) -> list[tuple[int, int, int]]:
    """(start of content, end of content, end of closing tag) of each closed reasoning block."""
    blocks: list[tuple[int, int, int]] = []
    opened: int | None = None
    for event in events:
        if event.kind == "r" and opened is None:
            opened = event.end
        elif event.kind == "/r" and (opened is not None or not blocks):
            # A first closing tag with no opening one: the prompt opened it without telling us.
            blocks.append((opened or 0, event.start, event.end))
            opened = None
    return blocks


def _answer_spans(events: list[_Event], blocks: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Spans of the answers' contents, outside closed reasoning blocks, in order."""
    spans = []
    opened: int | None = None
    index = 0
    for event in events:
        while index < len(blocks) and event.start >= blocks[index][2]:
            index += 1
        if index < len(blocks) and blocks[index][0] <= event.start < blocks[index][2]:
            opened = None
        elif event.kind == "a":
            opened = event.end
        elif event.kind == "/a" and opened is not None:
            spans.append((opened, event.start))
            opened = None
    return spans


def _reasoning(text: str, events: list[_Event], blocks: list[tuple[int, int, int]]) -> str:
    if blocks:
        return "\n".join(text[start:end] for start, end, _ in blocks).strip()
    opens = [event for event in events if event.kind == "r"]
    if not opens:
        return ""
    end = next((e.start for e in events if e.kind == "a" and e.start >= opens[0].end), len(text))
    return text[opens[0].end : end].strip()


def _open_at_end(events: list[_Event]) -> bool:
    """Whether the text ends inside a reasoning block: what was seen last is no answer."""
    return bool(events) and events[-1].kind == "r"


def _format_fault(text: str, events: list[_Event], tags: Tags, min_reasoning_chars: int) -> str:
    """Why the format is wrong, or ""."""
    kinds = [event.kind for event in events]
    expected = ["r", "/r", "a", "/a"] if tags.answer else ["r", "/r"]
    if kinds != expected:
        return _tag_fault(kinds, tags)
    opened, closed = events[0], events[1]
    reasoning = text[opened.end : closed.start]
    if tags.answer:
        answer = text[events[2].end : events[3].start]
        between, after = text[closed.end : events[2].start], text[events[3].end :]
    else:
        answer, between, after = text[closed.end :], "", ""
    if not is_blank(text[: opened.start]):
        return f"text before <{tags.reasoning}>"
    if not is_blank(between):
        return f"text between </{tags.reasoning}> and <{tags.answer}>"
    if not is_blank(after):
        return f"text after </{tags.answer}>"
    return _content_fault(reasoning, answer, min_reasoning_chars)


def _content_fault(reasoning: str, answer: str, min_reasoning_chars: int) -> str:
    visible = _visible(reasoning)
    if min_reasoning_chars > 0 and visible.lower() in PLACEHOLDERS:
        return "the reasoning is the template's placeholder"
    if len(visible) < min_reasoning_chars:
        return f"{len(visible)} characters of reasoning, at least {min_reasoning_chars} are asked for"
    shown = _visible(answer)
    if not shown:
        return "empty answer"
    if shown.lower() in PLACEHOLDERS:
        return "the answer is the template's placeholder"
    return ""


def _tag_fault(kinds: list[str], tags: Tags) -> str:
    """One line on the first way in which the sequence of tags is not the wanted one."""
    names = {"r": tags.reasoning, "/r": "/" + tags.reasoning, "a": f"{tags.answer}", "/a": f"/{tags.answer}"}
    for kind in ("r", "/r", "a", "/a") if tags.answer else ("r", "/r"):
        count = kinds.count(kind)
        if count == 0:
            return f"no <{names[kind]}>"
        if count > 1:
            return f"<{names[kind]}> {count} times"
    return "tags in the wrong order: " + " ".join(f"<{names[kind]}>" for kind in kinds)
