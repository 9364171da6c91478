"""The commands: help at once, tables, and asking a small model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ponder.cli.main import COMMANDS, main

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))
from small_run import make_files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_files(tmp_path_factory.mktemp("files"), num_problems=6)


@pytest.fixture
def ponder(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must succeed; what it printed."""

    def call(*arguments: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert (ended.value.code or 0) == code, said.err
        return said.out if code == 0 else said.err

    return call


def test_help_imports_nothing_heavy():
    probe = (
        "import sys, ponder.cli.main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pydantic', 'transformers', 'numpy', 'pyarrow', 'sympy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, ponder: Callable[..., str]):
    assert ponder(name, "--help").startswith("Usage: ")


@pytest.mark.parametrize(
    ("table", "entries"),
    [
        ("tasks", ("arithmetic", "parity", "countdown", "knights")),
        ("graders", ("integer", "math")),
        ("rewards", ("accuracy", "format")),
        ("templates", ("r1_zero",)),
        ("algorithms", ("r1", "grpo", "dapo", "dr_grpo", "gspo", "cispo", "rloo", "reinforce", "ppo")),
        ("engines", ("local",)),
        ("stages", ("rl", "pretrain", "evaluate")),
        ("recipes", ()),
    ],
)
def test_tables_are_listed(table: str, entries: tuple[str, ...], ponder: Callable[..., str]):
    names = [line.split()[0] for line in ponder("list", table).splitlines()]
    assert set(entries) <= set(names)


def test_presets_of_rewards_are_listed_as_a_recipe_writes_them(ponder: Callable[..., str]):
    said = ponder("list", "rewards")
    assert "rewards: notes_0.7_0.3" in said
    assert "0.7 accuracy + 0.3 format" in said


def test_an_unknown_table_gets_the_nearest_name(ponder: Callable[..., str]):
    assert 'Did you mean "tasks"?' in ponder("list", "task", code=2)


def test_version_and_missing_run(ponder: Callable[..., str], tmp_path: Path):
    assert ponder("--version").startswith("ponder ")
    assert "holds no run" in ponder("show", tmp_path, code=2)
    assert "holds no run" in ponder("verify", tmp_path, code=2)


def test_debug_shows_the_traceback(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "ponder.cli.main", "--debug", "show", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert "Traceback" in done.stderr


def test_evaluate_scores_a_file_and_writes_every_completion(
    ponder: Callable[..., str], files: dict[str, str], tmp_path: Path
):
    out = tmp_path / "scores.json"
    said = ponder(
        "evaluate", files["model"], "--benchmark", files["problems.jsonl"], "--samples", 2, "--max-tokens", 6,
        "--template", "plain", "--slots", 16, "--threads", 1, "--out", out,
    )  # fmt: skip
    assert "pass@1" in said
    from ponder.evaluation import evaluation_from_json

    evaluation = evaluation_from_json(out.read_text())
    assert len(evaluation.problems) == 6
    assert all(len(problem.outcomes) == 2 for problem in evaluation.problems)


def test_evaluate_a_task_by_name(ponder: Callable[..., str], files: dict[str, str]):
    said = ponder(
        "evaluate", files["model"], "--benchmark", "parity", "--samples", 1, "--max-tokens", 4,
        "--problems", 3, "--languages", "en,zh", "--template", "plain", "--slots", 16, "--threads", 1,
    )  # fmt: skip
    assert [line.split()[:2] for line in said.splitlines() if "parity" in line][:2] == [
        ["parity", "en"],
        ["parity", "zh"],
    ]


def test_an_unknown_benchmark_gets_the_nearest_name(ponder: Callable[..., str], files: dict[str, str]):
    assert '"parity"' in ponder("evaluate", files["model"], "--benchmark", "partiy", code=2)


def test_sample_prints_json_lines_that_a_seed_repeats(ponder: Callable[..., str], files: dict[str, str]):
    command = (
        "sample", files["model"], "--problems", files["problems.jsonl"], "--samples", 2, "--max-tokens", 5,
        "--template", "plain", "--limit", 3, "--slots", 16, "--threads", 1,
    )  # fmt: skip
    said = ponder(*command)
    rows = [json.loads(line) for line in said.splitlines()]
    assert [(row["id"], row["sample"]) for row in rows] == [(f"p{p}", s) for p in range(3) for s in range(2)]
    assert all(row["verdict"] in ("wrong", "correct") and row["num_tokens"] <= 5 for row in rows)
    assert ponder(*command) == said
    assert ponder(*command, "--seed", 1) != said


def test_filter_writes_pass_rates_that_a_recipe_selects_by(
    ponder: Callable[..., str], files: dict[str, str], tmp_path: Path
):
    from ponder.config import DataConfig, TaskConfig
    from ponder.tasks.sources import load_sources
    from ponder.training.draws import ProblemDraws

    out = tmp_path / "rated.jsonl"
    said = ponder(
        "filter", files["model"], "--problems", files["problems.jsonl"], "--out", out, "--samples", 4,
        "--max-tokens", 4, "--template", "plain", "--slots", 16, "--threads", 1,
    )  # fmt: skip
    assert "6 of 6 problems kept" in said
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert all(row["pass_rate"] == 0.0 and row["grader"] == "integer" for row in rows)
    for row, rate in zip(rows, (0.0, 0.25, 0.5, 0.75, 1.0, 0.25), strict=True):
        row["pass_rate"] = rate
        row["split"] = "train"
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources = load_sources([TaskConfig(file=str(out), limit=None)])
    draws = ProblemDraws(sources, DataConfig(pass_rate=(0.2, 0.8)), (0, "rl"))
    assert {problem.id for problem in draws.take(4)} == {"p1", "p2", "p3", "p5"}


def test_chat_answers_until_the_input_ends(
    ponder: Callable[..., str], files: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("1+1?\n/new\n2+2?\n"))
    said = ponder("chat", files["model"], "--max-tokens", 5, "--threads", 1)
    assert said.count("\n") >= 2
    monkeypatch.setattr("sys.stdin", io.StringIO("1+1?\n"))
    assert "--max-tokens" in ponder("chat", files["model"], "--max-tokens", 5000, "--threads", 1, code=2)


def test_dry_run_says_what_would_run_and_writes_nothing(
    ponder: Callable[..., str], files: dict[str, str], tmp_path: Path
):
    import yaml
    from small_run import recipe_data

    recipe = tmp_path / "r.yaml"
    recipe.write_text(yaml.safe_dump(recipe_data(files)))
    said = ponder("run", recipe, "--out", tmp_path / "out", "--dry-run", "--set", "stages.rl.group_size=8")
    assert "1. rl: 12 iterations of 4 problems x 8 completions, 24 optimizer steps" in said
    assert "group_size: 8" in said
    assert not (tmp_path / "out").exists()


def test_filter_of_a_task_gives_problems_to_train_on(
    ponder: Callable[..., str], files: dict[str, str], tmp_path: Path
):
    """Never those that evaluations ask: they would be trained on."""
    from ponder.config import TaskConfig
    from ponder.tasks import TASKS
    from ponder.tasks.sources import load_sources

    out = tmp_path / "rated.jsonl"
    command = (
        files["model"], "--problems", "knights", "--out", out, "--samples", 1, "--max-tokens", 2,
        "--template", "plain", "--slots", 16, "--threads", 1, "--limit", 40, "--languages", "en,zh",
    )  # fmt: skip
    ponder("filter", *command)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["language"] for row in rows} == {"en", "zh"}
    assert len(rows) == 80
    held_out = load_sources([TaskConfig(name="knights", languages=("en", "zh"))])[0].held_out(0, 100)
    assert all("-train-" in row["id"] for row in rows)
    assert not {row["question"] for row in rows} & {problem.text for problem in held_out}
    assert TASKS["knights"].grader == rows[0]["grader"]


def test_rows_stay_on_their_side_when_they_are_copied(tmp_path: Path):
    from ponder.config import TaskConfig
    from ponder.tasks.sources import load_sources

    rows = [{"id": f"r{n}", "question": f"{n}?", "answer": str(n)} for n in range(200)]
    sides = []
    for name, part in (("one.jsonl", rows), ("two.jsonl", rows[50:])):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in part))
        (source,) = load_sources([TaskConfig(file=str(tmp_path / name))])
        sides.append({problem.id for problem in source.held_out(0, 1000)})
    assert 8 <= len(sides[0]) <= 36
    assert sides[1] == {name for name in sides[0] if int(name[1:]) >= 50}


