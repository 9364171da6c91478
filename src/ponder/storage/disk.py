"""The system calls that durability depends on, one method each, so that a test can stand in for them."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import BinaryIO


class Disk:
    """The system calls that durability depends on."""

    def create(self, path: Path) -> BinaryIO:
        """A new file, open for writing; FileExistsError if there is one."""
        return open(path, "xb")

    def append(self, path: Path) -> BinaryIO:
        """The file open for writing at its end."""
        return open(path, "ab")

    def write(self, file: BinaryIO, data: bytes) -> None:
        file.write(data)

    def flush(self, file: BinaryIO) -> None:
        """Hands Python's buffer to the system."""
        file.flush()

    def sync(self, file: BinaryIO) -> None:
        """Returns when the system has the file's contents on the disk."""
        _fsync(file.fileno())

    def sync_path(self, path: Path) -> None:
        """The same for a closed file; for a folder: its list of names."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            _fsync(descriptor)
        finally:
            os.close(descriptor)

    def make_folder(self, path: Path) -> None:
        path.mkdir()

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def truncate(self, path: Path, num_bytes: int) -> None:
        os.truncate(path, num_bytes)

    def remove(self, path: Path) -> None:
        """Removes a file, or a folder with all in it; links are removed, not followed."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _fsync(descriptor: int) -> None:
    # macOS: fsync alone leaves the data in the drive's cache.
    full_sync: int | None = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, full_sync)
