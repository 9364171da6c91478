"""SHA-256 of files, folders and JSON values, and JSON files that carry their own hash."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ponder.errors import CorruptionError, StorageError

MANIFEST = "manifest.json"
"""Name of the list of hashes in a published folder."""
_TIMING = re.compile(r"(.*/)?(.*\.)?timing\.jsonl?")


def canonical_json(value: Any, *, indent: int | None = None) -> bytes:
    """The one way `value` is written: sorted keys, ASCII, no spaces unless `indent` is given.

    Raises ValueError for NaN and infinity, which JSON has not, and TypeError for other objects.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(
        value, sort_keys=True, ensure_ascii=True, allow_nan=False, indent=indent, separators=separators
    ).encode()


def hash_bytes(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def hash_json(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`."""
    return hash_bytes(canonical_json(value))


def hash_file(path: Path) -> str:
    """SHA-256 of the file's contents."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_path(path: Path) -> str:
    """`hash_directory` of a folder, `hash_file` of a file."""
    return hash_directory(path) if path.is_dir() else hash_file(path)


def hash_directory(path: Path) -> str:
    """Hash of what a folder says: of its sorted relative names and contents.

    Leaves out timing files and the manifest, so that equal results hash equally, published or not.
    Links to files count as the files; `StorageError` for links to folders and for special files.
    """
    return combine_hashes({name: hash_file(path / name) for name in walk_files(path)})


def combine_hashes(files: Mapping[str, str]) -> str:
    """The content hash of a folder from {relative name: SHA-256}."""
    kept = {name: digest for name, digest in files.items() if is_content(name)}
    return hash_json(kept)


def is_content(name: str) -> bool:
    """Whether the file of this relative name counts in a content hash."""
    return name != MANIFEST and not is_timing(name)


def is_timing(name: str) -> bool:
    """Whether the file says how long something took: the only files in which equal runs differ.

    timing.json, timing.jsonl, and the same with a first part: evaluations.timing.jsonl.
    """
    return _TIMING.fullmatch(name) is not None


def walk_files(path: Path, *, links: bool = True) -> list[str]:
    """The relative names (with `/`) of all files under `path`, sorted.

    Raises `StorageError` for what has no contents of its own to hash: a link to a folder, a pipe,
    a device; with `links=False` for any link.
    """
    names = []
    for parent, folders, files in os.walk(path):
        for name in [*folders, *files]:
            full = Path(parent, name)
            linked = full.is_symlink()
            if linked and not (links and full.is_file()):
                raise StorageError(f"{full} is a link; put the file itself there.")
            if full.is_dir():
                continue
            if not stat.S_ISREG(full.stat().st_mode):
                raise StorageError(f"{full} is not a regular file; remove it.")
            names.append(full.relative_to(path).as_posix())
    return sorted(names)


# --- JSON files that carry their own hash --------------------------------------------------------


def seal_json(record: Mapping[str, Any]) -> bytes:
    """The bytes of a JSON file holding `record` and, under "sha256", the hash of the rest."""
    return canonical_json({**record, "sha256": hash_json(dict(record))}, indent=1) + b"\n"


def open_json(path: Path) -> dict[str, Any]:
    """The record of a sealed JSON file, without its hash.

    Raises `CorruptionError` when any byte differs from what was written.
    """
    data = path.read_bytes()
    try:
        record = json.loads(data)
    except ValueError as error:
        raise CorruptionError(f"{path} is damaged: not JSON ({error}).") from error
    if not isinstance(record, dict) or "sha256" not in record:
        raise CorruptionError(f"{path} is damaged: its own hash is missing.")
    stated = record.pop("sha256")
    found = hash_json(record)
    if stated != found or seal_json(record) != data:
        raise CorruptionError(f"{path} is damaged: expected sha256 {stated}, found {found}.")
    return record
