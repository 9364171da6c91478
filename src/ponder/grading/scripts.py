"""Scripts, the languages written in them, and the words of a text with the script of each."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

_SCRIPTS = {
    "latin": "A-Za-zÀ-ÖØ-öø-ɏḀ-ỿＡ-Ｚａ-ｚ",
    "han": "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af",
    "kana": "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9d",
    "hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "cyrillic": "\u0400-\u052f",
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "arabic": "\u0610-\u061a\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06ff\u0750-\u077f"
    "\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "hebrew": "\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7-\u05f2",
    "devanagari": "\u0900-\u0963\u0970-\u097f",
    "bengali": "\u0980-\u09e5\u09f0-\u09ff",
    "gurmukhi": "\u0a01-\u0a5e\u0a70-\u0a75",
    "gujarati": "\u0a81-\u0ae3",
    "odia": "\u0b01-\u0b63\u0b71",
    "tamil": "\u0b82-\u0be3",
    "telugu": "\u0c00-\u0c65",
    "kannada": "\u0c80-\u0ce3",
    "malayalam": "\u0d00-\u0d65",
    "sinhala": "\u0d81-\u0ddf",
    "thai": "\u0e01-\u0e3e\u0e40-\u0e4e",
    "lao": "\u0e81-\u0ece\u0edc-\u0edf",
    "burmese": "\u1000-\u103f\u1050-\u109d",
    "khmer": "\u1780-\u17d3\u17dc",
    "georgian": "\u10a0-\u10fa\u10fc-\u10ff\u1c90-\u1cbf",
    "armenian": "\u0531-\u0556\u0561-\u0587",
    "ethiopic": "\u1200-\u135f\u1380-\u138f",
}
_PER_CHARACTER = ("han", "kana", "thai", "lao", "burmese", "khmer")
"""Written without spaces: each character counts as one word."""
OTHER = "other"
"""The script of words in none of the above."""

LANGUAGE_SCRIPTS: dict[str, tuple[str, ...]] = {
    "zh": ("han",), "ja": ("han", "kana"), "ko": ("hangul",),
    **dict.fromkeys(("ru", "uk", "bg", "mk"), ("cyrillic",)),
    **dict.fromkeys(("ar", "fa", "ur"), ("arabic",)),
    **dict.fromkeys(("hi", "mr", "ne"), ("devanagari",)),
    "el": ("greek",), "he": ("hebrew",), "bn": ("bengali",), "pa": ("gurmukhi",), "gu": ("gujarati",),
    "or": ("odia",), "ta": ("tamil",), "te": ("telugu",), "kn": ("kannada",), "ml": ("malayalam",),
    "si": ("sinhala",), "th": ("thai",), "lo": ("lao",), "my": ("burmese",), "km": ("khmer",),
    "ka": ("georgian",), "hy": ("armenian",), "am": ("ethiopic",),
    **dict.fromkeys(
        ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "vi", "sw", "af", "ca", "cs", "cy", "da", "et",
         "fi", "hr", "hu", "id", "lt", "lv", "no", "ro", "sk", "sl", "so", "sq", "sv", "tl"),
        ("latin",),
    ),
}  # fmt: skip
"""Languages (ISO 639-1) by script. Where several share one, `language_tags` tells them apart."""

_LETTERLIKE = "\u00aa\u00b5\u00ba\u2070-\u209f\u2100-\u214f\U0001d400-\U0001d7ff"
"""Signs of formulas that Unicode counts among the letters: ℝ, 𝑥, the ⁿ of an exponent, the µ of a unit."""
_RUNS = re.compile(
    r"(?=[^\W\d_])(?:"
    + "|".join(f"(?P<{name}>[{chars}]+)" for name, chars in _SCRIPTS.items())
    + f"|(?P<{OTHER}>[^\\W\\d_{_LETTERLIKE}](?:(?![{''.join(_SCRIPTS.values())}{_LETTERLIKE}])[^\\W\\d_])*))"
)
_VARIABLES = ("latin", "greek")


_ACCENTED = re.compile(r"\w[\u0300-\u036f]{1,3}")


class Word(NamedTuple):
    """One word of a text. A named tuple: rewards read every word of every completion."""

    text: str
    script: str
    """Key of the scripts, or `OTHER`."""
    start: int
    """Place in the text, as `composed` gives it."""


def composed(text: str) -> str:
    """The text with letters and their accents in one (Unicode NFC), as the tables here want it.

    Letter by letter: Unicode's algorithm takes quadratic time for a long run of accents.
    """
    return _ACCENTED.sub(lambda match: unicodedata.normalize("NFC", match.group()), text)


def count_words(text: str) -> dict[str, int]:
    """How many words a composed text has in each script; scripts without any are left out.

    A word is a run of letters of one script; in scripts without spaces each character is one. Digits are
    none, nor are single Latin and Greek letters: they are variables and labels.
    """
    counts: dict[str, int] = {}
    for match in _RUNS.finditer(text):
        script = match.lastgroup or OTHER
        length = match.end() - match.start()
        if script in _PER_CHARACTER:
            counts[script] = counts.get(script, 0) + length
        elif _is_word(match.group(), script):
            counts[script] = counts.get(script, 0) + 1
    return counts


def find_words(text: str) -> list[Word]:
    """The words that `count_words` counts, in order."""
    found = []
    for match in _RUNS.finditer(text):
        script, run, start = match.lastgroup or OTHER, match.group(), match.start()
        if script in _PER_CHARACTER:
            found += [Word(char, script, start + place) for place, char in enumerate(run)]
        elif _is_word(run, script):
            found.append(Word(run, script, start))
    return found


def _is_word(run: str, script: str) -> bool:
    if script in _VARIABLES:
        return len(run) > 1
    return script != OTHER or run.isalpha()  # ² and Ⅷ are numbers


@lru_cache(maxsize=len(LANGUAGE_SCRIPTS))
def script_partners(language: str) -> tuple[str, ...]:
    """The languages that share a script with `language`, itself included, in the order of the table."""
    own = set(LANGUAGE_SCRIPTS[language])
    return tuple(code for code, scripts in LANGUAGE_SCRIPTS.items() if own.intersection(scripts))
