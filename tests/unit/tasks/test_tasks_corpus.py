"""The corpus: rebuilt the same, free of held-out instances, at least 1% of what later stages need."""

from __future__ import annotations

import re

import pytest

from ponder.config import TaskConfig
from ponder.tasks import LANGUAGES, TASKS
from ponder.tasks import corpus as corpus_module
from ponder.tasks.corpus import documents, text_documents
from ponder.tasks.family import is_held_out
from ponder.tasks.sources import load_problems
from ponder.tasks.tiny_tokenizer import SPECIAL_TOKENS, train_tokenizer

COUNT = 6000


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return list(documents(0, 0, COUNT))


def test_equal_seeds_give_equal_documents(texts: list[str]) -> None:
    assert list(documents(0, 0, 50)) == texts[:50]
    assert list(documents(0, 1, 50)) != texts[:50]
    assert list(documents(1, 0, 50)) != texts[:50]


def test_no_document_is_made_of_a_held_out_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every instance that a rebuilt corpus draws is checked against the rule of the split."""
    drawn: list[tuple[object, object]] = []
    original = corpus_module.draw_instance

    def recording(family, rng, options, *, held_out):  # type: ignore[no-untyped-def]
        instance = original(family, rng, options, held_out=held_out)
        drawn.append((family, instance))
        return instance

    monkeypatch.setattr(corpus_module, "draw_instance", recording)
    rebuilt = list(documents(0, 0, COUNT))
    assert len(drawn) > 0.7 * len(rebuilt)  # Drills, chat, code and general prompts draw none.
    assert not [1 for family, instance in drawn if is_held_out(family, instance)]


def test_no_held_out_question_stands_in_the_corpus(texts: list[str]) -> None:
    """The same from outside: what is asked of the evaluation's problems appears in no document."""
    tasks = [TaskConfig(name=name, languages=LANGUAGES) for name in sorted(TASKS)]
    held_out = {_core(problem.task, problem.text) for problem in load_problems(tasks, seed=0, count=100)}
    asked = {
        (task, _core(task, question))
        for text in texts
        for question in re.findall(r"^User: (.*?)\nAssistant:", text, re.MULTILINE | re.DOTALL)
        for task in TASKS
    }
    assert not {(task, core) for task, core in asked if core and core in held_out}
    assert len(held_out) > 400


def _core(task: str, question: str) -> str:
    """What identifies the instance in a question, whatever the language and wording."""
    pattern = {
        "arithmetic": r"\d[\d+-]{4,}",
        "parity": r"( [a-z]\d){6,}",
        "countdown": r"\d( \d){2,}|\d+",
        "choice": r"\d\+\d|( [a-z]\d+){8,}",
        "knights": r"(?m)^[A-E][ :].+$",
        "functions": r"(adds|subtracts|multiplies|加|减|乘以)[a-z ]*\d",
    }[task]
    found = [match.group(0).strip() for match in re.finditer(pattern, question)]
    return task + "|".join(sorted(found) if task == "countdown" else found) if found else ""


def test_later_stages_find_their_share(texts: list[str]) -> None:
    shares = {
        "few-shot": sum(text.count("User: ") > 1 for text in texts),
        "check your work": sum(
            bool(re.search("Check your work|verify|检查你的|验证", text)) for text in texts
        ),
        "chat": sum(text.startswith("<|user|>") for text in texts),
        "code": sum("def f(x)" in text for text in texts),
        "general": sum(bool(re.search("Tell me about|Write a line|谈谈|写一句", text)) for text in texts),
        "the paper's template": sum(text.startswith("A conversation between") for text in texts),
    }
    assert all(count >= 0.01 * len(texts) for count in shares.values()), shares


def test_most_documents_do_not_think_and_many_guesses_are_unformatted(texts: list[str]) -> None:
    problems = [text for text in texts if text.startswith("User: ") and text.count("User: ") == 1]
    formatted = sum("<answer>" in text for text in problems) / len(problems)
    assert 0.4 < formatted < 0.75


def test_any_text_survives_the_tokenizer(texts: list[str]) -> None:
    tokenizer = train_tokenizer(texts[:2000])
    for text in ["naïve café ½ 😀\t\r\n\x00", "骑士 and knaves", "12+34=46", *texts[:50]]:
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text
    for token in SPECIAL_TOKENS:
        assert tokenizer.encode(token).ids == [tokenizer.token_to_id(token)]
    assert len(tokenizer.encode("2026").ids) == 4


def test_documents_of_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.jsonl"
    path.write_text('{"solution": "one"}\n{"solution": "two", "eval_overlap": ["x"]}\n', encoding="utf-8")
    assert list(text_documents(path, "solution")) == ["one"]
