"""Where the data of the figures lie."""

from __future__ import annotations

from pathlib import Path

from ponder.tasks.benchmarks import data_folder

BESIDE = Path(__file__).parents[3] / "shared" / "data"
SKIPPED = f"skipped: PONDER_DATA names no folder of data, and {BESIDE} is not there"


def folder() -> Path | None:
    """The folder of `PONDER_DATA`, else ../shared/data beside the project; None where neither is there."""
    return data_folder() or (BESIDE if BESIDE.is_dir() else None)
