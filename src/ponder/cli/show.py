"""`ponder show`: where a run stands and what it has shown so far."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(
    directory: Annotated[Path, typer.Argument(help="A run directory.")],
    transcripts: Annotated[int, typer.Option(min=0, help="How many of the most telling transcripts.")] = 3,
) -> None:
    """Show where a run stands.

    Its stages, first and last metrics, the table of scores, the most telling transcripts.
    """
    from ponder.pipeline.showing import describe_run

    for line in describe_run(directory, num_transcripts=transcripts):
        typer.echo(line)
