from __future__ import annotations

import json
import math

import numpy
import pytest
import storage_run

from ponder.errors import CorruptionError, PonderError, StorageError
from ponder.storage import crashpoints
from ponder.storage.hashes import hash_file
from ponder.storage.lines import open_line, read_lines, seal_line
from ponder.storage.records import (
    IssuedGroup,
    Ledger,
    MetricsWriter,
    RolloutWriter,
    SettledGroup,
    read_ledger,
    read_metrics,
    read_rollouts,
    read_timing,
    rows_of_group,
)
from ponder.storage.rollouts import encode_rollouts


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(crashpoints, "_hits", crashpoints.Counter())


def metrics_of(stage, count: int) -> MetricsWriter:
    writer = MetricsWriter(stage, 0)
    for iteration in range(count):
        writer.write(iteration, {"reward/total/mean": iteration / 8}, {"rollout_s": 0.5 + iteration})
    return writer


# --- metrics ---------------------------------------------------------------------------------------


def test_metrics_come_back_as_written(tmp_path):
    writer = MetricsWriter(tmp_path, 0)
    values = {
        "a/b/mean": 0.1,
        "count": numpy.int64(3),
        "f": numpy.float32(0.5),
        "nan": math.nan,
        "inf": -math.inf,
        "text": "思",
        "none": None,
        "yes": True,
    }
    writer.write(0, values)
    (found,) = read_metrics(tmp_path)
    assert math.isnan(found.pop("nan"))
    assert found == {
        "iteration": 0,
        "a/b/mean": 0.1,
        "count": 3,
        "f": 0.5,
        "inf": -math.inf,
        "text": "思",
        "none": None,
        "yes": True,
    }
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["nan"] == "NaN"


def test_timing_has_a_file_of_its_own(tmp_path):
    metrics_of(tmp_path / "", 3)
    before = hash_file(tmp_path / "metrics.jsonl")
    assert "rollout_s" not in (tmp_path / "metrics.jsonl").read_text()
    assert [line["rollout_s"] for line in read_timing(tmp_path)] == [0.5, 1.5, 2.5]
    writer = MetricsWriter(tmp_path, 0)
    for iteration in range(3):
        writer.write(iteration, {"reward/total/mean": iteration / 8}, {"rollout_s": 99.0})
    assert hash_file(tmp_path / "metrics.jsonl") == before


def test_the_order_of_keys_does_not_change_a_line():
    assert seal_line({"iteration": 1, "a": 2}) == seal_line({"a": 2, "iteration": 1})


@pytest.mark.parametrize("wrong", [0, 2, 3, 5])
def test_an_iteration_out_of_order_is_refused(tmp_path, wrong):
    writer = metrics_of(tmp_path, 4)
    with pytest.raises(PonderError, match="cannot follow 3"):
        writer.write(wrong, {})
    assert len(read_metrics(tmp_path)) == 4


def test_what_is_no_number_is_refused_by_name(tmp_path):
    writer = MetricsWriter(tmp_path, 0)
    with pytest.raises(TypeError, match="metric loss"):
        writer.write(0, {"loss": [1.0]})
    with pytest.raises(ValueError, match="iteration"):
        writer.write(0, {"iteration": 1})
    writer.write(0, {"loss": 1.0})
    assert len(read_metrics(tmp_path)) == 1


def test_a_full_disk_adds_no_half_line(tmp_path, monkeypatch):
    writer = metrics_of(tmp_path, 2)
    monkeypatch.setenv("PONDER_FAULT", "enospc:metrics/during-append:1")
    with pytest.raises(StorageError, match="disk is full"):
        writer.write(2, {"a": 1})
    writer.write(2, {"a": 2})
    assert [line.get("a") for line in read_metrics(tmp_path)] == [None, None, 2]


