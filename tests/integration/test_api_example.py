"""The documented interface and its example, executed as a user would."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel
from small_run import make_model

import ponder.api

EXAMPLE = Path(__file__).parents[2] / "examples" / "api_r1_zero.py"


def test_everything_promised_is_there_and_described():
    assert sorted(ponder.api.__all__) == sorted(name for name in vars(ponder.api) if not name.startswith("_"))
    for name in ponder.api.__all__:
        entry = getattr(ponder.api, name)
        if inspect.isfunction(entry) or (inspect.isclass(entry) and not issubclass(entry, BaseModel)):
            assert entry.__doc__, name


def test_the_example_runs(tmp_path: Path):
    model = make_model(tmp_path / "model")
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(model), "2"],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["iteration 0", "iteration 1"]
    assert all(line.endswith("% right") for line in lines)


def test_the_example_is_short():
    code = [line for line in EXAMPLE.read_text().splitlines() if line.strip() and not line.startswith('"""')]
    assert len(code) <= 40
