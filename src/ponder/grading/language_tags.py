"""The language of each word of a mixed text.

Between scripts a word's letters decide, exactly. Among languages of one script a single word says little
(three of four are right among four languages), so the sequence decides: the best path through the words,
where each word is evidence for the languages it looks like, and each change of language has a price.
The constants were chosen on one half of published sentences (`tests/figures/language_mixtures.py` measures
on the other) and on English solutions of mathematical problems, which must stay English.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ponder.grading.language_id import model
from ponder.grading.scripts import LANGUAGE_SCRIPTS, Word

Scores = npt.NDArray[np.float32]

MOST_EVIDENCE = 8.0
"""Nats by which one word may speak against a language: a name or a term is no change of language."""
CHANGE = 12.0
"""Price of a change of language, in nats: clear words must outweigh it on the way there and back."""
CHANGE_AT_BREAK = 6.0
"""The same where a sentence ends."""
RECENT = 8
"""A word among the last so many says nothing new: "km" ten times in a calculation is no Swedish."""
MIN_DIFFERENT = 5
"""With fewer different words, all are taken to be in the expected language."""
_LONGEST = 40
"""Letters of a word that are read."""
_BREAK = re.compile(r"[.!?;:\n。！？；：…．؟۔।]")


def tag_words(
    words: Sequence[Word], text: str, languages: Sequence[str], expected: str | None = None
) -> list[str | None]:
    """The language of each word among the candidates; None for words in a script of none of them.

    `words` are those of `text` (`find_words`). `expected` is the candidate that needs no evidence: short
    and doubtful words are counted as its own.
    """
    tags: list[str | None] = [None] * len(words)
    for group in _sharing(tuple(languages)):
        scripts = {script for code in group for script in LANGUAGE_SCRIPTS[code]}
        places = [place for place, word in enumerate(words) if word.script in scripts]
        home = group.index(expected) if expected in group else None
        mine = [words[place] for place in places]
        for place, number in zip(places, _tag_sequence(mine, text, group, home), strict=True):
            tags[place] = group[number]
    return tags


@lru_cache(maxsize=256)
def _sharing(languages: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The candidates in groups; languages of different groups have no script in common."""
    groups: list[set[str]] = []
    for code in languages:
        scripts = set(LANGUAGE_SCRIPTS[code])
        touching = [group for group in groups if any(scripts & set(LANGUAGE_SCRIPTS[one]) for one in group)]
        groups = [group for group in groups if group not in touching]
        groups.append({code}.union(*touching))
    return tuple(tuple(code for code in languages if code in group) for group in groups)


def _tag_sequence(words: list[Word], text: str, group: tuple[str, ...], home: int | None) -> Sequence[int]:
    """For each word the number of its language in the group."""
    if len(group) == 1 or not words:
        return [0] * len(words)
    if home is not None and _is_plain(words, group, home):
        return [home] * len(words)
    evidence = _evidence(words, group)
    kept = list(range(len(group))) if home is None else _rivals(evidence, home)
    if len(kept) == 1:
        return _written(kept * len(words), words, group)
    return _written(_best_path(evidence, _prices(words, text), kept, home), words, group)


def _written(path: list[int], words: list[Word], group: tuple[str, ...]) -> list[int]:
    """The path, but for words whose script its language is not written in: kana in a Chinese sentence is
    Japanese, its neighbours are not."""
    writers = {
        script: [number for number, code in enumerate(group) if script in LANGUAGE_SCRIPTS[code]]
        for script in {word.script for word in words}
    }
    return [
        one if one in writers[word.script] else writers[word.script][0]
        for one, word in zip(path, words, strict=True)
    ]


def _is_plain(words: list[Word], group: tuple[str, ...], home: int) -> bool:
    """Whether the words need no model to be counted as the expected language's."""
    scripts = {word.script for word in words}
    if not scripts.issubset(LANGUAGE_SCRIPTS[group[home]]):
        return False
    if group[home] == "zh":
        return True  # no kana, or it would not be in Chinese script alone
    return len({word.text for word in words}) < MIN_DIFFERENT


def _evidence(words: list[Word], group: tuple[str, ...]) -> Scores:
    """Words by languages: nats below the likeliest language of the word."""
    evidence = np.array([_word_evidence(word.text[:_LONGEST], word.script, group) for word in words])
    last: dict[str, int] = {}
    repeated = []
    for place, word in enumerate(words):
        if place - last.get(word.text, -RECENT - 1) <= RECENT:
            repeated.append(place)
        last[word.text] = place
    if repeated:
        evidence[repeated] = 0.0
    return evidence


@lru_cache(maxsize=1 << 15)
def _word_evidence(text: str, script: str, group: tuple[str, ...]) -> Scores:
    identifier = model(group)
    priors = dict(zip(identifier.nb_classes, identifier.nb_pc.tolist(), strict=True))
    spaced = text if script == "han" or script == "kana" else f" {text.lower() if text.isupper() else text} "
    ranked = dict(identifier.rank(spaced))
    scores = np.array([ranked[code] - priors[code] for code in group], dtype=np.float32)
    written = np.array([script in LANGUAGE_SCRIPTS[code] for code in group])
    scores = np.maximum(scores - scores[written].max(), -MOST_EVIDENCE)
    return np.where(written, scores, np.float32(-MOST_EVIDENCE))


def _rivals(evidence: Scores, home: int) -> list[int]:
    """The expected language, and those that some stretch of words speaks for more than a change costs."""
    ahead = np.cumsum(evidence - evidence[:, home : home + 1], axis=0, dtype=np.float64)
    before = np.vstack([np.zeros((1, ahead.shape[1])), ahead[:-1]])
    gains = (ahead - np.minimum.accumulate(before, axis=0)).max(axis=0)
    return [one for one in range(evidence.shape[1]) if one == home or gains[one] > 2 * CHANGE_AT_BREAK]


def _prices(words: list[Word], text: str) -> list[float]:
    """What a change of language before each word costs."""
    prices = [CHANGE]
    for one, other in itertools.pairwise(words):
        between = text[one.start + len(one.text) : other.start]
        prices.append(CHANGE_AT_BREAK if _BREAK.search(between) else CHANGE)
    return prices


def _best_path(evidence: Scores, prices: list[float], kept: list[int], home: int | None) -> list[int]:
    """The likeliest sequence of languages among those kept (Viterbi).

    To begin or to end in another language than the expected one costs a change, too.
    """
    scores = evidence[:, kept].astype(np.float64)
    edge = np.zeros(len(kept))
    if home is not None:
        edge[[place for place, one in enumerate(kept) if one != home]] = -CHANGE
    came = np.empty(scores.shape, dtype=np.int64)
    stay = np.arange(len(kept))
    total = edge + scores[0]
    for place in range(1, len(scores)):
        best = int(total.argmax())
        changed = total[best] - prices[place]
        came[place] = np.where(changed > total, best, stay)
        total = np.maximum(total, changed) + scores[place]
    path = [int((total + edge).argmax())]
    for place in range(len(scores) - 1, 0, -1):
        path.append(int(came[place][path[-1]]))
    return [kept[one] for one in reversed(path)]