# --- cutting back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", range(6))
def test_resuming_cuts_back_to_the_checkpoint(tmp_path, kept):
    metrics_of(tmp_path, 5)
    whole = (tmp_path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    if kept > 5 - 1:
        MetricsWriter(tmp_path, 5)
    else:
        MetricsWriter(tmp_path, kept).write(kept, {"again": 1})
        assert (tmp_path / "metrics.jsonl").read_bytes()[: sum(map(len, whole[:kept]))] == b"".join(
            whole[:kept]
        )
        assert [line["iteration"] for line in read_timing(tmp_path)] == list(range(kept))
    assert [line["iteration"] for line in read_metrics(tmp_path)] == list(range(min(kept + 1, 5)))


def test_a_torn_last_line_is_left_out_by_readers_and_cut_by_the_writer(tmp_path):
    metrics_of(tmp_path, 3)
    path = tmp_path / "metrics.jsonl"
    data = path.read_bytes()
    start = data[:-1].rindex(b"\n") + 1
    for end in range(start + 1, len(data)):
        path.write_bytes(data[:end])
        assert [line["iteration"] for line in read_metrics(tmp_path)] == [0, 1]
        MetricsWriter(tmp_path, 2)
        assert path.read_bytes() == data[:start]


@pytest.mark.parametrize(
    "tail", [b"\0" * 700, b"\xff\xfe\n{}\n\n", b'{"iteration":2}\n', b"\n", b"[]\nnull\n"]
)
def test_garbage_after_a_power_cut_is_cut(tmp_path, tail):
    metrics_of(tmp_path, 3)
    path = tmp_path / "metrics.jsonl"
    data = path.read_bytes()
    path.write_bytes(data + tail)
    MetricsWriter(tmp_path, 3)
    assert path.read_bytes() == data


def test_a_lost_line_that_the_checkpoint_needs_is_an_error(tmp_path):
    metrics_of(tmp_path, 3)
    path = tmp_path / "metrics.jsonl"
    data = path.read_bytes()
    for broken in (data[:-1], data[:-20], b"", data.split(b"\n", 1)[1]):
        path.write_bytes(broken)
        with pytest.raises(CorruptionError, match="3 iterations"):
            MetricsWriter(tmp_path, 3)


def test_a_damaged_line_before_a_good_one_is_an_error_and_nothing_is_cut(tmp_path):
    metrics_of(tmp_path, 3)
    path = tmp_path / "metrics.jsonl"
    data = path.read_bytes()
    for place in range(0, data.rindex(b"\n", 0, len(data) - 1), 3):
        damaged = bytearray(data)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(CorruptionError):
            MetricsWriter(tmp_path, 3)
        assert path.read_bytes() == damaged
        with pytest.raises(CorruptionError, match="line"):
            read_metrics(tmp_path)


def test_every_flipped_bit_of_a_line_is_found():
    line = seal_line({"iteration": 12, "reward/total/mean": 0.125, "language": "zh"})
    assert open_line(line) == {"iteration": 12, "reward/total/mean": 0.125, "language": "zh"}
    for place in range(len(line)):
        for bit in range(8):
            flipped = bytearray(line)
            flipped[place] ^= 1 << bit
            with pytest.raises(ValueError, match=r"."):
                open_line(bytes(flipped))


def test_evaluations_come_every_so_often(tmp_path):
    writer = MetricsWriter(tmp_path, 0, name="evaluations", contiguous=False)
    for iteration in (0, 10, 20):
        writer.write(iteration, {"accuracy/pass@1/mean": 0.5}, {"evaluate_s": 1.0})
    MetricsWriter(tmp_path, 15, name="evaluations", contiguous=False).write(15, {})
    assert [line["iteration"] for line in read_metrics(tmp_path, "evaluations")] == [0, 10, 15]
    assert [line["iteration"] for line in read_timing(tmp_path, "evaluations")] == [0, 10]
    assert read_metrics(tmp_path) == []


# --- rollouts --------------------------------------------------------------------------------------


def rows(iteration: int, group: int = 0, **changes):
    settings = {
        "step": iteration,
        "prompt": "1+1?",
        "seeds": [2**63 - 1, 5],
        "advantages": [0.5, None],
        "dropped": ["", "truncated"],
    }
    return rows_of_group(
        storage_run.scored_group(iteration, group), iteration=iteration, group=group, **(settings | changes)
    )


def test_a_row_has_everything_of_its_completion(tmp_path):
    RolloutWriter(tmp_path, 0).write(0, rows(0))
    first, second = read_rollouts(tmp_path).to_pylist()
    assert first == {
        "iteration": 0,
        "step": 0,
        "group": 0,
        "member": 0,
        "problem_id": "p0-0",
        "task": "arithmetic",
        "language": "en",
        "prompt": "1+1?",
        "prompt_ids": [1, 2, 3],
        "completion": "二 = 2",
        "token_ids": [5, 6, 7],
        "loss_mask": [True, True, True],
        "finish": "stop",
        "verdict": "correct",
        "credit": 1.0,
        "extracted": "2",
        "reason": "compared",
        "feedback": "",
        "reward": 1.5,
        "reward_parts": [("accuracy", 1.0), ("format", 1.0)],
        "advantage": 0.5,
        "sampler_logprobs": [-0.5, -0.25, -1.5],
        "seed": 2**63 - 1,
        "versions": [{"version": 0, "num_tokens": 3}],
        "dropped": "",
        "extra": [],
    }
    assert (second["step"], second["dropped"], second["advantage"]) == (-1, "truncated", None)


def test_equal_rows_give_equal_bytes_in_any_order_of_arrival(tmp_path):
    given = [row for group in range(4) for row in rows(2, group)]
    one = RolloutWriter(tmp_path / "one", 0).write(2, given)
    two = RolloutWriter(tmp_path / "two", 0).write(2, reversed(given))
    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.sha256 == two.sha256 == hash_file(one.path)
    assert one.num_rows == 8
    changed = rows(2, 0, seeds=[2**63 - 1, 6])
    assert encode_rollouts(rows(2, 0)) != encode_rollouts(changed)


def test_text_that_utf8_cannot_hold_does_not_stop_the_run(tmp_path):
    RolloutWriter(tmp_path, 0).write(0, rows(0, prompt="half \ud83d pair", dropped=["", "why \udc00"]))
    assert read_rollouts(tmp_path, columns=["prompt"]).to_pylist()[0]["prompt"] == "half ? pair"


def test_what_rewards_logged_is_kept_as_json_and_older_files_without_it_are_read(tmp_path):
    import dataclasses

    import pyarrow.parquet

    extra = {"words": 3, "first": "\ud83d \u4e8c", "none": None}
    writer = RolloutWriter(tmp_path, 0)
    file = writer.write(0, rows(0))
    writer.write(1, [dataclasses.replace(row, extra=extra) for row in rows(1)])
    table = pyarrow.parquet.read_table(file.path)
    pyarrow.parquet.write_table(table.drop_columns(["extra"]), file.path)
    found = read_rollouts(tmp_path, columns=None).to_pylist()
    assert [row["extra"] for row in found[:2]] == [None, None]
    assert {column: json.loads(value) for column, value in found[2]["extra"]} == extra


def test_rows_without_reward_or_tokens_are_kept(tmp_path):
    import dataclasses

    empty = [
        dataclasses.replace(
            row,
            reward=None,
            reward_parts={"accuracy": None},
            token_ids=(),
            loss_mask=(),
            sampler_logprobs=(),
            versions=(),
        )
        for row in rows(0)
    ]
    RolloutWriter(tmp_path, 0).write(0, empty)
    found = read_rollouts(tmp_path).to_pylist()[0]
    assert (found["reward"], found["reward_parts"], found["token_ids"]) == (None, [("accuracy", None)], [])


def test_readers_choose_iterations_and_columns(tmp_path):
    writer = RolloutWriter(tmp_path, 0)
    for iteration in range(4):
        writer.write(iteration, rows(iteration))
    assert read_rollouts(tmp_path, iterations=[1, 3], columns=["iteration"]).to_pydict() == {
        "iteration": [1, 1, 3, 3]
    }
    assert read_rollouts(tmp_path).num_rows == 8
    assert read_rollouts(tmp_path / "none", columns=["reward"]).to_pydict() == {"reward": []}


def test_files_past_the_checkpoint_are_removed_and_none_is_overwritten(tmp_path):
    writer = RolloutWriter(tmp_path, 0)
    for iteration in range(4):
        writer.write(iteration, rows(iteration))
    with pytest.raises(StorageError, match="never overwritten"):
        writer.write(3, rows(3))
    resumed = RolloutWriter(tmp_path, 2)
    assert sorted(path.name for path in (tmp_path / "rollouts").iterdir()) == [
        "iteration-000000.parquet",
        "iteration-000001.parquet",
    ]
    resumed.write(2, rows(2))


def test_a_damaged_file_is_named(tmp_path):
    file = RolloutWriter(tmp_path, 0).write(0, rows(0))
    data = bytearray(file.path.read_bytes())
    data[len(data) // 3] ^= 1
    file.path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptionError, match=r"iteration-000000\.parquet"):
        read_rollouts(tmp_path)


def test_one_entry_for_each_member_is_required():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        rows(0, seeds=[1])


# --- the ledger ------------------------------------------------------------------------------------


def settled_iteration(ledger: Ledger, writer: RolloutWriter, iteration: int, *, num_groups: int = 2) -> None:
    ledger.issue(iteration, [IssuedGroup(g, f"p{iteration}-{g}", 2, iteration) for g in range(num_groups)])
    file = writer.write(iteration, [row for g in range(num_groups) for row in rows(iteration, g)])
    ledger.settle(iteration, [SettledGroup(g, (iteration,)) for g in range(num_groups)], file)


def test_the_ledger_lists_what_was_issued_and_what_became_of_it(tmp_path):
    ledger, writer = Ledger(tmp_path, 0), RolloutWriter(tmp_path, 0)
    ledger.issue(0, [IssuedGroup(0, "a", 2, 0)])
    ledger.issue(0, [IssuedGroup(1, "b", 2, 0)])
    file = writer.write(0, rows(0) + rows(0, 1))
    ledger.settle(
        0, [SettledGroup(1, dropped="no variance"), SettledGroup(0, (0, 1))], file, {"accuracy": 1.0}
    )
    events = read_ledger(tmp_path)
    assert [event["event"] for event in events] == ["issued", "issued", "trained", "dropped", "rollouts"]
    assert events[2]["steps"] == [0, 1]
    assert events[3]["reason"] == "no variance"
    assert events[4]["sha256"] == hash_file(file.path)
    assert events[4]["file"] == "rollouts/iteration-000000.parquet"


@pytest.mark.parametrize(
    "settled",
    [
        [SettledGroup(0, (0,))],
        [SettledGroup(0, (0,)), SettledGroup(1, (0,)), SettledGroup(2, (0,))],
        [SettledGroup(0, (0,)), SettledGroup(0, (0,))],
        [SettledGroup(0, (0,)), SettledGroup(1)],
        [SettledGroup(0, (0,)), SettledGroup(1, (0,), "why")],
    ],
)
def test_an_iteration_closes_only_when_every_group_is_settled_once(tmp_path, settled):
    ledger, writer = Ledger(tmp_path, 0), RolloutWriter(tmp_path, 0)
    ledger.issue(0, [IssuedGroup(g, "a", 2, 0) for g in range(2)])
    file = writer.write(0, rows(0))
    with pytest.raises(PonderError, match="iteration 0"):
        ledger.settle(0, settled, file)
    assert len(read_ledger(tmp_path)) == 2


def test_groups_are_issued_once_and_in_their_iteration(tmp_path):
    ledger = Ledger(tmp_path, 0)
    ledger.issue(0, [IssuedGroup(0, "a", 2, 0)])
    with pytest.raises(PonderError, match="issued twice"):
        ledger.issue(0, [IssuedGroup(0, "b", 2, 0)])
    with pytest.raises(PonderError, match="iteration 0 is next"):
        ledger.issue(1, [IssuedGroup(0, "b", 2, 0)])


def test_the_ledger_is_cut_back_and_goes_on(tmp_path):
    ledger, writer = Ledger(tmp_path, 0), RolloutWriter(tmp_path, 0)
    for iteration in range(3):
        settled_iteration(ledger, writer, iteration)
    ledger.issue(3, [IssuedGroup(0, "a", 2, 0)])
    data = (tmp_path / "ledger.jsonl").read_bytes()
    ledger, writer = Ledger(tmp_path, 2), RolloutWriter(tmp_path, 2)
    assert data.startswith((tmp_path / "ledger.jsonl").read_bytes())
    assert read_ledger(tmp_path)[-1]["iteration"] == 1
    settled_iteration(ledger, writer, 2)
    assert data.startswith((tmp_path / "ledger.jsonl").read_bytes())


def test_a_ledger_without_an_iteration_of_the_checkpoint_is_an_error(tmp_path):
    ledger, writer = Ledger(tmp_path, 0), RolloutWriter(tmp_path, 0)
    settled_iteration(ledger, writer, 0)
    ledger.issue(1, [IssuedGroup(0, "a", 2, 0)])
    with pytest.raises(CorruptionError, match="iteration 1 is not closed"):
        Ledger(tmp_path, 2)


def test_readers_of_nothing_find_nothing(tmp_path):
    assert read_lines(tmp_path / "none.jsonl") == read_metrics(tmp_path) == read_ledger(tmp_path) == []
