"""Two processes, one of each side, that take turns: first one step of ours, then one of theirs.

Taking turns spreads whatever the machine does besides over both. A process that waits for its turn
blocks on a read and uses no processor.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.shapes import ModelShape, Shape

ROOT = Path(__file__).resolve().parent.parent


DEADLINE_S = 900
"""For one step or one load; what takes longer hangs."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for every process of a run."""

    folder: Path
    """Holds the model."""
    model: ModelShape
    device: str
    threads: int
    log: Path
    """Where the processes' standard error goes."""

    def environment(self, extra: dict[str, str]) -> dict[str, str]:
        threads = str(self.threads)
        fixed = {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "PYTHONWARNINGS": "ignore",
        }
        return {**os.environ, **fixed, **extra}


@dataclass(frozen=True, slots=True)
class Samples:
    """What one side did over its steps; the first `warm_up` rows are not timed."""

    side: str
    settings: dict[str, Any]
    rows: list[dict[str, Any]]
    warm_up: int
    about: dict[str, Any] = field(default_factory=dict)
    """What it said when ready and when it stopped, peak memory among it."""

    def seconds(self, key: str = "seconds") -> list[float]:
        return [row[key] for row in self.rows[self.warm_up :]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class WorkerError(Exception):
    """A process of the benchmark ended before its work was done."""


class Worker:
    """A process of `benchmarks.worker`."""

    def __init__(self, setting: Setting, task: dict[str, Any], extra: dict[str, str] | None = None) -> None:
        task = {**task, "threads": setting.threads, "device": setting.device, "folder": str(setting.folder)}
        self._log = setting.log.open("a", encoding="utf-8")
        self._log.write(f"--- {json.dumps(task)}\n")
        self._log.flush()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            env=setting.environment(extra or {}),
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._log.close()

    def hear(self, kind: str) -> dict[str, Any]:
        """The next row, which must be of this kind. Raises WorkerError when there is none in time."""
        assert self._process.stdout is not None
        # A worker speaks once for each line it is sent, so nothing waits in our buffer.
        if not select.select([self._process.stdout], [], [], DEADLINE_S)[0]:
            self._process.kill()
        text = self._process.stdout.readline()
        row: dict[str, Any] = json.loads(text) if text else {"kind": "end"}
        if row.pop("kind") != kind:
            raise WorkerError(f"a worker ended early; its last words are in {self._log.name}")
        return row

    def step(self) -> dict[str, Any]:
        self._say("step")
        return self.hear("step")

    def stop(self) -> dict[str, Any]:
        # After its last step a trainer ends by itself and may be gone.
        with contextlib.suppress(WorkerError):
            self._say("stop")
        return self.hear("stopped")

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(f"a worker ended early; its last words are in {self._log.name}") from None


def ask(setting: Setting, task: str, **options: Any) -> dict[str, Any]:
    """The result of a task that is one answer."""
    with Worker(setting, {"task": task, "model": asdict(setting.model), **options}) as worker:
        return worker.hear("result")


def take_turns(
    setting: Setting,
    shape: Shape,
    mode: str,
    sides: dict[str, dict[str, Any]],
    steps: int,
    warm_up: int,
    give_up_s: float = math.inf,
) -> dict[str, Samples]:
    """Each side's samples of `steps` steps after `warm_up`; `sides` gives their settings by name.

    After a warm-up step that takes longer than `give_up_s` none is timed.
    """
    total = steps + warm_up
    with ExitStack() as open_workers:
        workers = {
            name: open_workers.enter_context(_side(setting, shape, mode, name, settings, total))
            for name, settings in sides.items()
        }
        about = {name: worker.hear("ready") for name, worker in workers.items()}
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
        for number in range(total):
            for name, worker in workers.items():
                rows[name].append(worker.step())
            if number < warm_up and any(each[-1]["seconds"] > give_up_s for each in rows.values()):
                break
        for name, worker in workers.items():
            about[name] |= worker.stop()
    return {name: Samples(name, sides[name], rows[name], warm_up, about[name]) for name in workers}


def _side(
    setting: Setting, shape: Shape, mode: str, name: str, settings: dict[str, Any], num_steps: int
) -> Worker:
    task = {
        "task": "side",
        "side": name,
        "mode": mode,
        "shape": shape.to_dict(),
        "num_steps": num_steps,
        "dtype": setting.model.dtype,
        "settings": {key: value for key, value in settings.items() if key != "environment"},
    }
    return Worker(setting, task, settings.get("environment"))
