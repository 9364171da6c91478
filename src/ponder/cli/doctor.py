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
    for line in _isolation():
        typer.echo(line)
    faults = find_faults()
    for fault in faults:
        typer.echo(f"! {fault}")
    typer.echo("Something is missing; see above." if faults else "Ready: ponder run zero_tiny")
    if faults:
        raise typer.Exit(1)


def _isolation() -> list[str]:
    """The layers between a solution's code and this machine, or why there are none."""
    from ponder.errors import SandboxError
    from ponder.grading.sandbox.layers import describe_layers

    try:
        layers = describe_layers()
    except SandboxError as error:
        return [f"sandbox for code: none. {error}", "Everything but code can be trained on without."]
    width = max(map(len, layers))
    return [
        "sandbox for code: bubblewrap",
        *(f"  {name:<{width}}  {value}" for name, value in layers.items()),
    ]
