"""Runs in child processes that can be killed, forked from one that has imported everything.

The forking process does nothing else: pytest itself has threads and may have run a backward pass,
neither of which survives a fork.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Child:
    """A run in a process of its own; its output goes to a file."""

    pid: int
    log: Path
    nursery: Nursery

    def wait(self) -> int:
        """Exit code, or minus the number of the signal that ended it."""
        return int(self.nursery.ask(what="wait", pid=self.pid))

    def wait_for(self, condition: Callable[[], bool], limit_s: float = 120.0) -> None:
        """Returns as soon as the condition holds; fails when time runs out first."""
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, f"it did not come about:\n{self.log.read_text()}"
            time.sleep(0.002)


class Nursery:
    """The process that forks; use as a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def ask(self, **command: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the forking process has ended"
        return json.loads(answer)

    def start(
        self, recipe: Mapping[str, Any], out: Path, log: Path, environment: Mapping[str, str] | None = None
    ) -> Child:
        """A child that runs or continues the recipe: exit code 0, or that of the error."""
        pid = self.ask(
            what="start", recipe=recipe, out=str(out), log=str(log), environment=dict(environment or {})
        )
        return Child(pid, log, self)


def serve() -> None:
    """The forking process: one command a line, one answer a line."""
    import tempfile

    import pyarrow.parquet  # noqa: F401
    from small_run import make_model

    from ponder.models.folder import load_policy

    with tempfile.TemporaryDirectory() as folder:
        load_policy(make_model(Path(folder)))
    for line in sys.stdin:
        command = json.loads(line)
        if command["what"] == "wait":
            _, status = os.waitpid(command["pid"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                work(**{key: value for key, value in command.items() if key != "what"})
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


def work(recipe: dict[str, Any], out: str, log: str, environment: dict[str, str]) -> None:
    """What a child does; it never returns."""
    from ponder.errors import PonderError
    from ponder.pipeline.recipe import build_recipe
    from ponder.pipeline.run import RunOptions, run_recipe

    code = 99
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.environ.update(environment)
        run_recipe(build_recipe(recipe), RunOptions(out=Path(out)))
        code = 0
    except PonderError as error:
        print(error, file=sys.stderr)
        code = error.exit_code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
