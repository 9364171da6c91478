"""`ponder evaluate`: scores of a model on a task or a file of problems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ponder.cli import asking


def evaluate(
    model: asking.Model,
    benchmark: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A task by name, or a file of problems.")
    ],
    samples: asking.Samples = 4,
    temperature: asking.Temperature = 0.6,
    top_p: asking.TopP = 0.95,
    max_tokens: asking.MaxTokens = 1024,
    stop: asking.Stop = None,
    template: asking.TemplateName = "r1_zero",
    problems: asking.Limit = 512,
    languages: asking.Languages = "en",
    grader: asking.Grader = "",
    seed: asking.Seed = 0,
    slots: asking.Slots = 256,
    threads: asking.Threads = None,
    isolation: asking.Isolation = "bubblewrap",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every completion and verdict, as JSON.")
    ] = None,
) -> None:
    """Score a model on a task or a file.

    Shows pass@1, corrected for chance, with 95% intervals, and the share in the right format.
    """
    from ponder.evaluation import evaluation_to_json, summarise
    from ponder.pipeline.showing import score_table

    _, evaluation = asking.ask_model(
        model,
        benchmark,
        limit=problems,
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
    for line in score_table(summarise(evaluation)):
        typer.echo(line)
    if out is not None:
        asking.write_text(out, evaluation_to_json(evaluation))
        typer.echo(f"  every completion: {out}")
