"""All 25 instruction types of IFEval, each with responses that follow it and responses that do not."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from ponder.grading import grade
from ponder.grading.instruction_checks import CHECKS
from ponder.grading.instructions import Instruction, follow, read_instructions
from ponder.types import Problem, Verdict

CASES: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    ("keywords:existence", {"keywords": ["sun", "Moon"]}, ["Sunlight and the moon."], ["Only the sun."]),
    (
        "keywords:frequency",
        {"keyword": "ha", "frequency": 3, "relation": "at least"},
        ["Ha ha ha!", "hahaha"],
        ["ha ha"],
    ),
    (
        "keywords:frequency",
        {"keyword": "no", "frequency": 2, "relation": "less than"},
        ["no", "yes"],
        ["no, no", "know nothing"],
    ),
    ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, ["A category."], ["The CAT sat."]),
    (
        "keywords:letter_frequency",
        {"letter": "Z", "let_frequency": 2, "let_relation": "at least"},
        ["Zz", "pizza"],
        ["zebra"],
    ),
    (
        "keywords:letter_frequency",
        {"letter": "#", "let_frequency": 1, "let_relation": "less than"},
        ["none"],
        ["# one"],
    ),
    (
        "language:response_language",
        {"language": "de"},
        ["Das Wetter ist heute schön, und wir gehen am Nachmittag in den Park."],
        ["The weather is fine today, and we go to the park in the afternoon.", "12345"],
    ),
    (
        "language:response_language",
        {"language": "zh-cn"},
        ["今天天气很好，我们去公园散步。"],
        ["今日は天気がいいので、公園を散歩します。", "Today we go to the park."],
    ),
    (
        "language:response_language",
        {"language": "fa"},
        ["امروز هوا خوب است و بعد از ناهار برای قدم زدن به پارک می‌رویم."],
        ["الطقس جميل اليوم، وبعد الغداء سنذهب في نزهة إلى الحديقة."],
    ),
    (
        "language:response_language",
        {"language": "hi"},
        ["आज मौसम अच्छा है और हम पार्क जा रहे हैं।"],
        ["The weather is fine."],
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 3, "relation": "at least"},
        ["One. Two! Three?", "第一句。第二句！第三句？"],
        ["One. Two!", "Dr. Smith met Mr. J. Doe at 5.30 p.m. today."],
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "less than"},
        ["We like e.g. apples and pears.", "Pi is 3.14"],
        ["One. Two."],
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["One.\n\n***\n\nTwo.", "***\nOne\n***\nTwo\n***"],
        ["One.\n\nTwo.", "One\n***\n***\nTwo", "a\n***\nb\n***\nc"],
    ),
    (
        "length_constraints:number_words",
        {"num_words": 3, "relation": "less than"},
        ["two words", "..."],
        ["three little words"],
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        ["First.\n\nthen, it rained.", 'First.\n\n"Then" it rained.'],
        ["First.\n\nNow it rained.", "Then.", "a\n\nThen\n\nc"],
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        ["[name] at [place]"],
        ["[name]", "[a\nb] [c]", "[[name]]", "] ["],
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        ["Bye.\nP.S. More.", "p. s. x"],
        ["PS More."],
    ),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["P.P.S. More."], ["P.S. More."]),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        ["* a\n* b", "- a\n  - b"],
        ["* a", "* a\n* b\n- c", "**a**\n**b**", "*\n* a"],
    ),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 1},
        ["*\n* a", "text\n\n  -"],
        ["text - a", "*"],
    ),
    (
        "detectable_format:constrained_response",
        {},
        ["My answer is yes.", "Well. My answer is maybe."],
        ["yes", "My answer is yes"],
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*a* and *b*", "**a** x *b*"],
        ["*a*", "* *", "****"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        ["Section 1\na\nSection 2\nb"],
        ["Section 1\na", "section 1 section 2"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Day ", "num_sections": 2},
        ["Day 1: a\nDay 2: b", "Day1Day2"],
        ["Day 12", "Day one Day two"],
    ),
    (
        "detectable_format:json_format",
        {},
        ['{"a": 1}', "```json\n[1, 2]\n```"],
        ["{a: 1}", "Here: {}", "[" * 100_000],
    ),
    (
        "detectable_format:title",
        {},
        ["<<Song>>\ntext", "<< >> x >>", "<<> a>>"],
        ["<Song>", "<< >>", "<<>>", "<<a\nb>>", ">>a<<"],
    ),
    (
        "combination:two_responses",
        {},
        ["one\n******\ntwo", "******\none******two"],
        ["one", "one******one", "a******b******c", "a************b"],
    ),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Say hello."},
        ["say hello. Hello!"],
        ["Hello! Say hello."],
    ),
    (
        "startend:end_checker",
        {"end_phrase": "The end."},
        ["It is over. the end.", '"...the end."'],
        ["The end. Really."],
    ),
    ("startend:quotation", {}, ['"All of it."', ' "x" '], ['"Only" this', '"']),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        ["NASA and ESA", "I say NO!", "the U.S. and NASA's", "NASA/ESA, ESA", "DON'T"],
        ["Nasa and ESA", "12 34"],
    ),
    (
        "change_case:english_capital",
        {},
        ["THE WEATHER IS FINE TODAY AND WE GO TO THE PARK."],
        ["The weather is fine.", "DAS WETTER IST HEUTE SEHR SCHÖN UND WIR GEHEN IN DEN PARK."],
    ),
    (
        "change_case:english_lowercase",
        {},
        ["the weather is fine today and we go to the park."],
        ["The weather is fine.", "das wetter ist heute sehr schön und wir gehen in den park."],
    ),
    ("punctuation:no_comma", {}, ["No comma here."], ["One, two."]),
]


@pytest.mark.parametrize(("name", "arguments", "good", "bad"), CASES)
def test_each_instruction(name: str, arguments: dict[str, Any], good: list[str], bad: list[str]) -> None:
    instruction = Instruction(name, tuple(arguments.items()))
    for response in good:
        assert instruction.is_followed(response), response
    for response in [*bad, "", "  \n"]:
        assert not instruction.is_followed(response), response


def test_every_type_has_a_case() -> None:
    assert {name for name, *_ in CASES} == set(CHECKS)
    assert len(CHECKS) == 25
    assert all(good and bad for _, _, good, bad in CASES)


def problem(*instructions: tuple[str, dict[str, Any]]) -> Problem:
    reference = {
        "instruction_id_list": [name for name, _ in instructions],
        "kwargs": [a for _, a in instructions],
    }
    return Problem("p", "ifeval", ({"role": "user", "content": "?"},), "ifeval", json.dumps(reference))


def test_strict_wants_all_and_names_what_is_missing() -> None:
    asked = problem(("punctuation:no_comma", {}), ("startend:quotation", {}))
    assert grade(asked, '"Fine."').verdict is Verdict.CORRECT
    missed = grade(asked, '"Fine, thanks."')
    assert missed.verdict is Verdict.WRONG
    assert missed.reason == "1 of 2 followed, not punctuation:no_comma"


def test_one_instruction_of_two_counts_half_at_the_level_of_instructions() -> None:
    instructions = read_instructions(
        problem(("punctuation:no_comma", {}), ("startend:quotation", {})).reference
    )
    assert not isinstance(instructions, str)
    assert follow('"Fine."', instructions) == [True, True]
    assert follow("Fine.", instructions) == [True, False]
    assert follow("**Well, fine.**", instructions, loose=True) == [False, False]
    assert follow("", instructions, loose=True) == [False, False]


def test_loose_and_strict_graders_differ_where_the_rule_says() -> None:
    asked = problem(("startend:quotation", {}), ("punctuation:no_comma", {}))
    loosely = replace(asked, grader="ifeval_loose")
    framed = 'Sure, here:\n"Fine."'
    assert grade(asked, framed).verdict is Verdict.WRONG
    assert grade(loosely, framed).verdict is Verdict.CORRECT
    assert grade(loosely, "Well, fine.").verdict is Verdict.WRONG


def test_arguments_that_are_null_do_not_count() -> None:
    given = {"num_words": 3, "relation": "at least", "keywords": None, "language": None}
    read = read_instructions(problem(("length_constraints:number_words", given)).reference)
    assert not isinstance(read, str)
    assert follow("one two three", read) == [True]


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "<<" * 25_000, "\n *" * 15_000, "***" * 15_000, "\n" * 50_000, "p." * 25_000]
)
def test_hostile_responses_take_linear_time(text: str) -> None:
    start = time.process_time()
    for name, arguments, *_ in CASES:
        Instruction(name, tuple(arguments.items())).is_followed(text, loose=True)
    assert time.process_time() - start < 20


def test_loose_takes_off_the_frame_and_asterisks() -> None:
    instruction = Instruction("startend:quotation", ())
    framed = 'Sure, here it is:\n"Fine."'
    assert follow(framed, [instruction]) == [False]
    assert follow(framed, [instruction], loose=True) == [True]
    assert follow('**"Fine."**', [instruction], loose=True) == [True]
    assert follow("Fine.", [instruction], loose=True) == [False]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("no json", "is not"),
        (
            '{"instruction_id_list": ["punctuation:no_coma"], "kwargs": [{}]}',
            'Did you mean "punctuation:no_comma"',
        ),
        ('{"instruction_id_list": [], "kwargs": []}', "0 instructions"),
        ('{"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}', "1 instructions and 0"),
        ('{"instruction_id_list": ["keywords:existence"], "kwargs": [{}]}', "lacks keywords"),
        ('{"instruction_id_list": ["keywords:existence"], "kwargs": [{"keywords": null}]}', "lacks keywords"),
        (
            '{"instruction_id_list": ["language:response_language"], "kwargs": [{"language": "xx"}]}',
            'language "xx" is unknown',
        ),
        (
            '{"instruction_id_list": ["length_constraints:number_words"], '
            '"kwargs": [{"num_words": 3, "relation": "about"}]}',
            "less than",
        ),
    ],
)
def test_a_reference_that_cannot_be_used_says_why(reference: str, expected: str) -> None:
    read = read_instructions(reference)
    assert isinstance(read, str)
    assert expected in read
