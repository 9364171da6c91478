"""The kernel's limits for a whole tree of processes, where this user may set them."""

from __future__ import annotations

import contextlib
import os
import time
from functools import cache
from pathlib import Path

from ponder.grading.sandbox.process_tree import descendants

_ROOT = Path("/sys/fs/cgroup")


@cache
def writable_groups() -> dict[str, Path]:
    """The folder in which groups can be made, by controller ("memory", "pids"); empty where none can."""
    unified = _ROOT / "cgroup.controllers"
    if unified.exists():
        return _unified_groups()
    folders = {name: _ROOT / name for name in ("memory", "pids")}
    return {name: folder for name, folder in folders.items() if _can_make_groups(folder)}


def _unified_groups() -> dict[str, Path]:
    """Of cgroup v2: below our own group, if it passes the controllers on."""
    try:
        own = Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip().lstrip("/")
        for folder in (_ROOT / own, (_ROOT / own).parent):
            passed_on = (folder / "cgroup.subtree_control").read_text().split()
            if {"memory", "pids"} <= set(passed_on) and _can_make_groups(folder):
                return {"memory": folder, "pids": folder}
    except OSError:
        pass
    return {}


def _can_make_groups(folder: Path) -> bool:
    probe = folder / f"ponder-probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    _remove_left_behind(folder)
    return True


class ControlGroup:
    """The groups of one tree of processes; nothing where none can be made."""

    def __init__(self, pid: int) -> None:
        """Moves the process and its descendants there; those to come are born there."""
        self._folders: dict[str, Path] = {}
        self._limits: tuple[int, int] | None = None
        for name, parent in writable_groups().items():
            folder = parent / f"ponder-{os.getpid()}-{pid}"
            try:
                folder.mkdir(exist_ok=True)
                self._folders[name] = folder
                for each in descendants(pid):
                    (folder / "cgroup.procs").write_text(str(each))
            except OSError:  # the supervisor's limits hold without
                self.remove()
                return

    def limit(self, memory_bytes: int, processes: int) -> None:
        """Sets the limits of the whole tree."""
        if self._limits == (memory_bytes, processes):
            return
        self._limits = (memory_bytes, processes)
        values = {
            "memory": (("memory.limit_in_bytes", memory_bytes), ("memory.max", memory_bytes)),
            "pids": (("pids.max", processes),),
        }
        for name, folder in self._folders.items():
            for file, value in values[name]:
                if (folder / file).exists():
                    with contextlib.suppress(OSError):
                        (folder / file).write_text(str(value))

    def remove(self) -> None:
        """Removes the groups; nothing may run in them any more."""
        for folder in set(self._folders.values()):
            _remove(folder)
        self._folders.clear()


def _remove(folder: Path) -> None:
    # A process that has been killed is counted until it is quite gone.
    for _ in range(50):
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        if not folder.exists():
            return
        time.sleep(0.01)


def _remove_left_behind(parent: Path) -> None:
    """Groups of processes of ours that were killed and could not remove them."""
    for folder in parent.glob("ponder-*-*"):
        maker = folder.name.split("-")[1]
        if maker.isdigit() and not Path(f"/proc/{maker}").exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
