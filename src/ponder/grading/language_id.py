"""Which language a text is in: by its script where that decides, otherwise by py3langid's model.

The model (naive Bayes over byte n-grams, in the package, no download) is loaded once, when first needed. It
is never changed after that: one copy per set of candidates, so that threads and repeated calls see the same.
"""

from __future__ import annotations

import copy
import importlib.util
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ponder.errors import PreflightError, RecipeError, nearest
from ponder.grading.scripts import LANGUAGE_SCRIPTS, composed, count_words

KANA_SHARE = 0.1
"""Of a text's Han and kana, this much kana makes it Japanese: Chinese has none but in quotations."""

READ_CHARS = 20_000
"""The model reads so much of a text."""
_LOADING = threading.Lock()


@lru_cache(maxsize=1)
def require_model() -> None:
    """Raises PreflightError where py3langid is not installed: asked before a run, not at the first text."""
    if importlib.util.find_spec("py3langid") is None:
        raise PreflightError(
            "languages that share a script (English and German, Arabic and Persian) are told apart by "
            "py3langid, which is not installed: pip install py3langid"
        )


def identify(text: str, languages: Sequence[str] | None = None) -> str | None:
    """The language (ISO 639-1) that most of `text` is in; None when it has no words of any candidate.

    The script with the most words decides first, then the model among the languages of that script.
    `languages` are the candidates; by default all of `LANGUAGE_SCRIPTS`. The same text always gets the
    same answer. Raises RecipeError for a language that is not in the table, PreflightError without py3langid.
    """
    candidates = tuple(languages or LANGUAGE_SCRIPTS)
    for code in candidates:
        if code not in LANGUAGE_SCRIPTS:
            raise RecipeError(f'language "{code}" is unknown.{nearest(code, LANGUAGE_SCRIPTS)}')
    text = composed(text)
    counts = count_words(text)
    if "kana" in counts and counts["kana"] < KANA_SHARE * (counts["kana"] + counts.get("han", 0)):
        del counts["kana"]
    if "kana" in counts:
        counts["kana"] += counts.pop("han", 0)
    # Japanese without kana is a name or a title; among texts, Han alone is Chinese.
    spoken = {script: _speakers(script, candidates) for script in counts}
    usable = [script for script in counts if spoken[script]]
    if not usable:
        return None
    script = max(usable, key=lambda name: counts[name])
    if len(spoken[script]) == 1:
        return spoken[script][0]
    return str(model(spoken[script]).classify(text[:READ_CHARS])[0])


def _speakers(script: str, candidates: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(code for code in candidates if script in LANGUAGE_SCRIPTS[code])
    return ("zh",) if script == "han" and "zh" in found else found


@lru_cache(maxsize=32)
def model(languages: tuple[str, ...]) -> Any:
    """py3langid's identifier for these candidates. Not to be changed: it is shared."""
    narrowed = copy.copy(_whole_model())
    narrowed.set_languages(languages)
    return narrowed


def _whole_model() -> Any:
    with _LOADING:
        return _load()


@lru_cache(maxsize=1)
def _load() -> Any:
    require_model()
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
