"""Templates: byte-exact texts, rendering, custom templates, the linter."""

import dataclasses

import pytest

from ponder.errors import DataError, ModelError, RecipeError
from ponder.prompting import TEMPLATES, THINK_TAGS, Tags, Template, lint_template, load_template
from ponder.types import Problem

QUESTION = "What is {1} + 2?"


def problem(*roles: str) -> Problem:
    turns = tuple({"role": role, "content": QUESTION if role == "user" else f"<{role}>"} for role in roles)
    return Problem("p", "t", turns, "integer", "3")


def encode(text: str) -> list[int]:
    return list(text.encode())


def text_of(prompt) -> str:
    return bytes(prompt.token_ids).decode()


def test_r1_zero_is_the_papers_template_byte_for_byte():
    prompt = TEMPLATES["r1_zero"].render(problem("user"), encode)
    assert text_of(prompt) == (
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. "
        "The assistant first thinks about the reasoning process in the mind and then provides the user with "
        "the answer. The reasoning process and answer are enclosed within <think> </think> and <answer> "
        "</answer> tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here "
        "</answer>. "
        "User: What is {1} + 2?. Assistant:"
    )
    assert prompt.prefill == ""


def test_the_journals_wording_differs_where_the_journal_does():
    journal = TEMPLATES["r1_zero_nature"].text
    assert "The User asks a question and the Assistant solves it. The Assistant first" in journal
    assert (
        "within <think>...</think> and <answer>...</answer> tags, respectively, that is, <think>" in journal
    )
    assert journal.endswith("</answer>. User: {prompt}. Assistant:")


def test_prefilled_template_is_the_same_prompt_and_the_opening_tag():
    plain = TEMPLATES["r1_zero"].render(problem("user"), encode)
    prefilled = TEMPLATES["r1_zero_prefill"].render(problem("user"), encode)
    assert text_of(prefilled) == text_of(plain) + "<think>"
    assert prefilled.prefill == "<think>"


def test_reasoning_template_holds_the_scripts_system_prompt():
    text = TEMPLATES["reasoning"].text
    assert text.startswith(
        "Respond in the following format:\n<reasoning>\n...\n</reasoning>\n<answer>\n...\n</answer>\n"
    )
    assert TEMPLATES["reasoning"].tags == Tags("reasoning", "answer")


def test_plain_template():
    assert text_of(TEMPLATES["plain"].render(problem("user"), encode)) == f"User: {QUESTION}\nAssistant:"


def test_chat_template_is_the_tokenizers_and_its_opened_tag_is_the_prefill():
    def apply_chat(messages):
        return "".join(f"<|{m['role']}|>{m['content']}" for m in messages) + "<|assistant|><think>\n"

    prompt = TEMPLATES["chat"].render(problem("system", "user", "assistant", "user"), encode, apply_chat)
    assert text_of(prompt) == f"<|system|><system><|user|>{QUESTION}<|assistant|><assistant>" + (
        f"<|user|>{QUESTION}<|assistant|><think>\n"
    )
    assert prompt.prefill == "<think>\n"
    spoken = TEMPLATES["reasoning_chat"].render(
        problem("user"), encode, lambda m: str([t["role"] for t in m])
    )
    assert text_of(spoken) == "['system', 'user']"
    assert spoken.prefill == ""


def test_chat_template_without_a_chat_template_is_a_model_error():
    with pytest.raises(ModelError, match="chat_template"):
        TEMPLATES["chat"].render(problem("user"), encode)


def test_a_text_template_takes_a_system_message_and_refuses_a_conversation():
    assert f"<system>\n\n{QUESTION}" in text_of(TEMPLATES["plain"].render(problem("system", "user"), encode))
    with pytest.raises(DataError, match=r'"p".*template "chat"'):
        TEMPLATES["plain"].render(problem("user", "assistant", "user"), encode)


def test_custom_templates():
    custom = load_template("Q: {prompt}\nA: <reasoning>\n")
    assert (custom.text, custom.prefill, custom.tags.reasoning) == (
        "Q: {prompt}\nA: ",
        "<reasoning>\n",
        "reasoning",
    )
    assert text_of(custom.render(problem("user"), encode)) == f"Q: {QUESTION}\nA: <reasoning>\n"
    assert load_template("{prompt} <think></think>").tags == THINK_TAGS
    assert load_template("r1_zero") is TEMPLATES["r1_zero"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [("r1_zer", 'Did you mean "r1_zero'), ("{prompt} {prompt}", "2 times"), ("Q: " * 40, "of your own")],
)
def test_bad_template_specs_name_the_fix(spec, message):
    with pytest.raises(RecipeError, match=message):
        load_template(spec)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_shipped_template_passes_the_linter(name):
    assert lint_template(TEMPLATES[name]) == ()


@pytest.mark.parametrize(
    ("text", "prefill", "found"),
    [
        ("Think step by step. <think> <answer> {prompt} A:", "", "step by step"),
        ("<think> then double-check your answer {prompt} A:", "", "double-check"),
        ("<think> 请仔细 {prompt} A:", "", "仔细"),
        ("<think> no question A:", "", "0 times"),
        ("<think> {prompt}", "", "reply begins"),
        ("User: {prompt} Assistant:", "", "never names <think>"),
        ("<think> {prompt} A:", "<think></think><think>", "well formed"),
        ("<think> {prompt} A:", "Sure! <think>", "well formed"),
    ],
)
def test_the_linter_finds(text, prefill, found):
    faults = lint_template(Template("custom", "text", text, THINK_TAGS, prefill))
    assert [fault for fault in faults if found in fault]


def test_templates_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TEMPLATES["plain"].prefill = "x"
