"""`ponder doctor`: what this machine and installation offer."""

from __future__ import annotations

import typer


def doctor() -> None:
    """Look at this machine and installation."""
    from ponder.pipeline.machine import describe_machine, find_faults

    described = describe_machine()
    width = max(map(len, described))
    for name, value in described.items():
        typer.echo(f"{name:<{width}}  {value}")
    faults = find_faults()
    for fault in faults:
        typer.echo(f"! {fault}")
    typer.echo("Something is missing; see above." if faults else "Ready: ponder run zero_tiny")
    if faults:
        raise typer.Exit(1)
