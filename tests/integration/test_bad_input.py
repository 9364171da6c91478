"""Bad input answers with one clear message and a non-zero exit, and loses nothing.

Through the command line's own `main`, in this process.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_run import make_files, recipe_data

from ponder.cli.main import main
from ponder.storage import crashpoints
from ponder.storage.checkpoints import checkpoint_numbers
from ponder.storage.records import read_metrics, read_rollouts
from ponder.storage.verify import verify_run

QUICK: dict[str, Any] = {"num_iterations": 4, "evaluate": None, "checkpoints": {"every": 2, "keep": 2}}


@dataclass
class Outcome:
    code: int
    said: str
    error: str


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_files(tmp_path_factory.mktemp("files"))


@pytest.fixture
def ponder(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """`ponder run` on the small recipe with some --set values and other files; out is tmp_path/run."""

    def call(
        *sets: str, arguments: tuple[str, ...] = (), use: dict[str, str] | None = None, **stage: Any
    ) -> Outcome:
        recipe = tmp_path / "small.yaml"
        recipe.write_text(yaml.safe_dump(recipe_data(use or files, **{**QUICK, **stage})))
        options = [word for override in sets for word in ("--set", override)]
        with pytest.raises(SystemExit) as ended:
            main(["run", str(recipe), "--out", str(tmp_path / "run"), *options, *arguments])
        said = capsys.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else 0, said.out, said.err)

    return call


def message(outcome: Outcome, code: int, *words: str) -> None:
    """One message, no traceback, the exit code of its class, and the words that help."""
    assert outcome.code == code, outcome.error
    errors = [line for line in outcome.error.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, outcome.error
    assert "Traceback" not in outcome.error
    for word in words:
        assert word in outcome.error, outcome.error


def reward_file(tmp_path: Path, body: str) -> str:
    path = tmp_path / "mine.py"
    path.write_text(f"import time\n\ndef mine(completions, trainer_state=None, **columns):\n    {body}\n")
    return f"stages.rl.rewards=[{{name: '{path}:mine'}}]"


def test_the_small_recipe_itself_is_sound(ponder: Callable[..., Outcome], tmp_path: Path):
    outcome = ponder()
    assert outcome.code == 0, outcome.error
    assert "finished, 4 iterations" in outcome.said
    assert verify_run(tmp_path / "run").clean


def test_unknown_key_gets_the_nearest_name(ponder: Callable[..., Outcome], tmp_path: Path):
    message(ponder("stages.rl.gruop_size=8"), 2, "stages.rl.gruop_size", "8", '"group_size"')
    assert not (tmp_path / "run").exists()


def test_missing_base(ponder: Callable[..., Outcome], tmp_path: Path):
    message(ponder("base=ponder-tinny"), 2, "ponder-tinny")
    assert not (tmp_path / "run").exists()


def test_empty_data_file(ponder: Callable[..., Outcome], files: dict[str, str], tmp_path: Path):
    (tmp_path / "empty.jsonl").write_text("")
    message(ponder(use={**files, "problems.jsonl": str(tmp_path / "empty.jsonl")}), 2, "no problems")
    assert not (tmp_path / "run").exists()


def test_duplicate_ids(ponder: Callable[..., Outcome], files: dict[str, str], tmp_path: Path):
    row = json.dumps({"id": "same", "question": "1+1?", "answer": "2", "grader": "integer"})
    (tmp_path / "twice.jsonl").write_text(f"{row}\n{row}\n")
    message(ponder(use={**files, "problems.jsonl": str(tmp_path / "twice.jsonl")}), 2, '"same"')
    assert not (tmp_path / "run").exists()


def test_references_that_cannot_be_read(
    ponder: Callable[..., Outcome], files: dict[str, str], tmp_path: Path
):
    rows = [{"id": f"q{n}", "question": "?", "answer": "two", "grader": "integer"} for n in range(30)]
    (tmp_path / "words.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = ponder(use={**files, "problems.jsonl": str(tmp_path / "words.jsonl")})
    message(outcome, 2, "cannot be read by their grader", "q1")
    assert not (tmp_path / "run").exists()


def test_tokenizer_without_what_the_template_needs(
    ponder: Callable[..., Outcome], files: dict[str, str], tmp_path: Path
):
    model = tmp_path / "model"
    shutil.copytree(files["model"], model)
    (model / "chat_template.jinja").unlink()
    message(ponder("template=chat", use={**files, "model": str(model)}), 2, "chat template")
    assert not (tmp_path / "run").exists()


def test_sampling_below_full_support(ponder: Callable[..., Outcome], tmp_path: Path):
    message(ponder("stages.rl.sampling.top_p=0.9"), 2, "stages.rl.sampling.top_p is 0.9")
    assert not (tmp_path / "run").exists()


def test_strict_refuses_what_is_only_said_otherwise(ponder: Callable[..., Outcome], tmp_path: Path):
    message(ponder("stages.rl.group_size=1", arguments=("--strict",)), 2, "--strict", "group_size is 1")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no such thing')", ("mine", "ValueError", "no such thing")),
        ("return [1.0]", ("mine", "1 values for 4 completions")),
        ("time.sleep(60)", ("mine", "hangs", "reward_deadline_s")),
    ],
)
def test_reward_that_always_raises_miscounts_or_hangs(
    body: str, words: tuple[str, ...], ponder: Callable[..., Outcome], tmp_path: Path
):
    """At once: nothing is left behind. In the middle: everything finished is kept."""
    bad = reward_file(tmp_path, body)
    message(ponder(bad, "stages.rl.reward_deadline_s=1"), 2, "max_ungradable", *words)
    assert not (tmp_path / "run").exists()


def test_reward_that_raises_once_costs_a_group_and_not_the_run(
    ponder: Callable[..., Outcome], tmp_path: Path
):
    met = tmp_path / "met"
    body = (
        f"met = __import__('pathlib').Path({str(met)!r})\n"
        "    if trainer_state.global_step == 2 and not met.exists():\n"
        "        met.touch()\n"
        "        raise ValueError('now and then')\n"
        "    return [float(len(set(text))) for text in completions]"
    )
    outcome = ponder(reward_file(tmp_path, body))
    assert outcome.code == 0, outcome.error
    assert outcome.error.count("now and then") == 1  # said when it was met
    stage = tmp_path / "run" / "stages" / "01-rl"
    rows = read_metrics(stage)
    assert [row.get("ungradable/raised/sum") for row in rows] == [None, 4.0, None, None]
    assert rows[1]["completion/trained/sum"] == 12
    dropped = [row["dropped"] for row in read_rollouts(stage, iterations=[1]).to_pylist() if row["dropped"]]
    assert len(dropped) == 4
    assert all(why.startswith('no reward could be had: reward function "mine" raised') for why in dropped)
    assert verify_run(tmp_path / "run").clean


def test_reward_that_fails_in_the_middle_loses_nothing(ponder: Callable[..., Outcome], tmp_path: Path):
    body = "return [float(len(set(t))) if trainer_state.global_step < 6 else 1 / 0 for t in completions]"
    message(ponder(reward_file(tmp_path, body)), 2, "ZeroDivisionError")
    stage = tmp_path / "run" / "stages" / "01-rl"
    # Two steps an iteration: the fourth iteration fails, the third is in a checkpoint.
    assert len(read_metrics(stage)) == 3
    assert checkpoint_numbers(stage / "checkpoints")[-1] == 3


def test_a_reward_mended_in_the_middle_goes_on(ponder: Callable[..., Outcome], tmp_path: Path):
    body = "return [float(len(set(t))) if trainer_state.global_step < 6 else 1 / 0 for t in completions]"
    message(ponder(reward_file(tmp_path, body)), 2, "ZeroDivisionError")
    mended = reward_file(tmp_path, "return [float(len(set(t))) for t in completions]")
    outcome = ponder(mended)
    assert outcome.code == 0, outcome.error
    assert "has changed since stage rl began; it is used from iteration 3 on" in outcome.said
    stage = tmp_path / "run" / "stages" / "01-rl"
    assert len(read_metrics(stage)) == 4
    (line,) = json.loads((stage / "stage.json").read_text())["mended"]
    assert "from iteration 3 on" in line
    assert verify_run(tmp_path / "run").clean
    assert "is finished and kept" in ponder(mended).said
    message(ponder(reward_file(tmp_path, "return [0.0 for t in completions]")), 2, "begun with other inputs")


def test_numbers_that_run_away_are_named_and_the_last_good_checkpoint_is_kept(
    ponder: Callable[..., Outcome], tmp_path: Path
):
    body = "return [len(set(t)) * (1.0 if trainer_state.global_step < 6 else 1e38) for t in completions]"
    message(ponder(reward_file(tmp_path, body)), 4, "step 6", "not applied")
    stage = tmp_path / "run" / "stages" / "01-rl"
    assert checkpoint_numbers(stage / "checkpoints") == [2]
    assert verify_run(tmp_path / "run").clean


def test_corrupt_checkpoint_is_told_by_its_hash(ponder: Callable[..., Outcome], tmp_path: Path):
    assert ponder(arguments=("--max-steps", "4")).code == 0
    (weights,) = (tmp_path / "run").glob("stages/01-rl/checkpoints/*2/model.safetensors")
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(bytes(data))
    message(ponder(), 3, "model.safetensors", "expected sha256")
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(tmp_path / "run")])
    assert ended.value.code == 3


def test_full_disk_is_said_before_the_start(
    ponder: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    message(ponder(), 5, "free", "needed")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "place", ["rollouts/before-write:3", "checkpoint/after-build:1", "ledger/during-append:5"]
)
def test_full_disk_in_the_middle_loses_nothing(
    place: str, ponder: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    crashpoints._hits.clear()
    monkeypatch.setenv("PONDER_FAULT", f"enospc:{place}+")
    message(ponder(), 5, "full", "same command again")
    monkeypatch.delenv("PONDER_FAULT")
    assert ponder().code == 0
    assert verify_run(tmp_path / "run").clean
    assert len(read_metrics(tmp_path / "run" / "stages" / "01-rl")) == 4


def test_another_recipe_on_the_same_directory_is_refused(ponder: Callable[..., Outcome]):
    assert ponder(arguments=("--max-steps", "2")).code == 0
    message(ponder("stages.rl.group_size=8"), 2, "stages.rl.group_size", "--out")
    assert ponder("engine.num_slots=32").code == 0


def test_unknown_stage_to_stop_at(ponder: Callable[..., Outcome]):
    message(ponder(arguments=("--until", "lr")), 2, "no stage", "Allowed: rl")
