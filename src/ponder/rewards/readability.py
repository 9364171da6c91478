r"""Reward `readability`: what can be said by rules about how a text reads. No judge, no model."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from ponder.prompting import ParsedCompletion
from ponder.rewards.ngrams import WIDE
from ponder.rewards.parts import Part, mean_of_parts, part_weights

LONG_SENTENCE = 40
"""Words in a sentence above which it is hard to follow."""
LONG_PARAGRAPH = 150
"""Words in a paragraph above which it is a wall of text."""

_NOT_PROSE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`"
    # Formulas. Possessive, and none runs past another opening: an opening that is never closed costs a
    # look up to the next one, not up to the end.
    r"|\$\$[^$]*+(?:\$(?!\$)[^$]*+)*+\$\$|\$[^$\n]*\$"
    r"|\\\[[^\\]*+(?:\\(?![\[\]])[^\\]*+)*+\\\]|\\\([^\\]*+(?:\\(?![()])[^\\]*+)*+\\\)"
    r"|\\begin\{[^{}\n]{1,40}\}[^\\]*+(?:\\(?!begin\{|end\{)[^\\]*+)*+\\end\{[^{}\n]{1,40}\}"
    r"|\\[A-Za-z]++|</?[A-Za-z_|]{1,40}>|https?://\S++",
    re.DOTALL,
)
_WIDE = re.compile(f"[{WIDE}]+")
_WORD = re.compile(r"[^\W\d_][^\s。！？；]*")
_SENTENCE_END = re.compile(r"(?<![.!?])[.!?]++[\"'”’)\]*]*+(?=\s|\Z)|[。！？；]|\n")
_PARAGRAPH_END = re.compile(r"\n[^\S\n]*+\n|\n(?=[ \t]{0,8}(?:[-*+#>|]|\d{1,3}[.)、]))")
_LETTERS = re.compile(r"[^\W\d_]{4,}")
_HEADING = re.compile(r"^(#++)(.?)", re.MULTILINE)
_ALPHABETS = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", "HEBREW", "ARABIC", "DEVANAGARI")


@lru_cache(maxsize=4)
def prose(text: str) -> str:
    """The text with code, formulas, tags and addresses as spaces. Kept for the parts that follow."""
    return _NOT_PROSE.sub(" ", text)


def count_words(text: str) -> float:
    """Words of a text: from a letter to white space or a wide full stop; a wide character is half of one."""
    narrow, runs = _WIDE.subn(" ", text) if not text.isascii() else (text, 0)
    return len(_WORD.findall(narrow)) + 0.5 * (len(text) - len(narrow) + runs)


_words_in_all = lru_cache(maxsize=4)(count_words)
"""Kept for the parts that follow."""


def sentences(part: ParsedCompletion) -> float:
    """The share of words in sentences of at most 40 words. A line break ends a sentence, too."""
    return _share_in_short_pieces(prose(part.text), _SENTENCE_END, LONG_SENTENCE)


def paragraphs(part: ParsedCompletion) -> float:
    """The share of words in paragraphs of at most 150 words; items, headings and rows are of their own."""
    return _share_in_short_pieces(prose(part.text), _PARAGRAPH_END, LONG_PARAGRAPH)


def _share_in_short_pieces(text: str, end: re.Pattern[str], limit: int) -> float:
    """1 for a text without any word. A piece of no more characters than `limit` has no more words, either."""
    total = _words_in_all(text)
    counts = [count_words(piece) for piece in end.split(text) if len(piece) > limit]
    return 1.0 - sum(count for count in counts if count > limit) / total if total else 1.0


def scripts(part: ParsedCompletion) -> float:
    """The share of words in one alphabet; a Cyrillic word with a Latin letter in it is in two.

    Words of four letters or more outside formulas. Scripts without spaces stand beside any alphabet.
    """
    text = prose(part.text)
    words = [] if text.isascii() else _LETTERS.findall(text)
    mixed = sum(count for word, count in Counter(words).items() if not word.isascii() and _is_mixed(word))
    return 1.0 - mixed / len(words) if words else 1.0


def _is_mixed(word: str) -> bool:
    return len({_alphabet(char) for char in set(word)} - {""}) > 1


@lru_cache(maxsize=4096)
def _alphabet(char: str) -> str:
    """The alphabet of a letter, "" for one of a script that is none of them."""
    words = unicodedata.name(char, "").removeprefix("FULLWIDTH ").split(" ")
    return words[0] if words[0] in _ALPHABETS else ""


def markup(part: ParsedCompletion) -> float:
    """The share of Markdown marks that are well formed; 1 for a text without any.

    Headings are one to six "#" and a space; "**" and code fences come in pairs; a row of a table has as
    many "|" as the row above it. Fences are counted in the text, the others outside code and formulas.
    """
    text = prose(part.text)
    fences, bold = part.text.count("```"), text.count("**")
    headings = _HEADING.findall(text)
    marks, bad = (fences + 1) // 2 + (bold + 1) // 2 + len(headings), fences % 2 + bold % 2
    bad += sum(len(signs) > 6 or after not in (" ", "") for signs, after in headings)
    if "|" in text:
        bars = [line.count("|") if line.lstrip().startswith("|") else 0 for line in text.split("\n")]
        marks += len(bars) - bars.count(0)
        bad += sum(1 for above, below in pairwise(bars) if above and below and above != below)
    return 1.0 - bad / marks if marks else 1.0


def symbols(part: ParsedCompletion) -> float:
    """1 - the share of signs among the visible characters of the prose; letters, marks, digits are none."""
    kinds = _kinds(prose(part.text))
    visible = sum(count for kind, count in kinds.items() if kind[0] not in "ZC")
    signs = sum(count for kind, count in kinds.items() if kind[0] in "PS")
    return 1.0 - signs / visible if visible else 1.0


def printable(part: ParsedCompletion) -> float:
    """1 - the share of characters that are broken: control characters, halves of surrogate pairs,
    unassigned and private ones, and U+FFFD. White space is not counted."""
    counts = {char: count for char, count in _characters(part.text).items() if not char.isspace()}
    broken = sum(count for char, count in counts.items() if char == "\ufffd" or _is_broken(char))
    return 1.0 - broken / sum(counts.values()) if counts else 1.0


def _is_broken(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Cn", "Co")


@lru_cache(maxsize=2)
def _characters(text: str) -> Counter[str]:
    """How often each character occurs. Kept, because text and prose are often the same."""
    return Counter(text)


def _kinds(text: str) -> Counter[str]:
    """How many characters of each Unicode category there are."""
    kinds: Counter[str] = Counter()
    for char, count in _characters(text).items():
        kinds[unicodedata.category(char)] += count
    return kinds


PARTS: dict[str, Part] = {
    "sentences": sentences,
    "paragraphs": paragraphs,
    "scripts": scripts,
    "markup": markup,
    "symbols": symbols,
    "printable": printable,
}
"""The parts of `readability`, each in [0, 1]."""


def readability(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    parsed: Sequence[ParsedCompletion],
    parts: dict[str, float] | None = None,
    **columns: Any,
) -> list[float | None]:
    """The weighted mean of sentences, paragraphs, scripts, markup, symbols and printable; in [0, 1].

    `parts` gives the weights of those that are wanted, for example {sentences: 2, markup: 1}; without it
    all of them count 1. A blank completion earns 0. Ours; it is not the readability of a judge.
    """
    weights = part_weights("readability", PARTS, parts)
    return [mean_of_parts(part, PARTS, weights) for part in parsed]
