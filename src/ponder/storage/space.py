"""How much space there is, and what an error of the disk means."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ponder.errors import StorageError

DISK_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
)
"""What an error of the disk looks like; others that a caller's code raises are its own."""


def check_space(path: Path, needed_bytes: int) -> None:
    """Returns when the disk of `path` (it may not exist yet) is writable and has `needed_bytes` free.

    Raises `StorageError` that says how much is needed and how much is free.
    """
    place = _existing(path)
    if not os.access(place, os.W_OK):
        raise StorageError(f"{place} cannot be written to; choose another folder or change its permissions.")
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise StorageError(
            f"The disk of {place} has {format_bytes(free)} free, {format_bytes(needed_bytes)} are needed; "
            "free some space or choose another folder. Nothing was written."
        )


def format_bytes(num_bytes: int) -> str:
    """`1.5 GiB` for 1610612736."""
    size, unit = float(num_bytes), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


@contextmanager
def storage_errors(action: str, path: Path, *, needed_bytes: int = 0) -> Iterator[None]:
    """Turns the system's errors inside the block into a `StorageError` that says what to do.

    `needed_bytes` is what the block wants to write, where that is known.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(explain(error, action, path, needed_bytes)) from error


def explain(error: OSError, action: str, path: Path, needed_bytes: int) -> str:
    """What the error means for the user: how much is needed and free, and what to do."""
    place = _existing(path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        limit = "The disk is full" if error.errno == errno.ENOSPC else "The disk quota is used up"
        needed = f"at least {format_bytes(needed_bytes)} needed, " if needed_bytes else ""
        free = format_bytes(shutil.disk_usage(place).free)
        return (
            f"{limit}: {action} {path} ({needed}{free} free). Free some space and give the same command "
            "again; everything committed before is intact."
        )
    if error.errno == errno.EFBIG:
        return f"{action} {path}: larger than a file may be here (`ulimit -f`); raise the limit."
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (
            f"{action} {path} is not permitted ({error.strerror}); "
            "choose another folder or change its permissions."
        )
    if error.errno == errno.EIO:
        return (
            f"The disk reports an error: {action} {path} ({error.strerror}); check the disk before going on."
        )
    return f"{action} {path} failed: {error}."


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
