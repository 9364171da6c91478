"""Decontamination as in the paper: a training text that shares a 10-gram with a benchmark is taken out.

The paper matches against questions and reference solutions, and one shared 10-gram is enough (DeepSeek-R1,
evaluation set-up: about six million texts of mathematics removed from the pre-training data). It does not say
what a token is (`ngrams` says what it is here), nor what becomes of texts of fewer than ten: those match when
they are, token by token, the whole of a benchmark's question. Paraphrases, translations and the same problem
with other numbers are not caught; the paper says so of its own procedure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ponder.curation.benchmark_texts import Passage, question_text
from ponder.curation.ngrams import PAPER_N, Hashes, ngram_hashes, tokenize
from ponder.tasks.files import QUESTION_COLUMNS

EXAMPLES = 20
"""Matched rows kept in the report per source and benchmark."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What a text shares with one benchmark."""

    problem: str
    """Id of the first problem that it shares an n-gram with."""
    ngram: str
    """The first n-gram shared with it, tokens separated by spaces."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a text shares with benchmarks."""

    hits: Mapping[str, Hit]
    """By benchmark, in the order of the text."""
    share: float
    """Share of the text's n-grams that are in a benchmark: near 1 for a copy, near 0 for a common phrase."""


class BenchmarkIndex:
    """The n-grams of benchmarks: 12 bytes for each, sorted.

    With `common` above 0, an n-gram that so many problems have, all benchmarks together, is a phrase of its
    trade ("where m and n are relatively prime positive integers") and identifies none of them: it does not
    count. A problem that two benchmarks hold is two here.
    """

    def __init__(self, passages: Iterable[Passage], n: int = PAPER_N, common: int = 0) -> None:
        self.n = n
        self.problems: Counter[str] = Counter()
        """Problems by benchmark."""
        self._owners: list[tuple[str, str]] = []
        self._short: dict[str, list[int]] = {}
        hashes: list[Hashes] = []
        owners: list[npt.NDArray[np.uint32]] = []
        for passage in passages:
            owner = self._number(passage)
            tokens = tokenize(passage.text)
            if len(tokens) >= n:
                found = np.unique(ngram_hashes(tokens, n))
                hashes.append(found)
                owners.append(np.full(len(found), owner, np.uint32))
            elif tokens and passage.is_question:
                self._short.setdefault(" ".join(tokens), []).append(owner)
        self._sort(hashes, owners, common)

    def _number(self, passage: Passage) -> int:
        key = (passage.benchmark, passage.problem)
        # The passages of one problem follow each other.
        if not self._owners or self._owners[-1] != key:
            self._owners.append(key)
            self.problems[passage.benchmark] += 1
        return len(self._owners) - 1

    def _sort(self, hashes: list[Hashes], owners: list[npt.NDArray[np.uint32]], common: int) -> None:
        """Keeps the first problem of each benchmark for every n-gram."""
        names = {name: number for number, name in enumerate(self.problems)}
        benchmark_of = np.array([names[name] for name, _ in self._owners], np.uint32)
        every = np.concatenate(hashes) if hashes else np.empty(0, np.uint64)
        whose = np.concatenate(owners) if owners else np.empty(0, np.uint32)
        # Question and solution of one problem may share n-grams: that is one problem.
        order = np.lexsort((whose, every))
        every, whose = every[order], whose[order]
        kept = _changes(every, whose)
        every, whose = every[kept], whose[kept]
        first = _changes(every, benchmark_of[whose])
        if common:
            starts = np.flatnonzero(_changes(every))
            counts = np.diff(np.append(starts, len(every)))
            first &= np.repeat(counts < common, counts)
        self._hashes, self._whose = every[first], whose[first]

    def __len__(self) -> int:
        """Different n-grams, each counted once per benchmark."""
        return len(self._hashes)

    def find(self, text: str) -> Match | None:
        """What the text shares with the benchmarks; None when that is nothing."""
        tokens = tokenize(text)
        if len(tokens) < self.n:
            return self._find_short(tokens)
        wanted = ngram_hashes(tokens, self.n)
        if not len(self._hashes):
            return None
        left = np.searchsorted(self._hashes, wanted, "left")
        present = self._hashes[np.minimum(left, len(self._hashes) - 1)] == wanted
        places = np.flatnonzero(present)
        if not len(places):
            return None
        right = np.searchsorted(self._hashes, wanted[places], "right")
        hits: dict[str, Hit] = {}
        for place, start, end in zip(places.tolist(), left[places].tolist(), right.tolist(), strict=True):
            for owner in self._whose[start:end].tolist():
                benchmark, problem = self._owners[owner]
                if benchmark not in hits:
                    hits[benchmark] = Hit(problem, " ".join(tokens[place : place + self.n]))
        return Match(hits, len(places) / len(wanted))

    def _find_short(self, tokens: Sequence[str]) -> Match | None:
        whole = " ".join(tokens)
        owners = self._short.get(whole, []) if tokens else []
        hits: dict[str, Hit] = {}
        for owner in owners:
            benchmark, problem = self._owners[owner]
            hits.setdefault(benchmark, Hit(problem, whole))
        return Match(hits, 1.0) if hits else None


