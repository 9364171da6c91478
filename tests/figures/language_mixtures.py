"""How exact the language reward is on texts of two languages in known proportion.

    PONDER_DATA=... python tests/figures/language_mixtures.py

Sentences of A and of B are interleaved: whole sentences in turns of one, two or four, or pieces of so many
words, cut without regard to grammar. The true share is counted by the reward's own rule (in scripts without
spaces each character is a word), and every word of a sentence of A counts as A's, foreign names and terms
included. Only every other sentence of the file is used: the constants of `language_tags` were chosen on the
rest.
"""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ponder.grading.scripts import LANGUAGE_SCRIPTS, composed, count_words, find_words
from ponder.rewards import language_share
from ponder.tasks.benchmarks import data_folder
from ponder.tasks.files import read_rows

SENTENCES = 10
"""In each text."""
OF_A = (0, 1, 2, 5, 8, 9, 10)
TURNS = (("sentences", 1), ("sentences", 2), ("sentences", 4), ("words", 5), ("words", 10), ("words", 20))
REPEATS = 2
SEED = 7
BOUNDS = {"different scripts": 0.03, "one script": 0.08}


def main() -> None:
    folder = data_folder()
    if folder is None or not (folder / "langid_lingua.jsonl.gz").is_file():
        print("skipped: PONDER_DATA names no folder with langid_lingua.jsonl.gz")
        return
    sentences = defaultdict(list)
    for row in read_rows(folder / "langid_lingua.jsonl.gz"):
        if row["kind"] == "sentences":
            sentences[row["lang"]].append(composed(row["text"]))
    held_out = {language: texts[::2] for language, texts in sorted(sentences.items())}
    _mixtures(held_out)
    _single(folder, held_out)


def _mixtures(sentences: dict[str, list[str]]) -> None:
    errors = defaultdict(list)
    start, texts = time.perf_counter(), 0
    for a, b in itertools.permutations(sentences, 2):
        kind = "one script" if set(LANGUAGE_SCRIPTS[a]) & set(LANGUAGE_SCRIPTS[b]) else "different scripts"
        for of_a, turn, repeat in itertools.product(OF_A, TURNS, range(REPEATS)):
            rng = random.Random(f"{SEED} {a} {b} {of_a} {turn} {repeat}")
            text, true = mixture(sentences[a], sentences[b], of_a, turn, rng)
            error = abs(language_share(text, a) - true)
            texts += 1
            for key in ((kind,), (kind, *sorted((a, b))), (kind, f"turns of {turn[1]} {turn[0]}")):
                errors[key].append(error)
    seconds = time.perf_counter() - start
    print(f"{texts} texts of {SENTENCES} sentences, {texts / seconds:.0f} texts/s, mean absolute error:")
    for kind, bound in BOUNDS.items():
        mine = errors[(kind,)]
        held = "held" if statistics.mean(mine) <= bound else "missed"
        print(f"{kind}: {statistics.mean(mine):.4f} over {len(mine)} texts; bound {bound} {held}")
        for key in sorted(key for key in errors if key[0] == kind and len(key) > 1):
            mean, worst = statistics.mean(errors[key]), max(errors[key])
            flag = "" if mean <= bound else "  above the bound"
            print(f"  {' '.join(key[1:]):<24} {mean:.4f}  worst {worst:.3f}  {len(errors[key])} texts{flag}")


def mixture(
    from_a: Sequence[str], from_b: Sequence[str], of_a: int, turn: tuple[str, int], rng: random.Random
) -> tuple[str, float]:
    """A text of both languages in turns, and the share of its words that are of A's sentences."""
    a, b = rng.sample(from_a, of_a), rng.sample(from_b, SENTENCES - of_a)
    words_of_a, words_of_b = _num_words(a), _num_words(b)
    pieces = [(place, piece) for part in (a, b) for place, piece in _spread(_pieces(part, *turn))]
    text = " ".join(piece for _, piece in sorted(pieces, key=lambda each: each[0]))
    return text, words_of_a / (words_of_a + words_of_b)


def _num_words(texts: Sequence[str]) -> int:
    return sum(sum(count_words(text).values()) for text in texts)


def _pieces(sentences: Sequence[str], unit: str, size: int) -> list[str]:
    if unit == "sentences":
        return [" ".join(sentences[at : at + size]) for at in range(0, len(sentences), size)]
    text = " ".join(sentences)
    cuts = [word.start for word in find_words(text)][::size]
    return [text[at:end] for at, end in itertools.pairwise([0, *cuts[1:], len(text)])] if cuts else []


def _spread(pieces: Sequence[str]) -> list[tuple[float, str]]:
    """Each piece with its place between 0 and 1, so that two lists interleave evenly."""
    return [((number + 0.5) / len(pieces), piece) for number, piece in enumerate(pieces)]


def _single(folder: Path, sentences: dict[str, list[str]]) -> None:
    """Texts of one language: everything but foreign words should be in it."""
    sets = {f"sentences in {code}": (code, texts) for code, texts in sentences.items()}
    for name, field in (
        ("mgsm.jsonl", "question"),
        ("gsm8k_test.jsonl", "solution"),
        ("math500.jsonl", "solution"),
    ):
        if (folder / name).is_file():
            for row in read_rows(folder / name):
                code = row.get("lang", "en")
                sets.setdefault(f"{name} in {code}", (code, []))[1].append(row[field])
    print("texts of one language: mean share, texts below 1, lowest share, texts")
    for label, (code, texts) in sets.items():
        shares = [language_share(text, code) for text in texts]
        below = sum(share < 1 for share in shares)
        print(f"  {label:<24} {statistics.mean(shares):.4f} {below:>4} {min(shares):.2f} {len(shares):>5}")


if __name__ == "__main__":
    main()
