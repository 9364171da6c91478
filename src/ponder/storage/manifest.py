"""The list of hashes in a published folder, written last: what is not listed right is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ponder.errors import CorruptionError, StorageError
from ponder.storage.hashes import (
    MANIFEST,
    canonical_json,
    combine_hashes,
    hash_bytes,
    hash_file,
    walk_files,
)

FORMAT = 1


def manifest_bytes(folder: Path) -> tuple[bytes, str]:
    """The manifest that describes `folder` as it is now, and the folder's content hash.

    Timing files are listed, so that damage to them is found, but do not enter the content hash.
    """
    return _encode(
        {name: _entry(folder / name) for name in walk_files(folder, links=False) if name != MANIFEST}
    )


def _encode(files: dict[str, dict[str, Any]]) -> tuple[bytes, str]:
    digest = combine_hashes({name: entry["sha256"] for name, entry in files.items()})
    record = {"format": FORMAT, "files": files, "sha256": digest}
    return canonical_json(record, indent=1) + b"\n", digest


def _entry(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": hash_file(path)}


def verify_directory(path: Path) -> str:
    """The content hash of a published folder in which every byte is as it was written.

    Raises `CorruptionError` that names the first file that is missing, unknown or different, with
    the expected and the found hash; a damaged manifest is one of them.
    """
    listed = _listed(path)
    try:
        present = [name for name in walk_files(path, links=False) if name != MANIFEST]
    except StorageError as error:
        raise CorruptionError(f"{path} is damaged: {error}") from error
    found = {name: _entry(path / name) for name in present}
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            raise CorruptionError(
                f"{path} is damaged: {name} is missing (expected sha256 {_sha(listed[name])})."
            )
        if name not in listed:
            raise CorruptionError(
                f"{path} is damaged: {name} is not in its {MANIFEST} (expected no such file, "
                f"found sha256 {found[name]['sha256']})."
            )
        if listed[name] != found[name]:
            raise CorruptionError(
                f"{path} is damaged: {name}: expected sha256 {_sha(listed[name])}, "
                f"found {found[name]['sha256']}."
            )
    expected, digest = _encode(found)
    data = (path / MANIFEST).read_bytes()
    if data != expected:
        raise CorruptionError(
            f"{path} is damaged: {MANIFEST}: expected sha256 {hash_bytes(expected)}, "
            f"found {hash_bytes(data)}."
        )
    return digest


def _listed(path: Path) -> dict[str, Any]:
    """The files of the manifest, as far as it can be read."""
    if not path.is_dir():
        raise CorruptionError(f"{path} is missing.")
    try:
        data = (path / MANIFEST).read_bytes()
    except FileNotFoundError as error:
        raise CorruptionError(
            f"{path} is damaged: {MANIFEST} is missing; it was never published whole."
        ) from error
    try:
        record = json.loads(data)
    except ValueError as error:
        raise CorruptionError(
            f"{path} is damaged: {MANIFEST} is not JSON (found sha256 {hash_bytes(data)})."
        ) from error
    files = record.get("files") if isinstance(record, dict) else None
    if not isinstance(files, dict):
        raise CorruptionError(
            f'{path} is damaged: {MANIFEST} has no "files" (found sha256 {hash_bytes(data)}).'
        )
    return files


def _sha(entry: Any) -> str:
    return str(entry.get("sha256", "unknown")) if isinstance(entry, dict) else "unknown"
