"""SIGINT and SIGTERM: a checkpoint, exit code 75, a sentence; limits; and then the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from children import Nursery
from small_run import digest, make_files, recipe_data, run, small_recipe

from ponder.storage.checkpoints import checkpoint_numbers
from ponder.storage.records import read_metrics


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def uninterrupted(files: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    run(small_recipe(files), out)
    return digest(out)


def test_sigterm_saves_what_is_finished_and_the_run_goes_on(
    files: dict[str, str], uninterrupted: str, tmp_path: Path
):
    out, stage = tmp_path / "run", tmp_path / "run" / "stages" / "01-rl"
    with Nursery() as nursery:
        child = nursery.start(recipe_data(files), out, tmp_path / "log")
        child.wait_for(lambda: len(read_metrics(stage)) >= 4)
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait() == 75
    said = (tmp_path / "log").read_text()
    assert "SIGTERM" in said
    assert "the same command continues" in said
    done = len(read_metrics(stage))
    assert 4 <= done < 12
    # What was finished is in a checkpoint, although the recipe wants one only every third iteration.
    assert checkpoint_numbers(stage / "checkpoints")[-1] == done
    run(small_recipe(files), out)
    assert digest(out) == uninterrupted


def test_sigint_on_the_command_line(files: dict[str, str], uninterrupted: str, tmp_path: Path):
    recipe, out = tmp_path / "small.yaml", tmp_path / "run"
    recipe.write_text(yaml.safe_dump(recipe_data(files)))
    command = [sys.executable, "-m", "ponder.cli.main", "run", str(recipe), "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("rl "):
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 75
    assert "Traceback" not in errors
    assert "SIGINT" in errors
    assert subprocess.run(command, capture_output=True, env=environment, timeout=200).returncode == 0
    assert digest(out) == uninterrupted


def test_limits_stop_at_an_iteration_and_the_run_goes_on(
    files: dict[str, str], uninterrupted: str, tmp_path: Path
):
    out = tmp_path / "run"
    said = run(small_recipe(files), out, max_steps=7)
    assert any("--max-steps 7" in line and "continues" in line for line in said)
    # Two steps an iteration: the limit is passed with the fourth.
    assert len(read_metrics(out / "stages" / "01-rl")) == 4
    assert any("--max-hours" in line for line in run(small_recipe(files), out, max_hours=0.0))
    run(small_recipe(files), out, max_steps=6)
    assert len(read_metrics(out / "stages" / "01-rl")) == 7
    run(small_recipe(files), out)
    assert digest(out) == uninterrupted
    said = run(small_recipe(files), out)
    assert any("finished and kept" in line for line in said)
    assert digest(out) == uninterrupted
