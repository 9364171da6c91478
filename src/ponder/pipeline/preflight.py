"""What cannot learn is said before step 0, not found out after it.

Two kinds of findings: what is wrong whatever happens is refused at once (its own error class);
what will probably not learn is a warning, refused with `--strict`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ponder.config import EngineConfig, RLStage, Schedule
from ponder.errors import ModelError, PreflightError
from ponder.grading import check_reference
from ponder.prompting import Template, lint_template
from ponder.types import Problem, Prompt

SHOWN = 5
"""How many ids or texts a message lists."""
LONG_REFERENCE_SHARE = 0.05
"""From this share of references longer than the cap on, it is said."""


class Coder(Protocol):
    """What is asked of a tokenizer."""

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found, and the problems that were looked at and can be asked."""

    warnings: tuple[str, ...]
    problems: tuple[Problem, ...]
    """Those whose prompt fits the engine."""


def check_stage(
    stage: RLStage,
    problems: Sequence[Problem],
    template: Template,
    coder: Coder,
    render: Callable[[Problem], Prompt],
    max_positions: int,
    engine: EngineConfig,
    stop_token_ids: Sequence[int],
) -> Preflight:
    """The findings that need no sampling.

    Raises PreflightError for references that cannot be read and for sampling below full support,
    ModelError for a tokenizer or context that cannot hold prompts and completions.
    """
    check_references(problems)
    check_support(stage)
    check_coder(template, coder)
    prompts = {problem.id: render(problem) for problem in problems}
    kept = tuple(p for p in problems if len(prompts[p.id].token_ids) <= engine.max_prompt_tokens)
    if not kept:
        raise PreflightError(
            f"Every prompt is longer than engine.max_prompt_tokens = {engine.max_prompt_tokens}; raise it."
        )
    longest = max(len(prompts[problem.id].token_ids) for problem in kept)
    cap = int(max(_values(stage.sampling.max_new_tokens)))
    check_context(longest, cap, max_positions, f"stages.{stage.name}.sampling.max_new_tokens")
    warnings = [f"stages.{stage.name}: the template: {finding}." for finding in lint_template(template)]
    warnings += _group_warnings(stage)
    warnings += _length_warnings(stage, kept, coder)
    if not stop_token_ids and not stage.sampling.stop:
        warnings.append(
            f"stages.{stage.name}: the tokenizer names no end-of-sequence token and sampling.stop is empty: "
            "every completion will run to the cap."
        )
    dropped = len(problems) - len(kept)
    if dropped:
        warnings.append(
            f"stages.{stage.name}: {dropped} of {len(problems)} prompts are longer than "
            f"engine.max_prompt_tokens = {engine.max_prompt_tokens} and are left out."
        )
    return Preflight(tuple(warnings), kept)


def check_context(longest: int, cap: int, max_positions: int, setting: str) -> None:
    """Raises ModelError when the longest prompt and the cap, in tokens, exceed the model's context.

    `setting` is what the user lowers the cap by.
    """
    if longest + cap > max_positions:
        raise ModelError(
            f"The longest prompt ({longest} tokens) and {setting} ({cap}) exceed the model's context of "
            f"{max_positions}. Lower {setting} to {max(max_positions - longest, 0)}, or leave long problems "
            "out."
        )


def check_references(problems: Sequence[Problem]) -> None:
    """Raises PreflightError naming the problems whose reference their grader cannot read."""
    faults = [(problem, fault) for problem in problems if (fault := check_reference(problem)) is not None]
    if not faults:
        return
    listed = "; ".join(f"{problem.id}: {fault}" for problem, fault in faults[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    ids = ", ".join(problem.id for problem, _ in faults[:100])
    raise PreflightError(
        f"{len(faults)} of {len(problems)} reference answers cannot be read by their grader, so that no "
        f"completion could ever be right ({listed}{more}). Correct or remove these rows, or choose another "
        f"grader for the task. Ids: {ids}"
    )


def check_support(stage: RLStage) -> None:
    """Raises PreflightError when sampling cuts the distribution that the loss assumes."""
    cut = {
        "top_p": (stage.sampling.top_p, 1.0),
        "top_k": (stage.sampling.top_k, 0),
        "min_p": (stage.sampling.min_p, 0.0),
    }
    for key, (value, full) in cut.items():
        if value != full:
            raise PreflightError(
                f"stages.{stage.name}.sampling.{key} is {value}: tokens outside the kept set could never be "
                "drawn, but the loss is that of the whole distribution, so that every update would be "
                f"biased. Allowed in training: {full}. Use temperature instead."
            )


def check_coder(template: Template, coder: Coder) -> None:
    """Raises ModelError when the tokenizer loses the template's own text or its tags."""
    tags = template.tags
    text = f"<{tags.reasoning}>7 + 4</{tags.reasoning}>"
    if tags.answer:
        text += f"<{tags.answer}>11</{tags.answer}>"
    text += template.text.replace("{prompt}", "")
    back = coder.decode(coder.encode(text))
    if back == text:
        return
    place = next(
        (i for i, (a, b) in enumerate(zip(text, back, strict=False)) if a != b), min(len(text), len(back))
    )
    raise ModelError(
        f"The tokenizer cannot write what the template {template.name!r} needs: "
        f"{text[max(place - 10, 0) : place + 20]!r} comes back as {back[max(place - 10, 0) : place + 20]!r}. "
        "Use a tokenizer with a byte fallback, add the tags to its vocabulary, or choose another template."
    )


def refuse_if_strict(warnings: Sequence[str], strict: bool, say: Callable[[str], None]) -> None:
    """Says each warning; with `strict` raises PreflightError holding all of them."""
    if warnings and strict:
        raise PreflightError("The preflight refuses (--strict): " + " ".join(warnings))
    for warning in warnings:
        say(f"Preflight: {warning}")


def _group_warnings(stage: RLStage) -> list[str]:
    if stage.group_size > 1 or stage.algorithm.advantage.estimator in ("gae", "process"):
        return []
    return [
        f"stages.{stage.name}.group_size is 1: a completion is compared with its group, so that every "
        "advantage is 0 and nothing is learned. Use at least 4."
    ]


def _length_warnings(stage: RLStage, problems: Sequence[Problem], coder: Coder) -> list[str]:
    cap = int(min(_values(stage.sampling.max_new_tokens)))
    longer = sum(len(coder.encode(problem.reference)) > cap for problem in problems)
    if longer <= LONG_REFERENCE_SHARE * len(problems):
        return []
    return [
        f"stages.{stage.name}.sampling.max_new_tokens is {cap}, and {longer} of {len(problems)} references "
        "alone are longer: such completions are cut before they can be right. Raise the cap."
    ]


def _values(schedule: Schedule) -> list[float]:
    return [float(schedule)] if isinstance(schedule, (int, float)) else [entry.value for entry in schedule]
