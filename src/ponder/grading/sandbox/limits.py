"""What a program may use, and how a run of one ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one run, all its processes together unless a line says otherwise."""

    cpu_s: float = 10.0
    """Processor seconds."""
    wall_s: float = 30.0
    """By the clock. A run that waited for a processor most of that time gets more."""
    memory_bytes: int = 1 << 30
    """Resident."""
    processes: int = 16
    """Processes and threads."""
    output_bytes: int = 16 << 20
    """Of stdout, stderr and replies, each."""
    file_bytes: int = 16 << 20
    """Of one file."""
    disk_bytes: int = 64 << 20
    """Of all files, which are in memory."""
    open_files: int = 64
    """Of one process."""

    def resources(self) -> dict[str, int]:
        """As the kernel's limits per process. Address space is no measure of memory, but bounds it."""
        return {
            "CPU": int(self.cpu_s) + 1,
            "AS": 2 * self.memory_bytes + (1 << 30),
            "FSIZE": self.file_bytes,
            "NOFILE": self.open_files,
            "NPROC": self.processes,
            "CORE": 0,
            "MSGQUEUE": 0,
            "MEMLOCK": 0,
        }


class Stop(StrEnum):
    """Why a run was ended from outside."""

    CPU = "cpu"
    WALL = "wall"
    STARVED = "starved"
    """It was ready to run and hardly got a processor: the machine's fault."""
    MEMORY = "memory"
    PROCESSES = "processes"
    OUTPUT = "output"
    CLOSED = "closed"
    """By whoever started it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    status: int | None
    """Exit status, or minus the number of the signal; None when it was stopped."""
    stop: Stop | None
    cpu_s: float
    wall_s: float
    stdout: bytes
    stderr: bytes

    def explain(self, limits: Limits) -> str:
        """One line for whoever reads the grade."""
        by_kernel = self.status == -24 or (self.status == -9 and self.cpu_s >= 0.9 * limits.cpu_s)
        if self.stop is Stop.CPU or by_kernel:
            return f"more than {limits.cpu_s:g} s of processor time"
        if self.stop is Stop.WALL:
            return f"not done after {self.wall_s:.1f} s"
        if self.stop is Stop.STARVED:
            return f"the machine is overloaded: {self.cpu_s:.1f} s of processor time in {self.wall_s:.1f} s"
        if self.stop is Stop.MEMORY:
            return f"more than {limits.memory_bytes >> 20} MB of memory"
        if self.stop is Stop.PROCESSES:
            return f"more than {limits.processes} processes"
        if self.stop is Stop.OUTPUT:
            return f"more than {limits.output_bytes >> 20} MB of output"
        if self.status is not None and self.status < 0:
            return f"ended by signal {-self.status}"
        last = self.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        return f"exit status {self.status}" + (f": {last}" if last else "")
