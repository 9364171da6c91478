"""Notation that means nothing: full-width forms, dashes, decoration around an answer."""

from __future__ import annotations

_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20,
    0x00A0: 0x20,
    0x2007: 0x20,
    0x2009: 0x20,
    0x202F: 0x20,
    0x2212: 0x2D,
    0x2010: 0x2D,
    0x2011: 0x2D,
    0x2013: 0x2D,
    0xFE63: 0x2D,
    0x3002: 0x2E,
    0x3001: 0x2C,
}
"""Full-width ASCII, special spaces, minus signs and hyphens, the ideographic stop and comma.

Not Unicode's compatibility folding: that turns a superscript into a digit ("5²" into "52").
"""


def fold_width(text: str) -> str:
    """`text` with full-width characters, spaces and minus signs as their ASCII twins."""
    return text if text.isascii() else text.translate(_WIDTH)


def strip_decoration(text: str) -> str:
    """`text` without what surrounds an answer: space, markdown stars, quotes, a final stop."""
    return text.strip().strip("*`\"'“”‘’ \n\t").rstrip(".。 \n\t").strip("*`\"'“”‘’ \n\t")


def unwrap(text: str) -> str:
    r"""The content of one LaTeX wrapping of the whole text: $..$, \(..\), \[..\], \boxed{..}, \text{..}.

    Nested ones are taken off in turn; text that is not wrapped comes back as it is.
    """
    for _ in range(6):
        inner = _unwrap_once(text)
        if inner == text:
            break
        text = inner
    return text


_BRACED = ("\\boxed{", "\\fbox{", "\\text{", "\\textbf{", "\\mathrm{", "\\mathbf{", "\\mbox{")
_PAIRS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"))


def _unwrap_once(text: str) -> str:
    text = text.strip()
    for opening, closing in _PAIRS:
        if text.startswith(opening) and text.endswith(closing) and len(text) >= len(opening) + len(closing):
            inner = text[len(opening) : -len(closing)]
            if opening not in inner and closing not in inner:
                return inner.strip()
    for opening in _BRACED:
        if text.startswith(opening) and closing_brace(text, len(opening)) == len(text) - 1:
            return text[len(opening) : -1].strip()
    return text


def closing_brace(text: str, start: int) -> int:
    """Index of the brace that closes the one just before `start`, -1 if none does. Linear time."""
    depth = 1
    index = start
    while index < len(text):
        char = text[index]
        if char == "\\":
            index += 1
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return index
        index += 1
    return -1
