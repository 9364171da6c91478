"""Checks from a stage's files alone that every completion issued was trained on or dropped, once.

    python tests/ledger_checker.py RUN/stages/01-NAME [--unfinished]

Prints one line for each violation and exits with 1 if there is one. It shares no code with the
package it checks. `--unfinished`: the last iteration may be open, as in a run that was killed.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet


def violations(stage: Path, *, unfinished: bool = False) -> list[str]:
    """One sentence for each thing in the stage's files that should not be."""
    found: list[str] = []
    ledger = _lines(stage / "ledger.jsonl", found)
    metrics = _lines(stage / "metrics.jsonl", found)
    by_iteration = defaultdict(list)
    for event in ledger:
        by_iteration[event["iteration"]].append(event)
    order = [event["iteration"] for event in ledger]
    numbers = sorted(by_iteration)
    if order != sorted(order) or numbers != list(range(len(numbers))):
        found.append(f"ledger: iterations are not in order and contiguous from 0: {numbers}")
    seeds: Counter[int] = Counter()
    steps: set[int] = set()
    version = -1
    closed = []
    for number in numbers:
        open_end = unfinished and number == numbers[-1]
        issued, settled, files = _events(number, by_iteration[number], found)
        for group, count in Counter(event["group"] for event in settled).items():
            if count > 1 or group not in issued:
                found.append(f"iteration {number}: group {group} is settled {count} times or not issued")
        missing = sorted(issued.keys() - {event["group"] for event in settled})
        if missing and not open_end:
            found.append(f"iteration {number}: groups {missing} are neither trained nor dropped")
        versions = [version, *(event["version"] for event in issued.values())]
        if versions != sorted(versions):
            found.append(f"iteration {number}: the policy version goes back in {versions}")
        version = max(versions)
        steps.update(step for event in settled for step in event.get("steps", []))
        if len(files) == 1:
            closed.append(number)
            _check_rows(stage, number, files[0], issued, settled, seeds, found)
        elif files or not open_end:
            found.append(f"iteration {number}: has {len(files)} files of rollouts in the ledger, not 1")
    _check_whole(stage, closed, metrics, seeds, steps, by_iteration, unfinished, found)
    return found


def _lines(path: Path, found: list[str]) -> list[dict]:
    """The records of a file of checked JSON lines; a torn last line is no record."""
    if not path.exists():
        found.append(f"{path.name} is missing")
        return []
    records = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            record = json.loads(line)
            check = record.pop("check")
            text = json.dumps(record, sort_keys=True, separators=(",", ":"))
            if hashlib.sha256(text.encode()).hexdigest()[:16] != check:
                raise ValueError("its check does not match")
            records.append({"iteration": record["iteration"], **record})
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            found.append(f"{path.name}, line {number}: {error!r}")
    return records


def _events(
    number: int, events: list[dict], found: list[str]
) -> tuple[dict[int, dict], list[dict], list[dict]]:
    """Issued groups by number, settling events, file events; wrong orders and fields are noted."""
    issued: dict[int, dict] = {}
    settled, files = [], []
    for event in events:
        kind = event.get("event")
        if kind == "issued":
            if event["group"] in issued:
                found.append(f"iteration {number}: group {event['group']} is issued twice")
            if settled:
                found.append(
                    f"iteration {number}: group {event['group']} is issued after others were settled"
                )
            issued[event["group"]] = event
        elif kind == "trained":
            settled.append(event)
            if not event["steps"] or len(set(event["steps"])) < len(event["steps"]):
                found.append(f"iteration {number}: group {event['group']} has the steps {event['steps']}")
        elif kind == "dropped":
            settled.append(event)
            if not event["reason"]:
                found.append(f"iteration {number}: group {event['group']} is dropped without a reason")
        elif kind == "rollouts":
            files.append(event)
        else:
            found.append(f"iteration {number}: unknown event {kind!r}")
    return issued, settled, files