def test_how_many_rows_are_held_out_is_the_recipes(tmp_path: Path):
    from ponder.config import TaskConfig
    from ponder.tasks.sources import load_sources

    rows = [{"id": f"r{n}", "question": "?", "answer": "1", "eval_overlap": n < 3} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (source,) = load_sources([TaskConfig(file=str(tmp_path / "rows.jsonl"), limit=20, held_out_frac=0.0)])
    assert source.held_out(0, 1000) == []
    # Twenty problems, not twenty rows: those that overlap a benchmark do not count.
    assert sorted(source.problem(0, n).id for n in range(source.size)) == sorted(
        f"r{n}" for n in range(3, 23)
    )


def test_what_cannot_be_asked_is_said_with_the_option_that_helps(
    ponder: Callable[..., str], files: dict[str, str], tmp_path: Path
):
    ask = ("evaluate", files["model"], "--template", "plain", "--threads", 1, "--samples", 1)
    said = ponder(*ask, "--benchmark", files["problems.jsonl"], "--max-tokens", 250, code=2)
    assert "context of 256" in said
    assert "Lower --max-tokens to 2" in said
    assert "above 0" in ponder(*ask, "--benchmark", files["problems.jsonl"], "--top-p", 0, code=2)
    unreadable = tmp_path / "unreadable.jsonl"
    row = {"id": "bad", "question": "?", "answer": "nothing", "grader": "integer"}
    unreadable.write_text(json.dumps(row) + "\n")
    assert "bad" in ponder(*ask, "--benchmark", unreadable, "--max-tokens", 4, code=2)
    unreadable.write_text(json.dumps({**row, "answer": None}) + "\n")
    assert "row 1: the answer is empty" in ponder(*ask, "--benchmark", unreadable, code=2)


def test_dry_run_says_what_cannot_learn(ponder: Callable[..., str], files: dict[str, str], tmp_path: Path):
    import yaml
    from small_run import recipe_data

    recipe = tmp_path / "r.yaml"
    recipe.write_text(yaml.safe_dump(recipe_data(files, group_size=1)))
    command = ("run", recipe, "--out", tmp_path / "out", "--dry-run")
    assert "group_size is 1" in ponder(*command)
    assert "group_size is 1" in ponder(*command, "--strict", code=2)
    missing = "tasks=[{file: nowhere.jsonl}]"
    assert "nowhere.jsonl" in ponder(*command, "--set", missing, code=2)


def test_a_stop_string_ends_a_completion(ponder: Callable[..., str], files: dict[str, str]):
    command = (
        "sample", files["model"], "--problems", files["problems.jsonl"], "--max-tokens", 12,
        "--template", "plain", "--limit", 6, "--slots", 16, "--threads", 1,
    )  # fmt: skip
    free = [json.loads(line)["completion"] for line in ponder(*command).splitlines()]
    stop = next(c for text in free for c in text[:6] if c.isascii() and c.isprintable() and not c.isspace())
    cut = [json.loads(line)["completion"] for line in ponder(*command, "--stop", stop).splitlines()]
    assert cut == [text[: text.index(stop) + 1] if stop in text else text for text in free]
    assert cut != free
