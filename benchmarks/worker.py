"""A process of one side: loads, then does one step for each line it is sent.

Speaks JSON lines: standard input takes "step" and "stop"; standard output gives "ready", one row per
step, and "stopped" with the peak of memory. Whatever libraries print goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from benchmarks.resident_memory import PeakMemory
from benchmarks.shapes import ModelShape, Spec, shape_from


class Line:
    """The parent's end of the conversation."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def say(self, kind: str, row: dict[str, Any]) -> None:
        self._out.write(json.dumps({"kind": kind, **row}) + "\n")
        self._out.flush()

    def wants_step(self) -> bool:
        """Waits for the parent; False when it wants no more, or is gone."""
        return sys.stdin.readline().strip() == "step"


def main() -> None:
    """Runs the task named in the JSON object that is the first argument."""
    line = Line()
    task = json.loads(sys.argv[1])
    torch.set_num_threads(task["threads"])
    if task["task"] == "side":
        _run_side(task, line)
    elif task["task"] == "rates":
        from benchmarks.machine_rates import measure_rates

        line.say("result", measure_rates(ModelShape(**task["model"]), task["device"], task["quick"]))
    elif task["task"] == "model":
        from benchmarks.small_model import write_model

        write_model(Path(task["folder"]), ModelShape(**task["model"]), task["max_positions"])
        line.say("result", {})
    elif task["task"] == "equality":
        from benchmarks.equal_loss import compare_losses

        line.say("result", compare_losses(Path(task["folder"])))
    else:
        raise ValueError(f"unknown task {task['task']!r}")


def _run_side(task: dict[str, Any], line: Line) -> None:
    spec = Spec(
        Path(task["folder"]),
        shape_from(task["shape"]),
        task["num_steps"],
        task["device"],
        task["dtype"],
        task["settings"],
    )
    side = _side(task["side"], spec)
    memory = PeakMemory(task["device"])
    line.say("ready", {"base_bytes": memory.base_bytes, **side.describe()})

    def done(row: dict[str, Any]) -> None:
        line.say("step", row)

    if task["mode"] == "rollout":
        _count(side.rollout, line.wants_step, done)
    elif task["side"] == "trl":
        side.run(line.wants_step, done)
    else:
        _count(side.step, line.wants_step, done)
    line.say("stopped", {"peak_bytes": memory.above_base(), "peak_resettable": memory.resettable})
    side.close()


def _side(name: str, spec: Any) -> Any:
    """The side's own module is imported here alone: neither process holds the other's."""
    module = importlib.import_module(f"benchmarks.{name}_side")
    if name == "trl":
        return module.TrlSide(spec, Path(tempfile.mkdtemp(prefix="benchmark-trl-")))
    return module.PonderSide(spec)


def _count(
    step: Callable[[int], dict[str, Any]],
    wants_step: Callable[[], bool],
    done: Callable[[dict[str, Any]], None],
) -> None:
    number = 0
    while wants_step():
        done(step(number))
        number += 1


if __name__ == "__main__":
    main()
