"""Evaluations on disk: settings as JSON, every transcript as Parquet; and as one JSON text.

FOLDER/evaluation.json       key, settings, chance levels
FOLDER/transcripts.parquet   one row per completion, with its problem's columns
FOLDER/manifest.json         hashes of both
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ponder.errors import CorruptionError, DataError
from ponder.evaluation.outcomes import Evaluation, EvaluationSettings, Outcome, ProblemOutcome
from ponder.storage.files import publish_directory
from ponder.storage.hashes import open_json, seal_json
from ponder.storage.manifest import verify_directory
from ponder.types import Finish, Verdict

HEADER = "evaluation.json"
TRANSCRIPTS = "transcripts.parquet"
FORMAT = 1

_PROBLEM = ("problem_id", "task", "language", "question", "grader", "reference", "prefill")
_SCHEMA = pa.schema(
    [
        ("position", pa.int32()),
        *((name, pa.string()) for name in _PROBLEM),
        ("member", pa.int32()),
        ("verdict", pa.string()),
        ("credit", pa.float64()),
        ("extracted", pa.string()),
        ("reason", pa.string()),
        ("vote", pa.int32()),
        ("well_formed", pa.bool_()),
        ("num_tokens", pa.int32()),
        ("finish", pa.string()),
        ("text", pa.string()),
    ]
)
"""`position` is the problem's place in the evaluation, `member` the completion's in its group."""


def save_evaluation(evaluation: Evaluation, folder: Path) -> str:
    """The content hash of `folder`, which now holds the evaluation, complete or not at all.

    A folder that holds the same stays as it is; one that holds something else is never overwritten
    (`StorageError`); a damaged one is replaced.
    """

    def build(draft: Path) -> None:
        table = pa.Table.from_pylist(list(_rows(evaluation)), schema=_SCHEMA)
        pq.write_table(table, draft / TRANSCRIPTS, compression="zstd")
        header = {key: value for key, value in _to_dict(evaluation).items() if key != "problems"}
        (draft / HEADER).write_bytes(seal_json(header))

    return publish_directory(build, folder, replace_corrupt=True)


def load_evaluation(folder: Path) -> Evaluation:
    """The evaluation saved in `folder`.

    Raises DataError when there is none, `CorruptionError` when a file is not as it was written.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} holds no evaluation; there is no such folder")
    verify_directory(folder)
    header = open_json(folder / HEADER)
    rows = pq.read_table(folder / TRANSCRIPTS, schema=_SCHEMA).to_pylist()
    problems = [
        {**first, "outcomes": list(members)}
        for first, members in ((members[0], members) for members in _by_position(rows))
    ]
    return _from_dict({**header, "problems": problems})


def evaluation_to_json(evaluation: Evaluation) -> str:
    """The whole evaluation as one JSON text; `evaluation_from_json` gives an equal one back."""
    return json.dumps(_to_dict(evaluation), ensure_ascii=False, allow_nan=False)


def evaluation_from_json(text: str) -> Evaluation:
    """The evaluation that `evaluation_to_json` wrote. Raises `CorruptionError` for any other text."""
    try:
        return _from_dict(json.loads(text))
    except ValueError as error:
        raise CorruptionError(f"not an evaluation: {error}") from error


def _rows(evaluation: Evaluation) -> Iterable[dict[str, Any]]:
    for position, problem in enumerate(evaluation.problems):
        asked = {name: getattr(problem, name) for name in _PROBLEM}
        for member, outcome in enumerate(problem.outcomes):
            yield {"position": position, **asked, "member": member, **asdict(outcome)}


def _by_position(rows: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    for _, members in groupby(rows, key=lambda row: row["position"]):
        yield list(members)


def _to_dict(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "key": evaluation.key,
        "settings": asdict(evaluation.settings),
        "chance": dict(evaluation.chance),
        "problems": [asdict(problem) for problem in evaluation.problems],
    }


def _from_dict(record: Mapping[str, Any]) -> Evaluation:
    if not isinstance(record, Mapping) or record.get("format") != FORMAT:
        raise CorruptionError(f"not an evaluation of format {FORMAT}; this version of ponder reads no other")
    try:
        return Evaluation(
            key=record["key"],
            settings=EvaluationSettings(**record["settings"]),
            chance=dict(record["chance"]),
            problems=tuple(_problem(entry) for entry in record["problems"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptionError(f"not an evaluation: {type(error).__name__} {error}") from error


def _problem(entry: Mapping[str, Any]) -> ProblemOutcome:
    asked = {name: entry[name] for name in _PROBLEM}
    return ProblemOutcome(**asked, outcomes=tuple(_outcome(outcome) for outcome in entry["outcomes"]))


def _outcome(entry: Mapping[str, Any]) -> Outcome:
    columns = {field.name: entry[field.name] for field in fields(Outcome)}
    columns.update(verdict=Verdict(entry["verdict"]), finish=Finish(entry["finish"]))
    return Outcome(**columns)
