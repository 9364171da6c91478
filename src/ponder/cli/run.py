"""`ponder run`: a recipe becomes a run directory; running it again continues it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped recipe.")],
    out: Annotated[Path | None, typer.Option(help="The run directory; default runs/NAME.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a key; stages by name: stages.zero.group_size=8."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run; write nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse where the preflight warns.")] = False,
    max_steps: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many optimizer steps of this call.")
    ] = None,
    max_hours: Annotated[float | None, typer.Option(min=0, help="Stop after so many hours.")] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
) -> None:
    """Run a recipe, or continue it."""
    from ponder.pipeline.recipe import load_recipe
    from ponder.pipeline.run import RunOptions, run_recipe

    run_recipe(
        load_recipe(recipe, set_ or []),
        RunOptions(
            out=out,
            dry_run=dry_run,
            strict=strict,
            max_steps=max_steps,
            max_hours=max_hours,
            until=until,
        ),
        say=typer.echo,
    )
