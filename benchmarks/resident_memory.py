"""Peak memory of what a process does from a given moment on, its children included."""

from __future__ import annotations

import gc
import os
import resource
from pathlib import Path

import torch


class PeakMemory:
    """Counts from the moment it is made: make it when everything is imported and loaded.

    Main memory: the high-water mark of the resident set, which Linux resets on request, of this process
    and of the children it has at that moment. On CUDA: the peak of torch's allocator.
    """

    def __init__(self, device: str) -> None:
        gc.collect()
        self._cuda = device == "cuda"
        self.resettable = True
        if self._cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self._base = {0: int(torch.cuda.memory_allocated())}
            return
        self._base = {}
        for process in (os.getpid(), *_children(os.getpid())):
            try:
                Path(f"/proc/{process}/clear_refs").write_text("5", encoding="ascii")
            except OSError:
                self.resettable = False
            self._base[process] = _status_bytes(process, "VmRSS")

    @property
    def base_bytes(self) -> int:
        """Memory when the counting began."""
        return sum(self._base.values())

    def above_base(self) -> int:
        """Bytes of the peak above what was there when the counting began."""
        if self._cuda:
            return int(torch.cuda.max_memory_allocated()) - self._base[0]
        if not self.resettable:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - self._base[os.getpid()]
        return sum(
            max(0, _status_bytes(process, "VmHWM") - base)
            for process, base in self._base.items()
            if Path(f"/proc/{process}").exists()
        )


def _children(process: int) -> list[int]:
    """Processes below `process`, whatever thread started them."""
    found = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in (thread / "children").read_text(encoding="ascii").split():
            found += [int(child), *_children(int(child))]
    return found


def _status_bytes(process: int, key: str) -> int:
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/{process}/status has no {key}")
