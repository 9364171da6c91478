from __future__ import annotations

import copy
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ponder.config import Recipe
from ponder.errors import CorruptionError, RecipeError, StorageError, UserError
from ponder.storage import crashpoints, rundir
from ponder.storage.environment import describe_environment, environment_changes, hash_code
from ponder.storage.lineage import (
    StageInput,
    StageOutput,
    StageRecord,
    recipe_changes,
    require_same_recipe,
    semantic_config,
    stage_key,
)
from ponder.storage.lock import RunLock
from ponder.storage.rundir import RunDirectory, StageDirectory, is_run, read_recipe
from ponder.types import Artifact, ArtifactKind

RECIPE = Recipe.model_validate(
    {
        "name": "思考",
        "stages": [
            {"kind": "rl", "name": "zero", "num_iterations": 4},
            {"kind": "evaluate", "name": "final", "init": "zero"},
        ],
    }
).model_dump(mode="json")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(crashpoints, "_hits", crashpoints.Counter())


def changed(path: str, value) -> dict:
    """RECIPE with the value at a dotted path replaced."""
    recipe = copy.deepcopy(RECIPE)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    block = recipe
    for part in parents:
        block = block[part]
    block[last] = value
    return recipe


# --- creating and opening --------------------------------------------------------------------------


def test_a_run_begins_with_its_recipe_and_its_facts(tmp_path):
    path = tmp_path / "runs" / "one"
    with RunDirectory.create(path, RECIPE, threads=2) as run:
        assert run.recipe == RECIPE == read_recipe(path)
        facts = run.facts
    assert Recipe.model_validate(yaml.safe_load((path / "recipe.yaml").read_text())).name == "思考"
    assert facts["seed"] == 0
    assert facts["environment"]["machine"]["threads"] == 2
    assert facts["environment"]["machine"]["cpu"]
    assert facts["environment"]["versions"]["python"] == sys.version.split()[0]
    for package in ("ponder", "torch", "numpy", "transformers"):
        assert facts["environment"]["versions"][package]
    assert len(facts["environment"]["code_sha256"]) == 64


def test_a_run_is_not_begun_twice_nor_in_a_strange_folder(tmp_path):
    RunDirectory.create(tmp_path / "run", RECIPE).close()
    with pytest.raises(UserError, match="holds a run already"):
        RunDirectory.create(tmp_path / "run", RECIPE)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(UserError, match=r"thesis\.tex"):
        RunDirectory.create(tmp_path / "mine", RECIPE)
    for opener in (RunDirectory.open, RunDirectory.view):
        with pytest.raises(UserError, match="holds no run"):
            opener(tmp_path / "mine")


def test_opening_notes_the_resumption_and_what_has_changed(tmp_path, monkeypatch):
    RunDirectory.create(tmp_path, RECIPE, threads=1).close()
    (tmp_path / "stages.tmp-0123456789abcdef").mkdir()
    with RunDirectory.open(tmp_path, RECIPE, threads=1) as run:
        assert run.environment_changes == ()
    assert not (tmp_path / "stages.tmp-0123456789abcdef").exists()
    other = describe_environment(1)
    other["versions"]["torch"] = "9.9"
    monkeypatch.setattr(rundir, "describe_environment", lambda threads: other)
    with RunDirectory.open(tmp_path) as run:
        assert len(run.environment_changes) == 1
        assert run.environment_changes[0].endswith("is 9.9")
        assert run.environment_changes[0].startswith("versions.torch was")
        assert [bool(resume["changes"]) for resume in run.facts["resumes"]] == [False, True]


def test_an_edited_recipe_is_found(tmp_path):
    RunDirectory.create(tmp_path, RECIPE).close()
    text = (tmp_path / "recipe.yaml").read_text()
    for edited in (
        text.replace("num_iterations: 4", "num_iterations: 5"),
        text + "\n",
        text.rpartition("#")[0],
        text[:-2],
    ):
        (tmp_path / "recipe.yaml").write_text(edited)
        with pytest.raises(CorruptionError, match=r"recipe\.yaml"):
            read_recipe(tmp_path)


