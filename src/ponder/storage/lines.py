"""JSON lines that can be told whole from torn: each carries the start of its own hash.

A line is one record with "iteration" and, under "check", the first 16 hexadecimal digits of the
SHA-256 of the rest. A crash during an append leaves a torn last line; reading stops before it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ponder.errors import CorruptionError
from ponder.storage.crashpoints import crash_point
from ponder.storage.files import append_durably, truncate_durably
from ponder.storage.hashes import canonical_json, hash_json

Record = dict[str, Any]

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def seal_line(record: Mapping[str, Any]) -> bytes:
    """The line of `record`, with its check and newline."""
    plain = dict(record)
    return canonical_json({**plain, "check": hash_json(plain)[:16]}) + b"\n"


def open_line(line: bytes) -> Record:
    """The record of a whole line (with its newline); ValueError when it is not as it was written."""
    record = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    record.pop("check", None)
    if seal_line(record) != line:
        raise ValueError("its check does not match")
    return record


def append_lines(path: Path, records: Iterable[Mapping[str, Any]], *, label: str) -> None:
    """Appends the records as one write; `StorageError` when the disk is full, with none of them added."""
    append_durably(path, b"".join(seal_line(record) for record in records), label=label)


def read_lines(path: Path) -> list[Record]:
    """All whole records of `path`, [] when there is no file.

    A last line without its newline is one being written, or torn: it is left out. Any other line
    that does not match its check raises `CorruptionError` that names it.
    """
    if not path.exists():
        return []
    records = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            records.append(open_line(line + b"\n"))
        except ValueError as error:
            raise CorruptionError(f"{path}, line {number} is damaged: {error}.") from error
    return records


def truncate_lines(path: Path, num_iterations: int) -> list[Record]:
    """The records of iterations below `num_iterations`, after cutting everything behind them.

    Torn and damaged lines at the end go with the iterations that will be made again. A damaged line
    in front of a record that must stay raises `CorruptionError`, and nothing is cut.
    """
    if not path.exists():
        return []
    data = path.read_bytes()
    lines = data.split(b"\n")  # not splitlines: garbage after a power cut holds other line ends, too
    kept: list[Record] = []
    size = 0
    damaged: int | None = None
    for number, line in enumerate(lines[:-1], start=1):
        try:
            record = open_line(line + b"\n")
        except ValueError:
            damaged = damaged or number
            continue
        if not _precedes(record, num_iterations):
            damaged = damaged or number  # from here on nothing may stay
        elif damaged is not None:
            raise CorruptionError(
                f"{path}, line {damaged} is damaged or out of order, but line {number} after it belongs to "
                f"the {num_iterations} iterations that the checkpoint holds."
            )
        else:
            kept.append(record)
            size += len(line) + 1
    if size < len(data):
        crash_point("resume/before-truncate")
        truncate_durably(path, size)
        crash_point("resume/after-truncate")
    return kept


def _precedes(record: Record, num_iterations: int) -> bool:
    iteration = record.get("iteration")
    return isinstance(iteration, int) and iteration < num_iterations


def encode_number(value: float) -> float | str:
    """`value`, or its name in JSON's usual spelling when it is not finite."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def decode_number(value: Any) -> Any:
    """The number that `encode_number` named; other values as they are."""
    return _NON_FINITE.get(value, value) if isinstance(value, str) else value
