"""Parsing: the parts of a completion, and the verdict on its format."""

import time

import pytest

from ponder.prompting import REASONING_TAGS, SUMMARY_TAGS, parse_completion

GOOD = "<think>2+2=4</think><answer>4</answer>"


def test_parts_of_a_well_formed_completion():
    parsed = parse_completion("<think> 2+2=4 </think> \n<answer> 4 </answer>\n")
    assert (parsed.reasoning, parsed.answer, parsed.summary) == ("2+2=4", "4", "4")
    assert parsed.well_formed
    assert parsed.num_answers == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<answer>4</answer>", "no <think>"),  # thinking skipped
        ("4", "no <think>"),
        ("", "no <think>"),
        ("<think>2+2=4<answer>4</answer>", "no </think>"),  # never closed
        ("2+2=4</think><answer>4</answer>", "no <think>"),
        ("<think>a</think>4", "no <answer>"),
        ("<think>a</think><answer>4", "no </answer>"),
        (GOOD + "<answer>5</answer>", "<answer> 2 times"),  # two guesses
        ("<think>a</think><answer>4</answer></answer>", "</answer> 2 times"),
        (GOOD + "<think>wait</think>", "<think> 2 times"),  # thinking re-opened
        ("<think>a</think><think>b</think><answer>4</answer>", "<think> 2 times"),
        ("<think>a<answer>4</answer></think>", "wrong order"),  # answer inside the reasoning
        ("<answer>4</answer><think>a</think>", "wrong order"),
        ("<think>a</think></answer>4<answer>", "wrong order"),
        ("well, " + GOOD, "text before <think>"),
        ("<think>a</think> so <answer>4</answer>", "text between"),
        (GOOD + " thanks", "text after </answer>"),
        ("<think></think><answer>4</answer>", "0 characters"),
        ("<think> \n\t</think><answer>4</answer>", "0 characters"),
        ("<think>\u200b\u2800\ufeff</think><answer>4</answer>", "0 characters"),  # invisible padding
        ("<think> reasoning process here </think><answer>4</answer>", "placeholder"),
        ("<think>thinking process here</think><answer>4</answer>", "placeholder"),
        ("<think>a</think><answer> answer here </answer>", "the answer is the template's placeholder"),
        ("<think>a</think><answer> \u200b </answer>", "empty answer"),
    ],
)
def test_malformed_completions_say_why(text, fault):
    parsed = parse_completion(text)
    assert not parsed.well_formed
    assert fault in parsed.fault


@pytest.mark.parametrize("text", [GOOD, "\n" + GOOD + "\n", "<think>猜</think>\n\n<answer>四</answer>"])
def test_space_around_the_tags_is_allowed(text):
    assert parse_completion(text).fault == ""


def test_a_prefilled_tag_counts_as_written():
    rest = GOOD.removeprefix("<think>")
    assert parse_completion(rest, prefill="<think>") == parse_completion(GOOD)
    assert parse_completion(rest, prefill="<think>").well_formed
    assert "2 times" in parse_completion(GOOD, prefill="<think>").fault  # written again
    assert parse_completion(rest).fault == "no <think>"


@pytest.mark.parametrize(
    ("text", "answer", "count"),
    [
        ("no tags at all", "", 0),
        ("<answer>4</answer>", "4", 1),
        ("<think>a</think><answer>4</answer><answer>5</answer>", "5", 2),  # the last commitment counts
        ("<think>a</think><answer>4</answer><answer>5", "4", 1),  # the last complete one
        ("<answer>4<answer>5</answer>", "5", 1),
        ("<think>maybe <answer>4</answer></think>", "", 0),  # thinking is not answering
        ("<think>maybe <answer>4</answer></think><answer>5</answer>", "5", 1),
        ("maybe <answer>4</answer></think><answer>5</answer>", "5", 1),
        ("<think>open <answer>4</answer>", "4", 1),
        (GOOD + "<think>re-opened <answer>9</answer></think>", "4", 1),
        ("<answer></answer>", "", 1),
        ("</answer>4<answer>", "", 0),
        ("<answer>\n 4 \n</answer>", "4", 1),
    ],
)
def test_the_answer_is_the_last_complete_pair_outside_the_reasoning(text, answer, count):
    parsed = parse_completion(text)
    assert (parsed.answer, parsed.num_answers) == (answer, count)


@pytest.mark.parametrize(
    ("text", "reasoning"),
    [
        ("<think>a</think> b <think>c</think>", "a\nc"),
        ("<think>cut off", "cut off"),
        ("<think>a <answer>4</answer>", "a"),
        ("a</think>b", "a"),
        ("<answer>4</answer>", ""),
    ],
)
def test_reasoning_of_odd_completions(text, reasoning):
    assert parse_completion(text).reasoning == reasoning


def test_reasoning_tags():
    text = "<reasoning>\na\nb\n</reasoning>\n<answer>\n4\n</answer>\n"
    parsed = parse_completion(text, tags=REASONING_TAGS)
    assert parsed.well_formed
    assert (parsed.reasoning, parsed.answer) == ("a\nb", "4")
    assert parse_completion(text).fault == "no <think>"


def test_summary_tags_take_the_answer_from_what_follows():
    parsed = parse_completion("<think>a</think>\nSo it is \\boxed{4}.", tags=SUMMARY_TAGS)
    assert parsed.well_formed
    assert parsed.answer == parsed.summary == "So it is \\boxed{4}."
    assert parse_completion("<think>a", tags=SUMMARY_TAGS).answer == ""
    assert not parse_completion("<think>a</think> ", tags=SUMMARY_TAGS).well_formed


def test_the_wanted_amount_of_reasoning_is_configurable():
    short = "<think>ab</think><answer>4</answer>"
    assert parse_completion(short, min_reasoning_chars=2).well_formed
    assert "at least 3" in parse_completion(short, min_reasoning_chars=3).fault
    assert parse_completion("<think></think><answer>4</answer>", min_reasoning_chars=0).well_formed


def test_time_is_linear_in_the_text():
    bombs = ["<answer>" * 100_000, "<think></think>" * 60_000, "</answer><answer>" * 60_000, "<" * 1_000_000]
    start = time.process_time()
    for bomb in bombs:
        assert not parse_completion(bomb).well_formed
    assert time.process_time() - start < 5.0
