"""The only functions that write: what they return from is on the disk, whatever happens next.

A file is written under a temporary name, flushed, fsynced, renamed, and its folder fsynced; fsync
before flush would sync nothing of Python's buffer, a rename without fsync of the folder may be undone
by a power cut. A folder is built under a temporary name, every file and folder in it fsynced, its
manifest written last, and renamed as a whole. So what bears a final name is complete, and a crash
leaves the old, the new, or a leftover that `sweep_leftovers` removes. `disk` holds the system calls
one by one: tests put a recording double in its place.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ponder.errors import CorruptionError, StorageError
from ponder.storage.crashpoints import crash_point, torn_write
from ponder.storage.disk import Disk
from ponder.storage.hashes import MANIFEST, walk_files
from ponder.storage.manifest import manifest_bytes, verify_directory
from ponder.storage.space import DISK_ERRORS, check_space, explain, storage_errors

_LEFTOVER = re.compile(r"\.tmp-[0-9a-f]{16}$")


disk = Disk()
"""The disk in use."""


# --- files ---------------------------------------------------------------------------------------


def write_file_durably(path: Path, data: bytes, *, label: str = "record", overwrite: bool = True) -> None:
    """Returns when `path` holds `data` for good; before that it holds what it held, or nothing.

    `label` names the crash points passed. Raises `StorageError` when the disk is full or refuses, or
    when the file exists and `overwrite` is False; nothing is left behind then.
    """
    if not overwrite and os.path.lexists(path):
        raise StorageError(f"{path} exists and is never overwritten; move it away.")
    draft = _draft_name(path)
    with storage_errors("writing", path, needed_bytes=len(data)):
        crash_point(f"{label}/before-write")
        try:
            with disk.create(draft) as file:
                torn_write(
                    f"{label}/during-write",
                    lambda part: disk.write(file, part),
                    lambda: disk.flush(file),
                    data,
                )
                disk.flush(file)
                disk.sync(file)
            crash_point(f"{label}/after-sync")
            disk.rename(draft, path)
        except BaseException:
            _discard_draft(draft)
            raise
        crash_point(f"{label}/after-rename")
        disk.sync_path(path.parent)


def append_durably(path: Path, data: bytes, *, label: str) -> None:
    """Returns when `data` stands at the end of `path` for good.

    A crash may leave a part of `data` there: readers must know a whole record from a part of one.
    On an error (`StorageError`) the part is cut off again, so that a later append starts clean.
    """
    new = not path.exists()
    size = 0 if new else path.stat().st_size
    with storage_errors("writing", path, needed_bytes=len(data)):
        crash_point(f"{label}/before-append")
        try:
            with disk.append(path) as file:
                torn_write(
                    f"{label}/during-append",
                    lambda part: disk.write(file, part),
                    lambda: disk.flush(file),
                    data,
                )
                disk.flush(file)
                disk.sync(file)
        except OSError:
            with suppress(OSError):
                disk.truncate(path, size)
            raise
        if new:
            disk.sync_path(path.parent)
        crash_point(f"{label}/after-append")


def truncate_durably(path: Path, num_bytes: int) -> None:
    """Cuts `path` to its first `num_bytes`; `StorageError` when the disk refuses."""
    with storage_errors("shortening", path):
        disk.truncate(path, num_bytes)
        disk.sync_path(path)


def remove_durably(path: Path) -> None:
    """Removes a file or a folder so that a crash leaves it whole or gone.

    It is renamed to a leftover's name first: a folder half deleted is never taken for a damaged one.
    """
    with storage_errors("removing", path):
        crash_point("retention/before-discard")
        grave = _draft_name(path)
        disk.rename(path, grave)
        disk.sync_path(path.parent)
        crash_point("retention/after-rename")
        disk.remove(grave)


# --- folders -------------------------------------------------------------------------------------


def publish_directory(
    build: Callable[[Path], None],
    target: Path,
    *,
    label: str = "artifact",
    needed_bytes: int = 0,
    replace_corrupt: bool = False,
) -> str:
    """The content hash of the folder `target`, which `build(folder)` filled under a temporary name.

    `target` appears complete, with its manifest, or not at all. One that is there already stays when
    its content is the same; otherwise that is an error (`StorageError`; `CorruptionError` if it is
    damaged), except with `replace_corrupt` a damaged one is replaced: the new one is complete on the
    disk before the old one goes. `needed_bytes`, where known, is checked before anything is written.
    Errors of `build` pass through; a full disk becomes `StorageError`; the draft is removed.
    """
    present = _present(target, replace_corrupt)
    if needed_bytes:
        check_space(target, needed_bytes)
    make_folder_durably(target.parent)
    draft = _draft_name(target)
    try:
        crash_point(f"{label}/before-build")
        disk.make_folder(draft)
        build(draft)
        crash_point(f"{label}/after-build")
        digest = _seal(draft, label)
        if present is not None:
            _require_same(target, present, digest)
            disk.remove(draft)
            return digest
        if os.path.lexists(target):
            remove_durably(target)
        disk.rename(draft, target)
        crash_point(f"{label}/after-rename")
        disk.sync_path(target.parent)
    except BaseException as error:
        size = _size(draft)
        _discard_draft(draft)
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise StorageError(explain(error, "writing", target, max(needed_bytes, size))) from error
        raise
    crash_point(f"{label}/after-publish")
    return digest


def _present(target: Path, replace_corrupt: bool) -> str | None:
    """The content hash of a good `target`; None when there is none, or a damaged one to replace."""
    if not os.path.lexists(target):
        return None
    try:
        return verify_directory(target)
    except CorruptionError:
        if replace_corrupt:
            return None
        raise


def _require_same(target: Path, present: str, digest: str) -> None:
    if present != digest:
        raise StorageError(
            f"{target} exists with other content (sha256 {present}, the new one has {digest}) and is never "
            "overwritten; move it away or choose another name."
        )


def _seal(draft: Path, label: str) -> str:
    """The content hash of `draft` once every file, the manifest after them, and every folder is synced."""
    files = walk_files(draft, links=False)
    for name in files:
        disk.sync_path(draft / name)
    folders = {draft} | {
        parent for name in files for parent in (draft / name).parents if draft in parent.parents
    }
    crash_point(f"{label}/after-sync")
    data, digest = manifest_bytes(draft)
    with disk.create(draft / MANIFEST) as file:
        disk.write(file, data)
        disk.flush(file)
        disk.sync(file)
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        disk.sync_path(folder)
    crash_point(f"{label}/after-manifest")
    return digest


def make_folder_durably(path: Path) -> None:
    """Makes `path` and its missing parents; `StorageError` when that is refused."""
    with storage_errors("making the folder", path):
        missing = []
        while not path.is_dir():
            missing.append(path)
            path = path.parent
        for folder in reversed(missing):
            with suppress(FileExistsError):
                disk.make_folder(folder)
            disk.sync_path(folder.parent)


def sweep_leftovers(folder: Path) -> tuple[Path, ...]:
    """The leftovers of crashes found under `folder` at any depth, now removed.

    Only names ending in `.tmp-` and 16 hexadecimal digits, which nothing but this module makes.
    The caller holds the run's lock: nobody is writing them.
    """
    swept = []
    with storage_errors("sweeping", folder):
        for parent, names, files in os.walk(folder):
            for name in [*names, *files]:
                if _LEFTOVER.search(name):
                    disk.remove(Path(parent, name))
                    swept.append(Path(parent, name))
            names[:] = [name for name in names if not _LEFTOVER.search(name)]
    return tuple(sorted(swept))


def is_leftover(path: Path) -> bool:
    """Whether the name is one that only a crash leaves."""
    return _LEFTOVER.search(path.name) is not None


def _draft_name(path: Path) -> Path:
    return path.with_name(f"{path.name}.tmp-{secrets.token_hex(8)}")


def _size(path: Path) -> int:
    return sum(Path(parent, name).lstat().st_size for parent, _, names in os.walk(path) for name in names)


def _discard_draft(draft: Path) -> None:
    # The first error is the one to report; a draft that stays is swept at the next start.
    with suppress(OSError):
        if os.path.lexists(draft):
            disk.remove(draft)
