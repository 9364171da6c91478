r"""Finding the final answer in mathematical text, and one spelling for it.

An answer text may be a bare value, a value in prose, or a whole solution. What counts is, in this
order: the last \boxed{...}; what follows the last "####" (GSM8K); what follows the last "answer is"
(答案是); the whole text. A later guess replaces an earlier one, so that guessing twice gains nothing.
"""

from __future__ import annotations

import re

from ponder.grading.text import closing_brace, fold_width, strip_decoration, unwrap

_CALCULATOR = re.compile(r"<<[^<>]{0,200}>>")
_ANSWER_IS = re.compile(
    r"(?:\banswer|\bresult)(?:\s+is\b|\s*:)\s*:?\s*|答案\s*(?:是|为|:)\s*:?\s*|^A:\s*",
    re.IGNORECASE | re.MULTILINE,
)
_TEXT_COMMAND = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
_SPACING = re.compile(
    r"(?<!\\)\\[!,;: ]|(?<!\\)\\(?:quad|qquad|displaystyle|left|right|bigl|bigr|big|Big|limits)(?![A-Za-z])|~"
)
_DEGREES = re.compile(r"\s*(?:\^\s*\{?\s*\\circ\s*\}?|°)")
_GROUPED = re.compile(r"(?<=[0-9])\{,\}\s*(?=[0-9]{3})")
_SENTENCE_END = re.compile(r"[.](?:\s+(?=[A-Z\u4e00-\u9fff])|$)")
_BETWEEN_BOXES = re.compile(
    r"(?:[\s,;.$&]|\\quad|\\qquad|\\[,;() \]\[]|\\text\{\s*(?:and|or)\s*\}|\band\b|\bor\b|和|或){0,40}"
)
_BARE_BOX = re.compile(r"\s*([^\s${}\\]{1,40})(?=[\s$]|\Z)")
_MAX_BOXES = 32
_LOOSE_SPACE = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")
_BOX_COMMANDS = ("\\boxed", "\\fbox")


def final_answer(text: str) -> tuple[str, bool]:
    """(the part of `text` that holds the final answer, whether a marker pointed at it).

    Linear in the length of the text. Calculator annotations (<<48/2=24>>) are removed.
    """
    text = fold_width(text)
    boxed = last_boxed(text)
    if boxed is not None:
        return boxed, True
    _, hashes, after = text.rpartition("####")
    if hashes:
        return _CALCULATOR.sub("", after).strip().split("\n", 1)[0].strip(), True
    markers = list(_ANSWER_IS.finditer(text))
    if markers:
        rest = text[markers[-1].end() :].strip().split("\n\n", 1)[0].strip()
        rest = _SENTENCE_END.split(rest, maxsplit=1)[0].strip()
        if rest:
            return _CALCULATOR.sub("", rest), True
    return _CALCULATOR.sub("", text).strip(), False


def last_boxed(text: str) -> str | None:
    r"""The content of the last \boxed{...} (or \fbox{...}, or \boxed 7) with balanced braces, or None.

    Boxes in a row, with nothing but "and", commas or space between them, are one list: two boxed
    guesses are not the second one.
    """
    boxes: list[str] = []
    end = len(text)
    while True:
        start = max(text.rfind(command, 0, end) for command in _BOX_COMMANDS)
        found = _box_at(text, start) if start >= 0 else None
        if found is None or (boxes and not _BETWEEN_BOXES.fullmatch(text[found[1] : end])):
            return ", ".join(reversed(boxes)) if boxes else None
        boxes.append(found[0])
        end = start
        if len(boxes) == _MAX_BOXES:
            return ", ".join(reversed(boxes))


def _box_at(text: str, start: int) -> tuple[str, int] | None:
    """(content, index after it) of the box that begins at `start`; None when its brace is not closed."""
    begin = start + len(_BOX_COMMANDS[0] if text.startswith(_BOX_COMMANDS[0], start) else _BOX_COMMANDS[1])
    bare = _BARE_BOX.match(text, begin)
    if bare:
        return bare.group(1), bare.end()
    brace = text.find("{", begin)
    if brace < 0 or text[begin:brace].strip():
        return None
    end = closing_brace(text, brace + 1)
    return (text[brace + 1 : end].strip(), end + 1) if end > 0 else None


def clean(text: str) -> str:
    r"""One spelling of a mathematical text: wrappings, spacing commands, degree signs and decoration off.

    \dfrac and \tfrac become \frac, "\%" "%", "\$" "$", "1{,}000" "1,000".
    """
    if text.isalnum() and text.isascii():
        return text
    text = " ".join(strip_decoration(unwrap(strip_decoration(fold_width(text)))).split())
    if "\\" in text:
        text = text.replace(",\\!", "{,}")
        text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\cfrac", "\\frac")
        text = (
            text.replace("\\%", "%").replace("\\$", "$").replace("\\lbrace", "\\{").replace("\\rbrace", "\\}")
        )
        text = _TEXT_COMMAND.sub(r" \1 ", _SPACING.sub("", text))
    text = _GROUPED.sub(",", text).replace("{,}", ",")
    text = _DEGREES.sub("", text)
    return strip_decoration(unwrap(" ".join(text.split())))


def canonical(cleaned: str) -> str:
    """A text that `clean` returned, without space except between digits; one-letter answers without
    parentheses, words in lower case. Equal canonical texts are equal answers.
    """
    if cleaned.isdigit():
        return cleaned
    if cleaned.replace(" ", "").isalpha() and len(cleaned) > 1:
        return " ".join(cleaned.lower().split())
    letter = re.fullmatch(r"\(?\s*([A-Za-z])\s*\)?", cleaned)
    return letter.group(1) if letter else _LOOSE_SPACE.sub("", cleaned)
