"""The parts of `readability` and the marks of steps, with shares counted by hand."""

import pytest
from one_group import rewards_of

from ponder.prompting import parse_completion
from ponder.rewards.readability import PARTS, count_words, prose


@pytest.mark.parametrize(
    ("part", "text", "share"),
    [
        ("sentences", "We add. We are done.", 1.0),
        ("sentences", "word " * 41 + ". Short one here.", 3 / 44),
        ("sentences", "word " * 40 + ".", 1.0),
        ("sentences", "word " * 30 + "\n" + "word " * 30, 1.0),  # a line break ends a sentence
        ("sentences", "word " * 30 + "3.5 e.g.x " + "word " * 30, 0.0),  # a point inside a word does not
        ("sentences", "加" * 80 + "。" + "减" * 82 + "。", 80 / 162),  # a wide character is half a word
        ("sentences", "$" + "x " * 90 + "$ is it.", 1.0),  # a formula is no sentence
        ("sentences", "1 + 1 = 2", 1.0),
        ("paragraphs", "word " * 150, 1.0),
        ("paragraphs", "word " * 151, 0.0),
        ("paragraphs", "word " * 100 + "\n" + "word " * 100 + "\n\n" + "word " * 50, 50 / 250),
        ("paragraphs", "word " * 100 + "\n- " + "word " * 100, 1.0),  # an item is of its own
        ("scripts", "plain words only", 1.0),
        ("scripts", "слово слоdо слово слово", 3 / 4),
        ("scripts", "用Python写代码", 1.0),
        ("scripts", "Δx and μs", 1.0),
        ("markup", "no marks", 1.0),
        ("markup", "# Heading\ntext\n## Another", 1.0),
        ("markup", "#Heading\n####### Seven\n# Good", 1 / 3),
        ("markup", "**bold** and **open", 1 / 2),
        ("markup", "```\ncode\n```\n```\nopen", 1 / 2),
        ("markup", "|a|b|\n|-|-|\n|1|2|3|\n", 2 / 3),
        ("markup", "|a|b|\n\n|1|2|3|\n", 1.0),  # two tables
        ("symbols", "abcd!", 1 - 1 / 5),
        ("symbols", "a1 b2", 1.0),
        ("symbols", "!?...", 0.0),
        ("symbols", "a $+-=$", 1.0),  # a formula is no prose
        ("symbols", "हिन्दी", 1.0),  # vowel signs are marks of letters
        ("printable", "a b\tc\n", 1.0),
        ("printable", "ab\ufffd\x07", 1 - 2 / 4),
        ("printable", "a\ud800", 1 - 1 / 2),
    ],
)
def test_each_part_is_a_share(part, text, share):
    assert PARTS[part](parse_completion(text)) == pytest.approx(share)


def test_readability_is_the_weighted_mean_of_its_parts():
    text = "word " * 41 + "**open"  # sentences 0 of 42 words, markup 0; symbols 1 - 2 / (41 x 4 + 6)
    signs = 1 - 2 / 170
    assert rewards_of("readability", text) == [pytest.approx((0 + 1 + 1 + 0 + signs + 1) / 6)]
    assert rewards_of("readability", text, parts={"scripts": 1, "markup": 1}) == [0.5]
    assert rewards_of("readability", "", "\u200b") == [0.0, 0.0]


def test_prose_is_without_code_formulas_tags_and_addresses():
    text = "<think>So `x` is $a$, \\(b\\), \\[c\\], $$d$$ at https://e.f/g and ```code``` \\textbf{bold}."
    assert prose(text).split() == ["So", "is", ",", ",", ",", "at", "and", "{bold}."]
    assert prose("\\begin{align} x \\end{align} then").split() == ["then"]
    assert prose("costs \\[ more than \\[ x \\]").split() == ["costs", "\\[", "more", "than"]


def test_words_begin_with_a_letter_and_wide_characters_are_halves():
    assert count_words("two words, 3 + 4") == 2
    assert count_words("加法x") == 2
    assert count_words("") == 0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Step 1: add. Step 2: done.", 2),
        ("1. add\n2. done", 2),
        ("- add\n* done\n-5 is less", 2),
        ("First, add. Then, stop. Finally, done.", 3),
        ("首先相加，然后相减，最后得出。", 3),
        ("第一步：加。第二步：减。", 2),
        ("3.5 is not a step, nor is x-1", 0),
    ],
)
def test_steps_are_marked_in_english_and_chinese(text, count):
    assert rewards_of("reasoning_steps", text) == [min(1.0, count / 3)]
    assert rewards_of("reasoning_steps", text, wanted=10) == [count / 10]


def test_steps_are_those_of_the_reasoning():
    assert rewards_of("reasoning_steps", "<think>add</think><answer>1. a\n2. b\n3. c</answer>") == [0.0]
