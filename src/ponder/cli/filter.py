"""`ponder filter`: how often a model solves each problem, as a file of problems with `pass_rate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ponder.cli import asking

if TYPE_CHECKING:
    from ponder.evaluation import Evaluation
    from ponder.types import Problem


def filter_problems(
    model: asking.Model,
    problems: Annotated[str, typer.Option(metavar="FILE", help="A file of problems, or a task by name.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The problems with their pass rates, as JSONL.")],
    samples: asking.Samples = 16,
    temperature: asking.Temperature = 1.0,
    top_p: asking.TopP = 1.0,
    max_tokens: asking.MaxTokens = 1024,
    stop: asking.Stop = None,
    template: asking.TemplateName = "r1_zero",
    limit: asking.Limit = None,
    languages: asking.Languages = "en",
    grader: asking.Grader = "",
    low: Annotated[float, typer.Option(min=0.0, max=1.0, help="Leave out problems solved less often.")] = 0.0,
    high: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Leave out problems solved more often.")
    ] = 1.0,
    seed: asking.Seed = 0,
    slots: asking.Slots = 256,
    threads: asking.Threads = None,
    isolation: asking.Isolation = "bubblewrap",
) -> None:
    """Measure the pass rate of each problem.

    The result is a file of problems that `data.pass_rate` of a recipe selects from.
    """
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
        held_out=False,
        keep_texts=False,
    )
    rows = [row for row in _rows(asked, evaluation) if low <= row["pass_rate"] <= high]
    asking.write_json_lines(rows, out)
    solved = [row["pass_rate"] for row in rows]
    between = sum(0 < rate < 1 for rate in solved)
    typer.echo(
        f"{len(rows)} of {len(asked)} problems kept in {out}: {between} solved sometimes, "
        f"{sum(rate == 0 for rate in solved)} never, {sum(rate == 1 for rate in solved)} always."
    )


def _rows(asked: Sequence[Problem], evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """The problems whose rate could be measured; their own columns are kept."""
    for problem, outcome in zip(asked, evaluation.problems, strict=True):
        if outcome.pass_at_1 is None:
            continue
        question: Any = problem.text
        if len(problem.messages) > 1:
            question = [dict(message) for message in problem.messages]
        yield {
            **problem.meta,
            "id": problem.id,
            "question": question,
            "answer": problem.reference,
            "grader": problem.grader,
            "language": problem.language,
            "pass_rate": outcome.pass_at_1,
        }
