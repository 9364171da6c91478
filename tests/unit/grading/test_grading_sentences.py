"""Sentences and capitals; the counts are nltk's (Punkt, word_tokenize) unless the case says otherwise."""

import time

import pytest

from ponder.grading.sentences import count_capital_words, count_sentences


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("no stop at the end", 1),
        ("One. Two! Three?", 3),
        ("Really?! Yes it is.", 2),
        ("Wait for it... and go. Done", 2),
        ("**Stop!** Then go. *Why?* Because.", 4),
        ('He said "Stop." Then left. (Go.) Now.', 4),
        ("Dr. Smith met Mr. J. Doe at 5.30 p.m. today.", 1),
        ("At 5 p.m. John left. At 6 p.m. The shop closed.", 3),
        ("In the U.S. The law is old.", 2),
        ("So am I. He left.", 2),
        ("1. Create a quad\n2. Extrude each", 3),
        ("1. create a quad\n2. extrude each", 1),
        ("A. Cats\nB. Dogs", 3),
        ("In 1999. War came. It cost $3.50 in 1999. the year", 3),
        ("P.S. I love you.", 2),
        ("What?Yes.No. End", 2),
        # nltk counts otherwise: here a stop alone is no sentence, and "e.g." and "No." before 5 end none.
        ("!!! ??? ...", 0),
        ("Fruit, e.g. apples. See No. 5 and Fig. 2 now.", 2),
        ("第一句。第二句！第三句？", 3),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert count_sentences(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Nasa and esa, 12 34", 0),
        ("NASA, ESA; (JAXA)!", 3),
        ("I am A1 at the U.S. Open", 3),
        ("NASA's AND the ESA’s", 3),
        ("DON'T and IT'S and I'M", 6),
        ("CANNOT", 2),
        ("R&D and A/B and X-RAY", 4),
        ("A,B but P,2.5", 3),
        ("**BOLD** 'QUOTED'", 2),
        ("Ünder ÜBER", 1),
    ],
)
def test_capitals(text: str, count: int) -> None:
    assert count_capital_words(text) == count


@pytest.mark.parametrize(
    "text", [". " * 100_000, "1. " * 80_000, "A'" * 100_000, "Mr. " * 60_000, "'" * 200_000]
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    start = time.process_time()
    count_sentences(text)
    count_capital_words(text)
    assert time.process_time() - start < 5
