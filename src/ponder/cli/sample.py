"""`ponder sample`: completions of a model, with their verdicts, as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ponder.cli import asking

if TYPE_CHECKING:
    from ponder.evaluation import Evaluation


def sample(
    model: asking.Model,
    problems: Annotated[str, typer.Option(metavar="FILE", help="A file of problems, or a task by name.")],
    samples: asking.Samples = 1,
    temperature: asking.Temperature = 1.0,
    top_p: asking.TopP = 1.0,
    max_tokens: asking.MaxTokens = 1024,
    stop: asking.Stop = None,
    template: asking.TemplateName = "r1_zero",
    limit: asking.Limit = None,
    languages: asking.Languages = "en",
    grader: asking.Grader = "",
    seed: asking.Seed = 0,
    slots: asking.Slots = 256,
    threads: asking.Threads = None,
    isolation: asking.Isolation = "bubblewrap",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write here instead of to the standard output.")
    ] = None,
) -> None:
    """Sample completions, one JSON line each."""
    asked, evaluation = asking.ask_model(
        model,
        problems,
        limit=limit,
        languages=languages,
        grader=grader,
        samples=samples,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        stop=stop,
        template=template,
        seed=seed,
        slots=slots,
        threads=threads,
        isolation=isolation,
    )
    count = asking.write_json_lines(_rows(evaluation), out)
    if out is not None:
        typer.echo(f"{count} completions of {len(asked)} problems: {out}")


def _rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    for problem in evaluation.problems:
        for member, outcome in enumerate(problem.outcomes):
            yield {
                "id": problem.problem_id,
                "sample": member,
                "question": problem.question,
                "completion": problem.prefill + outcome.text,
                "answer": outcome.extracted,
                "reference": problem.reference,
                "verdict": str(outcome.verdict),
                "reason": outcome.reason,
                "finish": str(outcome.finish),
                "num_tokens": outcome.num_tokens,
            }