def test_a_damaged_run_json_is_found(tmp_path):
    RunDirectory.create(tmp_path, RECIPE).close()
    data = (tmp_path / "run.json").read_bytes()
    for place in range(0, len(data), 7):
        flipped = bytearray(data)
        flipped[place] ^= 2
        (tmp_path / "run.json").write_bytes(flipped)
        with pytest.raises(CorruptionError, match=r"run\.json"):
            RunDirectory.open(tmp_path)


# --- the recipe of a run that exists ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("seed", 1, "seed was 0, is 1"),
        ("stages.0.num_iterations", 9, "stages.zero.num_iterations was 4, is 9"),
        ("stages.0.algorithm.optimizer.lr", 1e-4, "stages.zero.algorithm.optimizer.lr was 1e-06, is 0.0001"),
        ("stages.0.rewards", [], "stages.zero.rewards was"),
        ("stages.0.rewards.1.weight", 0.5, "stages.zero.rewards.format.weight was 1.0, is 0.5"),
        (
            "stages.0.algorithm.optimizer.betas.1",
            0.99,
            "stages.zero.algorithm.optimizer.betas.1 was 0.95, is 0.99",
        ),
        ("stages.1.name", "other", "stages was"),
        ("tasks", [{"name": "parity"}], "tasks was [], is"),
    ],
)
def test_a_changed_key_is_named_and_nothing_is_written(tmp_path, path, value, key):
    RunDirectory.create(tmp_path, RECIPE).close()
    before = (tmp_path / "recipe.yaml").read_bytes(), (tmp_path / "run.json").read_bytes()
    with pytest.raises(RecipeError) as caught:
        RunDirectory.open(tmp_path, changed(path, value))
    assert key in str(caught.value)
    assert "--out" in str(caught.value)
    assert before == ((tmp_path / "recipe.yaml").read_bytes(), (tmp_path / "run.json").read_bytes())


def test_all_changed_keys_are_named_at_once():
    new = changed("seed", 3)
    new["template"] = "chat"
    new["extra"] = 1
    del new["base"]
    assert [change.key for change in recipe_changes(RECIPE, new)] == ["seed", "base", "template", "extra"]
    with pytest.raises(RecipeError, match=r"seed was.*base was.*template was.*extra was"):
        require_same_recipe(Path("run"), RECIPE, new)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hardware.threads", 1),
        ("engine.num_slots", 8),
        ("stages.0.checkpoints.every", 3),
        ("hardware.micro_batch_tokens", 512),
    ],
)
def test_what_leaves_results_alone_may_change_and_is_taken_over(tmp_path, path, value):
    RunDirectory.create(tmp_path, RECIPE).close()
    new = changed(path, value)
    with RunDirectory.open(tmp_path, new) as run:
        assert run.recipe == new
    (change,) = recipe_changes(RECIPE, new)
    assert change.free
    assert change.new == value


def test_true_is_not_one_and_one_is_one_point_nought():
    assert recipe_changes({"a": 1}, {"a": 1.0}) == ()
    assert [change.key for change in recipe_changes({"a": 1}, {"a": True})] == ["a"]
    assert [change.key for change in recipe_changes({"a": (1, 2)}, {"a": [1, 3]})] == ["a.1"]


# --- stage keys ------------------------------------------------------------------------------------

CONFIG = RECIPE["stages"][0]
KEY = stage_key(CONFIG, {"policy": "aa", "problems": "bb"}, 1, {"r.py": "cc"})


