"""`ponder decontaminate`: training problems that share a 10-gram with a benchmark are taken out."""

from __future__ import annotations

import contextlib
import gzip
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ponder.cli import asking

if TYPE_CHECKING:
    from ponder.curation import Decontamination


def decontaminate(
    train: Annotated[list[Path], typer.Argument(metavar="TRAIN...", help="Files of training rows.")],
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="A benchmark by name, or a file of problems; may be repeated. "
            "Default: every benchmark in the folder of PONDER_DATA.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the rows without a match, as JSONL.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the counts and examples of matches, as JSON.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column to look at; may be repeated. Default: the question."),
    ] = None,
    by: Annotated[str, typer.Option(metavar="COLUMN", help="Count by this column, not by file.")] = "",
    questions_only: Annotated[
        bool, typer.Option("--questions-only", help="Leave out the benchmarks' reference solutions.")
    ] = False,
    ngram: Annotated[int, typer.Option(min=1, help="Tokens of a match.")] = 10,
    ignore_common: Annotated[
        int, typer.Option(min=0, help="Ignore phrases that so many problems of benchmarks share; 0: none.")
    ] = 0,
) -> None:
    """Take out training problems found in benchmarks.

    A row goes when it shares a run of 10 tokens with a question or a reference solution. Paraphrases,
    translations and changed numbers are not caught.
    """
    from ponder.curation import BenchmarkIndex, Decontamination, default_benchmarks, read_passages

    names = against or default_benchmarks()
    passages = (p for name in names for p in read_passages(name, solutions=not questions_only))
    decontamination = Decontamination(BenchmarkIndex(passages, ngram, ignore_common), column or ())
    clean = _clean_rows(decontamination, train, by)
    if out is None:
        for _ in clean:
            pass
    else:
        _write_rows(clean, out)
    for line in _table(decontamination):
        typer.echo(line)
    if out is not None:
        typer.echo(f"  rows without a match: {out}")
    if report is not None:
        asking.write_text(report, json.dumps(decontamination.report(), ensure_ascii=False, indent=1) + "\n")
        typer.echo(f"  matches: {report}")


def _clean_rows(
    decontamination: Decontamination, files: Iterable[Path], by: str
) -> Iterator[Mapping[str, Any]]:
    from ponder.tasks.files import read_rows

    for path in files:
        yield from decontamination.clean(read_rows(path), path.name.split(".")[0], by)


def _write_rows(rows: Iterable[Mapping[str, Any]], out: Path) -> None:
    """Replaces the file by the rows, whole or not at all, one row in memory at a time."""
    from ponder.storage.files import disk, make_folder_durably

    make_folder_durably(out.absolute().parent)
    draft = out.with_name(f"{out.name}.tmp-{secrets.token_hex(8)}")
    opened = gzip.open if out.suffix == ".gz" else open
    try:
        # Half a surrogate pair, which UTF-8 has not, becomes the escape that JSON has for it.
        with opened(draft, "wt", encoding="utf-8", errors="backslashreplace", newline="\n") as text:
            for row in rows:
                text.write(json.dumps(row, ensure_ascii=False) + "\n")
        disk.sync_path(draft)
        disk.rename(draft, out)
        disk.sync_path(out.absolute().parent)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def _table(decontamination: Decontamination) -> Iterator[str]:
    """A line per source, and under it one per benchmark that it shares an n-gram with."""
    index, sources = decontamination.index, decontamination.sources
    yield (
        f"{index.n}-grams of {sum(index.problems.values())} problems of {len(index.problems)} benchmarks: "
        f"{', '.join(index.problems)}"
    )
    width = max(map(len, ["source", *sources, *(f"  {name}" for name in index.problems)]))
    yield f"{'source':<{width}}  {'rows':>9}  {'matched':>9}  {'share':>7}  half or more"
    for name, account in sources.items():
        counts = f"{account.rows:>9}  {account.matched:>9}  {account.share:>7.2%}  {account.mostly:>12}"
        yield f"{name:<{width}}  {counts}"
        for benchmark, count in account.benchmarks.most_common():
            yield f"{'  ' + benchmark:<{width}}  {'':>9}  {count:>9}  {count / account.rows:>7.2%}"
