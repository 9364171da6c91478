"""One process per run directory."""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ponder.errors import UserError
from ponder.storage.space import storage_errors

LOCK_FILE = "lock"


class RunLock:
    """Holds `PATH/lock` until `release`, or until the process ends in whatever way.

    The file stays and holds the holder's process number; what locks is `flock`, which the system
    drops when the process dies. A second holder gets a `UserError` that names the first.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / LOCK_FILE
        with storage_errors("locking", self._path):
            self._file: BinaryIO | None = open(self._path, "a+b")  # noqa: SIM115 - held open: it is the lock
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = self._holder()
            self.close()
            raise UserError(
                f"{run} is in use by another ponder process ({holder}); wait for it, stop it, "
                "or choose another --out."
            ) from error
        with storage_errors("locking", self._path):
            self._file.truncate(0)
            self._file.write(f"{os.getpid()}\n".encode())
            self._file.flush()
        _held.add(self)

    def _holder(self) -> str:
        text = self._path.read_bytes().decode(errors="replace").strip()
        return f"pid {text}" if text else "it has just started"

    def close(self) -> None:
        """Closes this process's handle. In the holder that releases the lock; twice is once."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_held: weakref.WeakSet[RunLock] = weakref.WeakSet()


def _close_in_child() -> None:
    # A forked worker shares the lock: one that outlives a killed run would keep the next one out.
    for lock in list(_held):
        lock.close()


os.register_at_fork(after_in_child=_close_in_child)