def test_a_key_depends_on_all_that_results_depend_on():
    others = [
        stage_key({**CONFIG, "group_size": 8}, {"policy": "aa", "problems": "bb"}, 1, {"r.py": "cc"}),
        stage_key(CONFIG, {"policy": "ab", "problems": "bb"}, 1, {"r.py": "cc"}),
        stage_key(CONFIG, {"policy": "bb", "problems": "aa"}, 1, {"r.py": "cc"}),
        stage_key(CONFIG, {"policy": "aa"}, 1, {"r.py": "cc"}),
        stage_key(CONFIG, {"policy": "aa", "problems": "bb"}, 2, {"r.py": "cc"}),
        stage_key(CONFIG, {"policy": "aa", "problems": "bb"}, 1, {"r.py": "cd"}),
        stage_key(CONFIG, {"policy": "aa", "problems": "bb"}, 1, {}),
    ]
    assert len({KEY, *others}) == 8


def test_a_key_does_not_depend_on_the_rest():
    config = {
        **dict(reversed(CONFIG.items())),
        "checkpoints": {"every": 1},
        "hardware": {"threads": 9},
        "engine": 1,
    }
    assert stage_key(config, {"problems": "bb", "policy": "aa"}, 1, {"r.py": "cc"}) == KEY
    assert (
        stage_key(
            CONFIG | {"data": {**CONFIG["data"]}}, {"policy": "aa", "problems": "bb"}, 1, {"r.py": "cc"}
        )
        == KEY
    )
    assert semantic_config({"a": [{"checkpoints": 1, "b": (2,)}], "engine": 3}) == {"a": [{"b": [2]}]}


def test_options_of_a_users_own_count_whatever_their_names():
    tasks = [{"name": "mine", "options": {"engine": "v8", "checkpoints": 3}, "engine": 1}]
    assert semantic_config({"tasks": tasks}) == {"tasks": [{"name": "mine", "options": tasks[0]["options"]}]}


# --- stage.json ------------------------------------------------------------------------------------


def record(status: str = "done") -> StageRecord:
    return StageRecord(
        name="zero",
        kind="rl",
        key=KEY,
        config=CONFIG,
        numerics_version=3,
        status=status,
        inputs=(StageInput("policy", "checkpoint", "aa"),),
        outputs=(StageOutput("policy", "checkpoint", "checkpoints/checkpoint-00000004", "bb"),),
        user_files={"rewards.py": "cc"},
        cost={"num_tokens": 12, "wall_s": 3.5},
    )


def test_a_stage_record_comes_back(tmp_path):
    with RunDirectory.create(tmp_path, RECIPE) as run:
        stage = run.stage(1, "zero")
        assert (stage.path.name, stage.index, stage.name, stage.read()) == ("01-zero", 1, "zero", None)
        stage.write(record("running"))
        stage.write(record())
        assert stage.read() == record()
        run.stage(2, "final-eval")
        assert [(it.index, it.name) for it in run.stages()] == [(1, "zero"), (2, "final-eval")]


def test_seconds_are_not_in_stage_json(tmp_path):
    stage = StageDirectory(tmp_path / "01-zero")
    stage.write(record())
    before = (stage.path / "stage.json").read_bytes()
    assert b"wall_s" not in before
    assert b"num_tokens" in before
    import dataclasses

    stage.write(dataclasses.replace(record(), cost={"num_tokens": 12, "wall_s": 99.0}))
    assert (stage.path / "stage.json").read_bytes() == before
    assert stage.read().cost["wall_s"] == 99.0


def test_a_damaged_stage_record_is_found(tmp_path):
    stage = StageDirectory(tmp_path / "01-zero")
    stage.write(record())
    data = (stage.path / "stage.json").read_bytes()
    for place in range(0, len(data), 41):
        flipped = bytearray(data)
        flipped[place] ^= 1
        (stage.path / "stage.json").write_bytes(flipped)
        with pytest.raises(CorruptionError, match=r"stage\.json"):
            stage.read()


def test_an_artifact_becomes_an_output(tmp_path):
    artifact = Artifact(ArtifactKind.CHECKPOINT, tmp_path / "checkpoints" / "checkpoint-00000004", "bb")
    expected = StageOutput("policy", "checkpoint", "checkpoints/checkpoint-00000004", "bb")
    assert StageOutput.of("policy", artifact, tmp_path) == expected


