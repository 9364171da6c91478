"""What the commands that ask a model problems have in common: their options, and opening the model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ponder.evaluation import Evaluation
    from ponder.pipeline.bench import Bench
    from ponder.types import Problem


def _above_zero(value: float) -> float:
    if value <= 0:
        raise typer.BadParameter("it must be above 0; temperature 0 is what always takes the most likely.")
    return value


Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A shipped model's name, or a Hugging Face folder.")
]
Samples = Annotated[int, typer.Option(min=1, help="Completions per problem.")]
Temperature = Annotated[float, typer.Option(min=0.0, help="0 is greedy.")]
TopP = Annotated[float, typer.Option(min=0.0, max=1.0, help="Above 0.", callback=_above_zero)]
Stop = Annotated[list[str] | None, typer.Option(help="A text that ends a completion; may be repeated.")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", min=1, help="Most new tokens of a completion.")]
TemplateName = Annotated[str, typer.Option("--template", help="How a problem is put to the model.")]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="At most so many problems; default: a file's, or 512 per language of a task."),
]
Languages = Annotated[str, typer.Option(help="Languages of a generated task, with commas: en,zh.")]
Grader = Annotated[str, typer.Option(help="How answers of a file are verified; default math.")]
Seed = Annotated[int, typer.Option(help="Equal seeds give equal completions.")]
Slots = Annotated[int, typer.Option(min=1, help="Completions decoded at once.")]
Isolation = Annotated[
    str, typer.Option(help="Where solutions of code problems run: bubblewrap, remote:URL, none.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; default all.")]


def open_model(model: str, template: str, threads: int | None) -> Bench:
    """The model, ready to be asked."""
    from ponder.config import HardwareConfig
    from ponder.pipeline.bench import open_bench
    from ponder.pipeline.machine import set_threads

    hardware = HardwareConfig(threads=threads)
    set_threads(hardware)
    return open_bench(model, template, hardware)


def ask_model(
    model: str,
    problems: str,
    *,
    limit: int | None,
    languages: str,
    grader: str,
    samples: int,
    temperature: float,
    top_p: float,
    max_tokens: int,
    stop: list[str] | None,
    template: str,
    seed: int,
    slots: int,
    threads: int | None,
    isolation: str,
    held_out: bool = True,
    keep_texts: bool = True,
) -> tuple[list[Problem], Evaluation]:
    """The problems that the options name, and the model's graded completions of them.

    `held_out=False`: of a generated task, problems to train on. Raises PreflightError for references
    that cannot be read, ModelError when prompts and completions exceed the model's context.
    """
    from ponder.config import EngineConfig, EvaluationConfig, TaskConfig
    from ponder.evaluation import evaluate_policy
    from ponder.pipeline.isolation import require_isolation
    from ponder.pipeline.preflight import check_context, check_references
    from ponder.pipeline.problems import named_problems

    task = TaskConfig(name=problems, languages=tuple(languages.split(",")), grader=grader, limit=None)
    asked, chance = named_problems(task, limit, seed, held_out=held_out)
    check_references(asked)
    require_isolation(asked, isolation)
    bench = open_model(model, template, threads)
    longest = max(len(bench.render(problem).token_ids) for problem in asked)
    check_context(longest, max_tokens, bench.policy.config.max_positions, "--max-tokens")
    evaluation = evaluate_policy(
        bench.engine(EngineConfig(num_slots=slots, max_prompt_tokens=longest)),
        asked,
        bench.template,
        EvaluationConfig(
            samples=samples, temperature=temperature, top_p=top_p, max_new_tokens=max_tokens, every=0
        ),
        encode=bench.tokenizer.encode,
        stop_token_ids=bench.stop_token_ids,
        stop_strings=tuple(stop or ()),
        seed=seed,
        apply_chat=bench.apply_chat,
        chance=chance,
        keep_texts=keep_texts,
    )
    return asked, evaluation


def write_json_lines(rows: Iterable[Mapping[str, Any]], out: Path | None) -> int:
    """How many rows were written as JSON lines, to the file or to the standard output."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    if out is None:
        for line in lines:
            typer.echo(line)
    else:
        write_text(out, "\n".join(lines) + "\n")
    return len(lines)


def write_text(out: Path, text: str) -> None:
    """Replaces the file by the text, whole or not at all."""
    from ponder.storage.files import make_folder_durably, write_file_durably

    make_folder_durably(out.absolute().parent)
    write_file_durably(out, text.encode("utf-8", "replace"))
