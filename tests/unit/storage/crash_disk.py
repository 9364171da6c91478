"""A disk double that loses power: what a crash at any moment may leave, made as a folder to reopen.

It carries every call out on the real disk and remembers what has been synced. `crash_states` then
writes out what the disk may hold after a power cut: names (folder entries) and contents that were
synced are there; those that were not may be kept, dropped, torn at a page border, or garbage.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ponder.storage.disk import Disk

PAGE = 4096


class RecordingDisk(Disk):
    """Notes each call as (verb, path relative to `root`), and calls `before` ahead of it."""

    def __init__(self, root: Path, before: Callable[[], None] = lambda: None) -> None:
        self.root, self.calls, self.before = root, [], before

    def note(self, verb: str, path: Path) -> None:
        self.before()
        self.calls.append((verb, os.path.relpath(path, self.root)))

    def create(self, path: Path) -> BinaryIO:
        self.note("create", path)
        return super().create(path)

    def append(self, path: Path) -> BinaryIO:
        self.note("append", path)
        return super().append(path)

    def write(self, file: BinaryIO, data: bytes) -> None:
        self.note("write", Path(file.name))
        super().write(file, data)

    def flush(self, file: BinaryIO) -> None:
        self.note("flush", Path(file.name))
        super().flush(file)

    def sync(self, file: BinaryIO) -> None:
        self.note("sync", Path(file.name))
        super().sync(file)

    def sync_path(self, path: Path) -> None:
        self.note("sync_path", path)
        super().sync_path(path)

    def make_folder(self, path: Path) -> None:
        self.note("make_folder", path)
        super().make_folder(path)

    def rename(self, source: Path, target: Path) -> None:
        self.note("rename", target)
        super().rename(source, target)

    def truncate(self, path: Path, num_bytes: int) -> None:
        self.note("truncate", path)
        super().truncate(path, num_bytes)

    def remove(self, path: Path) -> None:
        self.note("remove", path)
        super().remove(path)


class PowerLossDisk(RecordingDisk):
    """Knows which names and contents would survive a power cut now."""

    def __init__(self, root: Path, before: Callable[[], None] = lambda: None) -> None:
        super().__init__(root, before)
        self._contents: dict[int, bytes] = {}
        self._entries: dict[int, dict[str, int]] = {}
        self._kinds: dict[int, bool] = {}
        self._handles: dict[int, int] = {}
        self._settle(root)

    def close(self) -> None:
        for handle in self._handles.values():
            os.close(handle)

    def sync(self, file: BinaryIO) -> None:
        super().sync(file)
        self._sync(Path(file.name))

    def sync_path(self, path: Path) -> None:
        super().sync_path(path)
        self._sync(path)

    def _inode(self, path: Path) -> int:
        info = path.stat()
        if info.st_ino not in self._handles:  # held open: its number is not given to another file
            self._handles[info.st_ino] = os.open(path, os.O_RDONLY)
            self._kinds[info.st_ino] = stat.S_ISDIR(info.st_mode)
        return info.st_ino

    def _sync(self, path: Path) -> None:
        inode = self._inode(path)
        if path.is_dir():
            self._entries[inode] = {entry.name: self._inode(entry) for entry in path.iterdir()}
        else:
            self._contents[inode] = path.read_bytes()

    def _settle(self, path: Path) -> None:
        self._sync(path)
        if path.is_dir():
            for entry in path.iterdir():
                self._settle(entry)

    def crash(self, target: Path, names: str, contents: str) -> None:
        """Writes what a power cut now may leave to `target`.

        names: "synced" or "kept"; contents: "kept", "dropped", "torn" or "garbage".
        """
        self._scan(self.root)
        self._write(self._inode(self.root), target, names, contents)

    def _scan(self, path: Path) -> None:
        self._inode(path)
        if path.is_dir():
            for entry in path.iterdir():
                self._scan(entry)

    def _write(self, inode: int, target: Path, names: str, contents: str) -> None:
        if self._kinds[inode]:
            target.mkdir()
            handle = f"/proc/self/fd/{self._handles[inode]}"
            now = {entry.name: entry.inode() for entry in os.scandir(handle)} if os.path.isdir(handle) else {}
            entries = now if names == "kept" else self._entries.get(inode, {})
            for name, child in entries.items():
                self._write(child, target / name, names, contents)
        else:
            target.write_bytes(self._content(inode, contents))

    def _content(self, inode: int, contents: str) -> bytes:
        synced = self._contents.get(inode, b"")
        handle = self._handles[inode]
        now = os.pread(handle, os.fstat(handle).st_size, 0)
        if now == synced or contents == "kept":
            return now
        if contents == "dropped":
            return synced
        pairs = zip(now, synced, strict=False)
        changed = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(now), len(synced)))
        if contents == "garbage":
            return now[:changed] + bytes((byte * 7 + 13) % 256 for byte in now[changed:])
        border = (changed // PAGE + 1) * PAGE  # a page goes to the disk whole; a short rest in half
        return now[: border if border < len(now) else changed + (len(now) - changed) // 2]


MODELS = [
    (names, contents) for names in ("synced", "kept") for contents in ("kept", "dropped", "torn", "garbage")
]