# --- the lock --------------------------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from ponder.storage.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_refused_with_the_pid_of_the_first(tmp_path):
    RunDirectory.create(tmp_path, RECIPE).close()
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        for opener in (RunDirectory.open, lambda path: RunDirectory.open_or_create(path, RECIPE)):
            with pytest.raises(UserError, match=rf"in use by another ponder process \(pid {holder.pid}\)"):
                opener(tmp_path)
        assert RunDirectory.view(tmp_path).recipe == RECIPE
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    RunDirectory.open(tmp_path).close()  # kill -9 leaves nothing locked
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_the_same_process_cannot_open_twice(tmp_path):
    with RunLock(tmp_path), pytest.raises(UserError, match=str(os.getpid())):
        RunLock(tmp_path)
    RunLock(tmp_path).close()


def lock_within(path: Path, seconds: float) -> RunLock:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return RunLock(path)
        except UserError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def test_a_worker_that_outlives_a_killed_run_does_not_keep_it_locked(tmp_path):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        lock = RunLock(tmp_path)
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(120,))
        worker.start()
        os.write(write, f"{worker.pid}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
        lock.close()
    os.waitpid(child, 0)
    worker = int(os.read(read, 20))
    try:
        lock_within(tmp_path, 20).close()  # at once, but for the moment the new worker needs to start
        os.kill(worker, 0)
    finally:
        os.kill(worker, signal.SIGKILL)
        os.close(read)
        os.close(write)


def test_a_forked_child_does_not_release_the_parents_lock(tmp_path):
    with RunLock(tmp_path):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        with pytest.raises(UserError, match="in use"):
            RunLock(tmp_path)


def test_a_failed_opening_releases_the_lock(tmp_path):
    RunDirectory.create(tmp_path, RECIPE).close()
    with pytest.raises(RecipeError):
        RunDirectory.open(tmp_path, changed("seed", 4))
    RunDirectory.open(tmp_path).close()


def test_a_full_disk_at_the_start_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PONDER_FAULT", "enospc:record/during-write:1+")
    with pytest.raises(StorageError, match="disk is full"):
        RunDirectory.create(tmp_path / "run", RECIPE)
    monkeypatch.delenv("PONDER_FAULT")
    assert not is_run(tmp_path / "run")
    RunDirectory.create(tmp_path / "run", RECIPE).close()


# --- the environment -------------------------------------------------------------------------------


def test_differences_of_the_environment_are_named():
    old = {"versions": {"torch": "1"}, "machine": {"threads": 2}, "commit": None}
    new = {"versions": {"torch": "2"}, "machine": {"threads": 2}, "commit": "ab"}
    assert environment_changes(old, new) == ("commit was None, is ab", "versions.torch was 1, is 2")


def test_the_code_hash_sees_names_and_contents(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "notes.txt").write_text("")
    first = hash_code(tmp_path)
    (tmp_path / "notes.txt").write_text("more")
    assert hash_code(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2\n")
    second = hash_code(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, second, hash_code(tmp_path)}) == 3


def test_a_commit_is_that_of_the_packages_own_checkout(tmp_path):
    from ponder.storage.environment import _commit

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    package = tmp_path / "src" / "pkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    assert _commit(package) is None
    git("init")
    (tmp_path / "other").write_text("")
    git("add", "other")
    git("commit", "-m", "x")
    assert _commit(package) is None  # inside somebody's checkout, but not tracked there
    git("add", "src")
    git("commit", "-m", "y")
    commit = _commit(package)
    assert len(commit) == 40
    (package / "__init__.py").write_text("changed")
    assert _commit(package) == commit + "+"


def test_storage_without_checkpoints_needs_no_torch():
    program = (
        "import sys, pkgutil, importlib, ponder.storage as s\n"
        "names = {m.name for m in pkgutil.iter_modules(s.__path__)} - {'checkpoints', 'trainer_state'}\n"
        "[importlib.import_module(f'ponder.storage.{name}') for name in names]\n"
        "assert len(names) > 10\n"
        "print([name for name in ('torch', 'pyarrow', 'transformers', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
