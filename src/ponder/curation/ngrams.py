"""Texts as tokens, and the n-grams of tokens as 64-bit hashes.

The paper says "10-gram" and not of what. Here a token is

- a run of letters, without case, accents and compatibility forms (Unicode NFKD, fullwidth included);
- a run of digits, of any script as ASCII, without thousands separators ("1,000", "1{,}000", "1000" are one);
- one character of a script that is written without spaces: Han, kana, Thai, Lao, Khmer, Burmese.

Everything else separates: punctuation, symbols, backslashes, underscores. LaTeX commands are words
(`\\frac{1}{2}` is "frac 1 2"). Simplified and traditional characters differ.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

PAPER_N = 10
"""Tokens of one match in the paper (DeepSeek-R1, evaluation set-up)."""

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_THOUSANDS = re.compile(r"(?<=[0-9])(?:,|\{,\}|\\,|\\!|,\\!|，)(?=[0-9]{3}(?![0-9]))")
_TOKEN = re.compile(r"[0-9]+|[^0-9\s]+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MAX_REMEMBERED = 1_000_000


def tokenize(text: str) -> list[str]:
    """The tokens of a text, in order."""
    if "," in text or "，" in text or "\\" in text:
        text = _THOUSANDS.sub("", text)
    return _TOKEN.findall(text.translate(_CHARACTERS))


def ngram_hashes(tokens: Sequence[str], n: int = PAPER_N) -> Hashes:
    """One hash per run of n tokens, in order; empty for fewer than n tokens. The same on every machine."""
    count = len(tokens) - n + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    if len(_WORDS) > _MAX_REMEMBERED:
        _WORDS.clear()
    words = np.array([_WORDS[token] for token in tokens], np.uint64)
    hashes = np.zeros(count, np.uint64)
    for place in range(n):
        hashes = hashes * _MULTIPLIER + words[place : place + count]
    return hashes


class _Characters(dict[int, str]):
    """What becomes of each character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        written = "".join(map(_written, unicodedata.normalize("NFKD", chr(code).casefold()).casefold()))
        self[code] = written
        return written


def _written(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category[0] == "L" or category in ("Mc", "Nl", "No"):
        code = ord(character)
        alone = code >= 0x0E00 and any(first <= code <= last for first, last in _UNSPACED)
        return f" {character} " if alone else character
    # Accents and what cannot be seen (soft hyphens, joiners, marks of direction) do not end a word.
    return "" if category in ("Mn", "Me", "Cf") else " "


class _Words(dict[str, int]):
    """The 64-bit hash of each word met."""

    def __missing__(self, word: str) -> int:
        found = int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        self[word] = found
        return found


_CHARACTERS = _Characters()
_WORDS = _Words()