def _check_rows(stage, number, event, issued, settled, seeds, found) -> None:  # type: ignore[no-untyped-def]
    """The rows of the iteration against what the ledger says of its groups."""
    path = stage / event["file"]
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != event["sha256"]:
        found.append(f"iteration {number}: {event['file']} is not the file that was written")
        return
    rows = pyarrow.parquet.read_table(path).to_pylist()
    if len(rows) != event["num_rows"]:
        found.append(f"iteration {number}: {len(rows)} rows, the ledger says {event['num_rows']}")
    outcome = {entry["group"]: entry for entry in settled}
    members = defaultdict(list)
    for row in rows:
        where = f"iteration {number}, group {row['group']}, member {row['member']}"
        members[row["group"]].append(row["member"])
        seeds[row["seed"]] += 1
        found += [f"{where}: {what}" for what in _row_faults(row, number, event["reward_weights"])]
        group, end = issued.get(row["group"]), outcome.get(row["group"])
        if group is None or end is None:
            found.append(f"{where}: its group is not in the ledger")
            continue
        if row["problem_id"] != group["problem_id"]:
            found.append(f"{where}: problem {row['problem_id']}, issued was {group['problem_id']}")
        if (first := [segment["version"] for segment in row["versions"]][:1]) not in ([], [group["version"]]):
            found.append(f"{where}: sampled from version {first}, issued for {group['version']}")
        if end["event"] == "dropped" and not row["dropped"]:
            found.append(f"{where}: in the loss, but the ledger dropped its group")
        if end["event"] == "trained" and not row["dropped"] and row["step"] not in end["steps"]:
            found.append(f"{where}: trained in step {row['step']}, the ledger says {end['steps']}")
    for group, entry in issued.items():
        if sorted(members.get(group, [])) != list(range(entry["num_completions"])):
            found.append(f"iteration {number}: group {group} has the members {members.get(group)}")
    for group, end in outcome.items():
        if end["event"] == "trained" and all(r["dropped"] for r in rows if r["group"] == group):
            found.append(f"iteration {number}: group {group} counts as trained, but no member of it was")


def _row_faults(row: dict, number: int, weights: dict | None) -> list[str]:
    """What contradicts itself in one row."""
    faults = []
    length = len(row["token_ids"])
    if row["iteration"] != number:
        faults.append(f"says iteration {row['iteration']}")
    covered = sum(segment["num_tokens"] for segment in row["versions"])
    if not length == len(row["sampler_logprobs"]) == len(row["loss_mask"]) == covered:
        faults.append("tokens, log-probabilities, mask and versions differ in length")
    if (row["step"] < 0) != bool(row["dropped"]):
        faults.append(f"step {row['step']}, but dropped for {row['dropped']!r}")
    if not row["dropped"]:
        if row["reward"] is None or row["verdict"] == "ungradable" or row["finish"] == "abort":
            faults.append("trained on without a reward, ungraded or aborted")
        if row["advantage"] is None or not math.isfinite(row["advantage"]):
            faults.append(f"trained on with the advantage {row['advantage']}")
    if row["verdict"] == "wrong" and row["credit"] == 1.0:
        faults.append(f"WRONG with the credit {row['credit']}")
    parts = dict(row["reward_parts"])
    if weights is not None and row["reward"] is not None:
        total = sum(weights.get(name, math.nan) * (part or 0.0) for name, part in parts.items())
        if not math.isclose(total, row["reward"], rel_tol=1e-6, abs_tol=1e-6):
            faults.append(f"the parts add up to {total}, the reward is {row['reward']}")
    return faults


def _check_whole(stage, closed, metrics, seeds, steps, by_iteration, unfinished, found) -> None:  # type: ignore[no-untyped-def]
    """What no single iteration shows."""
    if reused := [seed for seed, count in seeds.items() if count > 1]:
        found.append(f"{len(reused)} seeds are used more than once, the first is {reused[0]}")
    if steps and sorted(steps) != list(range(min(steps), min(steps) + len(steps))):
        found.append("the optimizer steps have gaps")
    written = [record["iteration"] for record in metrics]
    if written != closed and not (unfinished and written == closed[:-1]):
        found.append(f"metrics: lines for {len(written)} iterations, {len(closed)} are closed in the ledger")
    named = {event["file"] for events in by_iteration.values() for event in events if "file" in event}
    present = {f"rollouts/{path.name}" for path in (stage / "rollouts").glob("*.parquet")}
    strangers = sorted(present - named)
    if strangers and not (unfinished and len(strangers) == 1 and strangers[0] > max(named, default="")):
        found.append(f"{strangers[0]} is not in the ledger")


def main() -> int:
    arguments = [argument for argument in sys.argv[1:] if argument != "--unfinished"]
    found = violations(Path(arguments[0]), unfinished="--unfinished" in sys.argv)
    print("\n".join(found) or "no violation")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
