"""`ponder verify`: every hash of a run is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ponder.errors import CorruptionError


def verify(directory: Annotated[Path, typer.Argument(help="A run directory.")]) -> None:
    """Check every hash of a run.

    Exits with 3 and names the files where one does not match.
    """
    from ponder.storage.verify import verify_run

    verification = verify_run(directory)
    if not verification.clean:
        listed = "\n  ".join(finding.problem for finding in verification.findings)
        raise CorruptionError(f"{len(verification.findings)} findings in {directory}:\n  {listed}")
    typer.echo(f"{verification.num_checked} hashes checked in {directory}: everything is as it was written.")
