"""Rollouts as Parquet: one file per iteration, one row per completion, equal rows giving equal bytes."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ponder.errors import CorruptionError
from ponder.storage.files import make_folder_durably, remove_durably, write_file_durably
from ponder.storage.hashes import hash_bytes
from ponder.types import ScoredGroup

ROLLOUTS_FOLDER = "rollouts"
_NAME = re.compile(r"iteration-(\d{6,})\.parquet")


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One completion: what was asked, sampled, found and done with it."""

    iteration: int
    step: int
    """First optimizer step it was trained in; -1: in none."""
    group: int
    """Number of its group within the iteration, in the order of issue."""
    member: int
    problem_id: str
    task: str
    language: str
    prompt: str
    """As the policy saw it, decoded."""
    prompt_ids: Sequence[int]
    completion: str
    token_ids: Sequence[int]
    loss_mask: Sequence[bool]
    finish: str
    verdict: str
    credit: float
    extracted: str
    reason: str
    """The grader's."""
    feedback: str
    """The grader's: of code the end of its standard error."""
    reward: float | None
    """None: could not be had."""
    reward_parts: Mapping[str, float | None]
    """Raw, unweighted."""
    advantage: float | None
    """Mean over the completion's tokens; None when it has none."""
    sampler_logprobs: Sequence[float]
    seed: int
    versions: Sequence[tuple[int, int]]
    """(policy version, tokens) of each segment."""
    dropped: str
    """Why it is not in the loss; "" when it is."""
    extra: Mapping[str, Any]
    """What reward functions logged of it, by column; each value as JSON."""


@dataclass(frozen=True, slots=True)
class RolloutFile:
    """A published file of rollouts."""

    path: Path
    sha256: str
    num_rows: int


def rows_of_group(
    scored: ScoredGroup,
    *,
    iteration: int,
    step: int,
    group: int,
    prompt: str,
    seeds: Sequence[int],
    advantages: Sequence[float | None],
    dropped: Sequence[str],
) -> list[RolloutRow]:
    """One row for each member of `scored`; the sequences have one entry per member.

    `step` is -1 in the rows of members that were dropped.
    """
    problem = scored.group.prompt.problem
    members = zip(
        scored.group.completions, scored.grades, scored.rewards, seeds, advantages, dropped, strict=True
    )
    return [
        RolloutRow(
            iteration=iteration,
            step=-1 if why else step,
            group=group,
            member=member,
            problem_id=problem.id,
            task=problem.task,
            language=problem.language,
            prompt=prompt,
            prompt_ids=scored.group.prompt.token_ids,
            completion=completion.text,
            token_ids=completion.token_ids,
            loss_mask=completion.loss_mask,
            finish=str(completion.finish),
            verdict=str(grade.verdict),
            credit=grade.credit,
            extracted=grade.extracted,
            reason=grade.reason,
            feedback=grade.feedback,
            reward=reward.total,
            reward_parts=reward.parts,
            advantage=advantage,
            sampler_logprobs=completion.sampler_logprobs,
            seed=seed,
            versions=completion.versions,
            dropped=why,
            extra={column: values[member] for column, values in scored.extra.items()},
        )
        for member, (completion, grade, reward, seed, advantage, why) in enumerate(members)
    ]


class RolloutWriter:
    """Writes the rollouts of a stage, going on after `num_iterations` iterations.

    Files of later iterations, left by a run that died after its last checkpoint, are removed.
    """

    def __init__(self, stage: Path, num_iterations: int) -> None:
        self._folder = stage / ROLLOUTS_FOLDER
        make_folder_durably(self._folder)
        for iteration, path in _files(self._folder):
            if iteration >= num_iterations:
                remove_durably(path)

    def write(self, iteration: int, rows: Iterable[RolloutRow]) -> RolloutFile:
        """The file of the iteration, complete on the disk. Rows are put in order of group and member.

        Raises `StorageError` when there is one already or the disk refuses.
        """
        ordered = sorted(rows, key=lambda row: (row.group, row.member))
        data = encode_rollouts(ordered)
        path = self._folder / f"iteration-{iteration:06d}.parquet"
        write_file_durably(path, data, label="rollouts", overwrite=False)
        return RolloutFile(path, hash_bytes(data), len(ordered))


def encode_rollouts(rows: Sequence[RolloutRow]) -> bytes:
    """The Parquet file of `rows`. Equal rows give equal bytes with the same version of pyarrow."""
    import pyarrow
    import pyarrow.parquet

    columns = {field.name: [_plain(field.name, row) for row in rows] for field in fields(RolloutRow)}
    table = pyarrow.table(columns, schema=_schema())
    file = io.BytesIO()
    pyarrow.parquet.write_table(
        table, file, compression="zstd", version="2.6", use_dictionary=True, write_page_checksum=True
    )
    return file.getvalue()


def read_rollouts(
    stage: Path, *, iterations: Iterable[int] | None = None, columns: Sequence[str] | None = None
) -> Any:
    """A `pyarrow.Table` of the stage's rollouts in order: all iterations and columns, or those named.

    `CorruptionError` names a file that cannot be read.
    """
    import pyarrow
    import pyarrow.parquet

    wanted = None if iterations is None else set(iterations)
    tables = []
    for iteration, path in _files(stage / ROLLOUTS_FOLDER):
        if wanted is not None and iteration not in wanted:
            continue
        try:
            tables.append(
                pyarrow.parquet.read_table(
                    path, columns=None if columns is None else list(columns), page_checksum_verification=True
                )
            )
        except (pyarrow.ArrowException, OSError) as error:
            raise CorruptionError(f"{path} is damaged: {error}") from error
    if not tables:
        empty = _schema().empty_table()
        return empty if columns is None else empty.select(list(columns))
    # Files of an older version may lack a column.
    return pyarrow.concat_tables(tables, promote_options="default")


def _files(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    found = [(_NAME.fullmatch(path.name), path) for path in folder.iterdir()]
    return sorted((int(match.group(1)), path) for match, path in found if match)


def _plain(name: str, row: RolloutRow) -> Any:
    value = getattr(row, name)
    if isinstance(value, str):
        # Text of a model or a data set may hold half a surrogate pair, which UTF-8 cannot.
        return value.encode("utf-8", "replace").decode()
    if name == "versions":
        return [{"version": version, "num_tokens": count} for version, count in value]
    if name == "reward_parts":
        return sorted(value.items())
    if name == "extra":
        return sorted((column, json.dumps(found)) for column, found in value.items())
    return value


def _schema() -> Any:
    import pyarrow as pa

    text, token, number = pa.string(), pa.int32(), pa.float64()
    segment = pa.struct([("version", pa.int64()), ("num_tokens", pa.int64())])
    types = {
        "iteration": pa.int64(),
        "step": pa.int64(),
        "group": pa.int32(),
        "member": pa.int32(),
        "prompt_ids": pa.list_(token),
        "token_ids": pa.list_(token),
        "loss_mask": pa.list_(pa.bool_()),
        "credit": number,
        "reward": number,
        "reward_parts": pa.map_(text, number),
        "advantage": number,
        "sampler_logprobs": pa.list_(pa.float32()),
        "seed": pa.int64(),
        "versions": pa.list_(segment),
        "extra": pa.map_(text, text),
    }
    return pa.schema([(field.name, types.get(field.name, text)) for field in fields(RolloutRow)])