def _changes(*columns: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where any of the columns differs from the row above; True for the first row."""
    changed = np.zeros(len(columns[0]), np.bool_)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return changed


@dataclass(slots=True)
class SourceReport:
    """What was found in one source of training data."""

    rows: int = 0
    matched: int = 0
    mostly: int = 0
    """Matched rows half or more of whose n-grams are in a benchmark: copies rather than phrases."""
    benchmarks: Counter[str] = field(default_factory=Counter)
    """Matched rows by benchmark; one row may match several."""
    examples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def share(self) -> float:
        return self.matched / self.rows if self.rows else 0.0

    def report(self) -> dict[str, Any]:
        """The account for JSON."""
        return {
            "rows": self.rows,
            "matched": self.matched,
            "share": self.share,
            "half_or_more": self.mostly,
            "benchmarks": dict(self.benchmarks.most_common()),
            "examples": self.examples,
        }


class Decontamination:
    """Takes matched rows out of streams of training rows, and keeps the account by source.

    `columns`: the texts of a training row that are looked at; default: its question, as `read_problems`
    finds it.
    """

    def __init__(self, index: BenchmarkIndex, columns: Sequence[str] = ()) -> None:
        self.index = index
        self.columns = tuple(columns)
        self.sources: dict[str, SourceReport] = {}

    def clean(
        self, rows: Iterable[Mapping[str, Any]], source: str, by: str = ""
    ) -> Iterator[Mapping[str, Any]]:
        """The rows that share nothing with the benchmarks, in order.

        Each is counted under `source`, or under its value in column `by`. Raises DataError for a row that has
        none of the columns.
        """
        for number, row in enumerate(rows, start=1):
            account = self.sources.setdefault(str(row.get(by, source)) if by else source, SourceReport())
            match = self.index.find(self._text(row, f"{source}, row {number}"))
            account.rows += 1
            if match is None:
                yield row
            else:
                _enter(account, match, row, number)

    def _text(self, row: Mapping[str, Any], where: str) -> str:
        if not self.columns:
            return question_text(row, QUESTION_COLUMNS, where)
        present = [column for column in self.columns if column in row]
        if not present:
            return question_text(row, self.columns, where)
        return "\n".join(question_text(row, [column], where) for column in present)

    def report(self) -> dict[str, Any]:
        """Everything counted, and for each benchmark the first rows matched with the n-gram, for JSON."""
        return {
            "ngram": self.index.n,
            "against": dict(self.index.problems),
            "columns": list(self.columns) or "question",
            "sources": {name: account.report() for name, account in self.sources.items()},
        }


def _enter(account: SourceReport, match: Match, row: Mapping[str, Any], number: int) -> None:
    account.matched += 1
    account.mostly += match.share >= 0.5
    for benchmark, hit in match.hits.items():
        account.benchmarks[benchmark] += 1
        if account.benchmarks[benchmark] <= EXAMPLES:
            account.examples.append(
                {
                    "row": number,
                    "id": row.get("id"),
                    "benchmark": benchmark,
                    "problem": hit.problem,
                    "ngram": hit.ngram,
                    "share": round(match.share, 4),
                }
            )
