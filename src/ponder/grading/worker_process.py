"""A child Python process that can be killed at any moment, from any thread.

Not `multiprocessing.Process`: that imports the parent's main module into the child (and with it
whatever the user's script imports, torch first of all) and fails in scripts without a main guard.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_BOOT = "from ponder.grading.worker_process import child_main; child_main()"
_ORPHAN_CHECK_S = 1.0


class WorkerProcess:
    """A running child and the two-way channel to it.

    `entry` is "module:function"; the child calls function(connection, *arguments). The channel
    carries pickles. Every OSError and EOFError of `connection` means that the child is gone.
    """

    def __init__(self, entry: str, arguments: Sequence[Any] = ()) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, entry, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is the parent's; a kill takes the child's children, too
            )
        self.connection: Connection[Any, Any] = Connection(ours.detach())
        self.connection.send(tuple(arguments))

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_status(self, wait_s: float = 2.0) -> int | None:
        """Exit code, or minus the signal's number; None while it runs."""
        try:
            return self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return None

    def usage(self) -> tuple[str, float] | None:
        """(state letter, processor seconds so far) of the child; None where /proc does not say."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """Ends the child and its descendants at once; may be called again, from any thread.

        Whoever waits on `connection` meanwhile gets EOFError; closing it is for that thread to do.
        """
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kills the child and closes the channel."""
        self.kill()
        self.connection.close()


def _environment() -> dict[str, str]:
    """The parent's environment; the child finds the same modules and keeps to one thread."""
    paths = [path for path in sys.path if path]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def child_main() -> None:
    """The child's main function: connects, calls the entry named on its command line, exits."""
    entry, descriptor = sys.argv[1:3]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    os.dup2(2, 1)  # what a user's function prints must not mix with the command's own output
    threading.Thread(target=_exit_when_orphaned, args=(os.getppid(),), daemon=True).start()
    connection: Connection[Any, Any] = Connection(int(descriptor))
    module, _, function = entry.partition(":")
    # A channel that ends is how the parent says goodbye.
    with contextlib.suppress(EOFError, ConnectionError):
        arguments = connection.recv()
        getattr(importlib.import_module(module), function)(connection, *arguments)


def _exit_when_orphaned(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_ORPHAN_CHECK_S)
    os._exit(1)
