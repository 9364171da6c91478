"""The pre-training corpus of the small world: documents as a web-scale base has seen them.

Most documents answer without thinking, often wrongly; some show their steps, with slips; few notice
their slips or check. Nothing marks the good ones: reinforcement learning must find them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ponder.errors import DataError, nearest
from ponder.prompting.templates import TEMPLATES
from ponder.seeding import derive_rng
from ponder.tasks.arithmetic import Arithmetic
from ponder.tasks.asides import chat_turn, code_document, drill_document, general_document
from ponder.tasks.choice import Choice
from ponder.tasks.countdown import Countdown
from ponder.tasks.family import LANGUAGES, TaskFamily, TraceStyle, draw_instance
from ponder.tasks.files import read_rows
from ponder.tasks.knights import Knights
from ponder.tasks.parity import Parity

FAMILIES: tuple[tuple[TaskFamily, float, Mapping[str, Any], float], ...] = (
    # family, share of problem documents, options, chance of a slip per step
    (Arithmetic(), 0.26, {"numbers": [3, 6]}, 0.10),
    (Countdown(), 0.25, {"numbers": [3, 4]}, 0.03),
    (Knights(), 0.23, {"people": [4, 5]}, 0.10),
    (Parity(), 0.20, {"digits": [6, 12]}, 0.04),
    (Choice(), 0.06, {"options": [8, 20]}, 0.10),
)
"""The last number of a range is the difficulty of the shipped recipes; easier problems are rarer."""

GUESS_SHARE, SLIP_SHARE = 0.75, 0.15
"""Bare guesses; worked steps with slips; the rest is worked steps that notice slips or check.

Sampling below temperature 1 favours worked steps, whose first tokens vary least: the base works more often
than its corpus does.
"""

_PREAMBLE = {
    "en": ("", "", "", "", "I guess.", "I think it is {}."),
    "zh": ("", "", "", "", "我猜。", "我觉得是{}。"),
}
_PLAIN = {
    "en": (" {}", " The answer is {}.", " {}.", " I think it is {}."),
    "zh": (" {}", "答案是{}。", "{}。", "我觉得是{}。"),
}
_VERIFY = {
    "en": ("Check your work.", "Think step by step and verify."),
    "zh": ("请检查你的答案。", "请一步一步思考并验证。"),
}


def documents(seed: int, shard: int, count: int) -> Iterator[str]:
    """`count` documents of shard `shard`, without the end-of-sequence token.

    Shards are independent, and equal for equal (seed, shard).
    """
    rng = derive_rng("corpus", seed, shard)
    writers: tuple[tuple[Callable[[random.Random], str], float], ...] = (
        (problem_document, 0.60),
        (drill_document, 0.26),
        (few_shot_document, 0.03),
        (verified_document, 0.03),
        (paper_template_document, 0.02),
        (chat_turn, 0.02),
        (code_document, 0.02),
        (general_document, 0.02),
    )
    kinds, weights = zip(*writers, strict=True)
    for _ in range(count):
        yield rng.choices(kinds, weights)[0](rng)


def text_documents(path: Path, column: str) -> Iterator[str]:
    """The documents of a file: one per row of JSONL or Parquet, one per paragraph of plain text.

    Raises DataError for a missing file or column, or when nothing is in it.
    """
    if path.suffix == ".txt":
        texts = path.read_text(encoding="utf-8").split("\n\n") if path.is_file() else []
    else:
        rows = list(read_rows(path))
        if rows and column not in rows[0]:
            raise DataError(f'{path}: no column "{column}".{nearest(column, rows[0])}')
        texts = [str(row[column]) for row in rows if not row.get("eval_overlap")]
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise DataError(f"{path}: no documents in it. Check the path and `text_column`.")
    yield from texts


def draw_problem(rng: random.Random) -> tuple[TaskFamily, Any, str, float]:
    """A family, a training instance, its language, the family's slip chance."""
    family, _, options, slip_frac = rng.choices(FAMILIES, [share for _, share, _, _ in FAMILIES])[0]
    chosen = {
        name: high if rng.random() < 0.7 else rng.randint(low, high) for name, (low, high) in options.items()
    }
    instance = draw_instance(family, rng, chosen, held_out=False)
    return family, instance, rng.choice(LANGUAGES), slip_frac


def problem_document(rng: random.Random) -> str:
    """One problem in the plain template with one completion of some kind."""
    family, instance, language, slip_frac = draw_problem(rng)
    question = family.ask(instance, language, rng)
    return f"User: {question}\nAssistant:" + completion(family, instance, language, slip_frac, rng)


def completion(family: TaskFamily, instance: Any, language: str, slip_frac: float, rng: random.Random) -> str:
    """A completion as somebody on the web might have written it."""
    kind = rng.random()
    if kind < GUESS_SHARE:
        answer = family.guess(instance, language, rng, noised=rng.random() < 0.5)
        if rng.random() < 0.5:
            return rng.choice(_PLAIN[language]).format(answer.strip())
        return _tagged(rng.choice(_PREAMBLE[language]).format(answer), answer)
    careful = kind >= GUESS_SHARE + SLIP_SHARE
    style = TraceStyle(
        slip_frac=slip_frac,
        notices=careful,
        checks=careful and rng.random() < 0.5,
        # One trace in ten is written with the other language's connectives and answer words.
        language=language if rng.random() < 0.9 else _other(language),
    )
    trace = family.work(instance, rng, style)
    if rng.random() < 0.3:
        return (
            f" {trace.steps.lstrip()}\n"
            + rng.choice(_PLAIN[style.language]).format(trace.answer.strip()).lstrip()
        )
    return _tagged(trace.steps, trace.answer)


def few_shot_document(rng: random.Random) -> str:
    """One to three worked examples of a family before the question."""
    family, instance, language, slip_frac = draw_problem(rng)
    options = next(options for known, _, options, _ in FAMILIES if known is family)
    shown = []
    for _ in range(rng.randint(1, 3)):
        example = draw_instance(family, rng, options, held_out=False)
        trace = family.work(example, rng, TraceStyle(language=language))
        shown.append(
            f"User: {family.ask(example, language, rng)}\nAssistant:{_tagged(trace.steps, trace.answer)}\n"
        )
    question = family.ask(instance, language, rng)
    return (
        "".join(shown)
        + f"User: {question}\nAssistant:"
        + completion(family, instance, language, slip_frac, rng)
    )


def verified_document(rng: random.Random) -> str:
    """An instruction to check one's work, followed by a trace that does."""
    family, instance, language, slip_frac = draw_problem(rng)
    trace = family.work(
        instance, rng, TraceStyle(slip_frac=slip_frac, notices=True, checks=True, language=language)
    )
    question = f"{family.ask(instance, language, rng)} {rng.choice(_VERIFY[language])}"
    return f"User: {question}\nAssistant:{_tagged(trace.steps, trace.answer)}"


def paper_template_document(rng: random.Random) -> str:
    """A problem in the template of the R1-Zero paper."""
    family, instance, language, slip_frac = draw_problem(rng)
    prompt = TEMPLATES["r1_zero"].text.replace("{prompt}", family.ask(instance, language, rng))
    return prompt + completion(family, instance, language, slip_frac, rng)


def _tagged(reasoning: str, answer: str) -> str:
    return f"<think>{reasoning}</think><answer>{answer}</answer>"


def _other(language: str) -> str:
    return LANGUAGES[1 - LANGUAGES.index(language)]
