"""Reward `language`: how much of the reasoning is in the language of the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ponder.errors import RecipeError, nearest
from ponder.prompting import ParsedCompletion
from ponder.types import Problem

_LATIN = "A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ"
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_SCRIPTS = {
    "latin": _LATIN,
    "han": _HAN,
    "kana": "\u3040-\u30ff",
    "hangul": "\uac00-\ud7af\u1100-\u11ff",
    "cyrillic": "\u0400-\u052f",
    "greek": "\u0370-\u03ff",
    "arabic": "\u0600-\u065f\u066e-\u06ef\u06fa-\u06ff",
    "hebrew": "\u0590-\u05ff",
    "devanagari": "\u0900-\u0963\u0970-\u097f",
    "bengali": "\u0980-\u09e5\u09f0-\u09ff",
    "telugu": "\u0c00-\u0c65",
    "thai": "\u0e01-\u0e4e",
}
_PER_CHARACTER = ("han", "kana", "thai")
"""Written without spaces: each character counts as one word."""

LANGUAGE_SCRIPTS: dict[str, tuple[str, ...]] = {
    "zh": ("han",), "ja": ("han", "kana"), "ko": ("hangul",),
    "ru": ("cyrillic",), "uk": ("cyrillic",), "bg": ("cyrillic",), "el": ("greek",),
    "ar": ("arabic",), "fa": ("arabic",), "ur": ("arabic",), "he": ("hebrew",),
    "hi": ("devanagari",), "bn": ("bengali",), "te": ("telugu",), "th": ("thai",),
    "en": ("latin",), "de": ("latin",), "fr": ("latin",), "es": ("latin",), "it": ("latin",),
    "pt": ("latin",), "nl": ("latin",), "pl": ("latin",), "tr": ("latin",),
    "vi": ("latin",), "sw": ("latin",),
}  # fmt: skip
"""Languages by script. Two languages of one script are not told apart."""

_NOT_WORDS = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`"  # code
    # LaTeX; bounded, because each opening that is never closed would search the whole text
    r"|\$\$.{0,2000}?\$\$|\$[^$\n]*\$|\\\[.{0,2000}?\\\]|\\\(.{0,2000}?\\\)"
    r"|\\begin\{(\w{1,20}\*?)\}.{0,2000}?\\end\{\1\}"
    r"|\\[A-Za-z]+|</?[A-Za-z_|]+>|https?://\S+",
    re.DOTALL,
)
_WORDS = re.compile(
    "|".join(
        f"(?P<{name}>[{chars}]{'' if name in _PER_CHARACTER else '+'})" for name, chars in _SCRIPTS.items()
    )
)


def language_share(text: str, language: str) -> float:
    """Words of the target language over all words of `text`, in [0, 1].

    Paper: Num(words of the target language) / Num(words), on the chain of thought (v2, B.6). Code,
    formulas and tags hold no words, nor do digits; single Latin letters are variables and labels. In
    scripts without spaces each character is a word: the paper does not say how it segments. Text
    without any word has nothing in a wrong language: 1; empty text: 0.
    Raises RecipeError for a language whose script is unknown.
    """
    scripts = _scripts_of(language)
    if not text.strip():
        return 0.0
    total = target = 0
    for match in _WORDS.finditer(_NOT_WORDS.sub(" ", text)):
        script = match.lastgroup
        if script == "latin" and match.end() - match.start() == 1:
            continue
        total += 1
        target += script in scripts
    return target / total if total else 1.0


def language(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    parsed: Sequence[ParsedCompletion],
    problem: Sequence[Problem],
    target: str = "",
    **columns: Any,
) -> list[float | None]:
    """`language_share` of the reasoning, or of the whole text when no reasoning is marked.

    `target` is the language asked for; by default the one of the question.
    """
    return [
        language_share(part.reasoning or part.text, target or asked.language)
        for part, asked in zip(parsed, problem, strict=True)
    ]


@lru_cache(maxsize=64)
def _scripts_of(language: str) -> tuple[str, ...]:
    code = language.lower().replace("_", "-").split("-")[0]
    if code not in LANGUAGE_SCRIPTS:
        raise RecipeError(
            f'reward language: the script of language "{language}" is unknown.'
            f"{nearest(code, LANGUAGE_SCRIPTS)}"
        )
    return LANGUAGE_SCRIPTS[code]
