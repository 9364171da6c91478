"""Sentences and words in capitals, counted by rules: no models, no downloads, linear time.

They stand in for nltk's Punkt model and word tokenizer, which the published IFEval program uses, and were
compared with both on real answers (`tests/figures/ifeval_prompts.py` prints the agreement).
"""

from __future__ import annotations

import re

_ABBREVIATIONS = frozenset((
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "messrs", "gen", "col", "lt", "sgt", "capt",
    "maj", "adm", "rev", "hon", "gov", "sen", "rep", "reps", "pres", "vs", "etc", "e.g", "i.e", "cf",
    "al", "ed", "eds", "est", "approx", "dept", "inc", "ltd", "co", "corp", "bros", "jan", "feb", "mar",
    "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "mon", "tues", "wed", "thu",
    "thurs", "fri", "sat", "a.m", "p.m", "u.s", "u.k", "u.n", "u.s.a", "ph.d", "m.d", "b.a", "m.a",
    "d.c",
))  # fmt: skip
_BEFORE_NUMBERS = frozenset((
    "no", "nos", "vol", "fig", "figs", "eq", "pp", "p", "ch", "sec",
))  # fmt: skip
_STARTERS = frozenset((
    "a", "an", "the", "this", "that", "these", "those", "it", "its", "he", "she", "they", "we", "you",
    "his", "her", "their", "our", "my", "your", "i", "there", "here", "and", "but", "or", "so", "yet",
    "if", "when", "while", "since", "because", "although", "though", "after", "before", "once", "until",
    "as", "at", "by", "for", "from", "in", "of", "on", "to", "with", "without", "however", "moreover",
    "therefore", "thus", "then", "now", "what", "who", "why", "how", "where", "which", "some", "many",
    "most", "all", "each", "every", "both", "such", "no", "not", "yes",
))  # fmt: skip
"""Capitalised after an abbreviation, these are the beginning of a sentence rather than a name."""
_END = re.compile(r"[.!?]+(?=[\s)\]}\"'”’*:;@({\[]|\Z)|[。！？]+")
_LAST_WORD = re.compile(r"[\w.]{1,24}\Z")
_NEXT_WORD = re.compile(r"[\W_]{0,40}([^\W_]*)")


def count_sentences(text: str) -> int:
    """How many sentences `text` has: stretches with a letter or digit in them that end in . ! ? or 。！？.

    A full stop after an abbreviation, an initial or in an ellipsis ends a sentence only where the next word
    is one that sentences begin with, in a capital. The number of a list's item is a sentence of its own when
    the item begins with a capital: so the published program has it. What stands after the last stop counts,
    too; a line break alone ends none.
    """
    count, start = 0, 0
    for match in _END.finditer(text):
        if not _ends_sentence(text, match):
            continue
        count += any(char.isalnum() for char in text[start : match.start()])
        start = match.end()
    return count + any(char.isalnum() for char in text[start:])


def _ends_sentence(text: str, stop: re.Match[str]) -> bool:
    signs = stop.group()
    if signs.strip("."):
        return True
    following = _NEXT_WORD.match(text, stop.end())
    word = following.group(1) if following else ""
    if not word:
        return True
    begins = word[0].isupper() and word.lower() in _STARTERS
    if len(signs) > 1:
        return begins
    found = _LAST_WORD.search(text, max(0, stop.start() - 24), stop.start())
    before = found.group().lower() if found else ""
    at_line_start = found is not None and text[max(0, found.start() - 1) : found.start()] in ("", "\n")
    if before.isdigit() or (len(before) == 1 and at_line_start):
        return not word[0].islower()
    if before in _BEFORE_NUMBERS and word[0].isdigit():
        return False
    if before in _ABBREVIATIONS or (len(before) == 1 and before.isalpha()):
        return begins
    return True


_APART = re.compile(r"[;@#$%&?!\[\](){}<>\"“”‘’«»„]|[,:](?!\d)|--+|\.{2,}")
_SHORT_FORM = re.compile(r"(?i)(?=n't\b)|(?<=\w)(?='(?:s|m|d|ll|re|ve)\b)")
_TWO_WORDS = re.compile(r"(?i)\b(?:can(?=not\b)|gim(?=me\b)|gon(?=na\b)|got(?=ta\b)|lem(?=me\b)|wan(?=na\b))")


def count_capital_words(text: str) -> int:
    """How many words have letters and no small one: "NASA", "I", "U.S.", "A-1"; DON'T and CANNOT are two.

    Words are what nltk's tokenizer makes of English: marks other than . - / ' * part them.
    """
    spaced = _SHORT_FORM.sub(" ", _TWO_WORDS.sub(r"\g<0> ", _APART.sub(" ", text)))
    return sum(1 for token in spaced.split() if token.isupper())
