"""How many published training problems share a 10-gram with the test sets, beside the `eval_overlap` of the
files.

    PONDER_DATA=... python tests/figures/decontamination.py [--common N] [TRAIN ...]

`eval_overlap` comes with the data and was made otherwise: the same text ("exact"), or half of the 8-word
runs of a test question ("near"). One shared 10-gram is the paper's rule and finds more: copies, and phrases
that problems of one kind share. Labels that name sets which are not in the folder cannot be found and are
counted apart.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ponder.curation import BenchmarkIndex, Match, default_benchmarks, read_passages
from ponder.curation.benchmark_texts import question_text
from ponder.tasks.benchmarks import BENCHMARKS, find_file
from ponder.tasks.files import QUESTION_COLUMNS, read_rows

TRAIN = (
    "gsm8k_train",
    "math_train",
    "deepscaler_10k",
    "dsr_sub_1209",
    "aime_train_hist",
    "svamp",
    "leetcode_train_1890",
    "mbpp",
)
DATA = Path(os.environ.get("PONDER_DATA") or Path(__file__).parents[2] / ".." / "shared" / "data")


def training_rows(name: str) -> Iterator[dict[str, Any]]:
    """The rows of a file; of MBPP those that the data's notes give for training."""
    for row in read_rows(find_file(name, DATA)):
        if name != "mbpp" or (row["split"] == "train" and not row["in_mbpp_plus"]):
            yield row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("train", nargs="*", default=TRAIN)
    parser.add_argument("--common", type=int, default=0, help="as --ignore-common of ponder decontaminate")
    chosen = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: {DATA} is no folder; set PONDER_DATA to the folder of data")
        return
    names = default_benchmarks(DATA)
    start = time.process_time()
    index = BenchmarkIndex(
        (passage for name in names for passage in read_passages(name, DATA)), common=chosen.common
    )
    print(
        f"{len(index):,} 10-grams of {sum(index.problems.values()):,} problems of {len(names)} sets, "
        f"{time.process_time() - start:.1f} CPU s; phrases of {chosen.common or 'any number of'} problems "
        f"{'ignored' if chosen.common else 'count'}"
    )
    files = {BENCHMARKS[name].file for name in names}
    for name in chosen.train:
        report(name, index, files)


def report(name: str, index: BenchmarkIndex, files: set[str]) -> None:
    start = time.process_time()
    rows = list(training_rows(name))
    found = [index.find(question_text(row, QUESTION_COLUMNS, name)) for row in rows]
    seconds = time.process_time() - start
    matched = [match for match in found if match]
    mostly = sum(match.share >= 0.5 for match in matched)
    print(
        f"\n{name}: {len(matched)} of {len(rows)} rows share a 10-gram ({len(matched) / len(rows):.2%}), "
        f"{mostly} of them half or more of their 10-grams; {len(rows) / seconds:,.0f} rows/s"
    )
    sets = Counter(benchmark for match in matched for benchmark in match.hits)
    print("  " + ", ".join(f"{benchmark} {count}" for benchmark, count in sets.most_common(8)))
    labels = [
        {label for label in row.get("eval_overlap") or () if label.split(":")[0] in files} for row in rows
    ]
    compare(rows, found, labels)
    elsewhere = sum(
        bool(row.get("eval_overlap")) and not here for row, here in zip(rows, labels, strict=True)
    )
    if elsewhere:
        print(f"  {elsewhere} rows are labelled only for sets that are not in the folder")


def compare(rows: list[dict[str, Any]], found: list[Match | None], labels: list[set[str]]) -> None:
    labelled = [(row, match, label) for row, match, label in zip(rows, found, labels, strict=True) if label]
    missed = [(row, label) for row, match, label in labelled if match is None]
    print(f"  labelled rows found: {len(labelled) - len(missed)} of {len(labelled)}")
    for row, label in missed[:5]:
        print(f"    missed: {row['id']} {sorted(label)}")
    extra = [match for match, label in zip(found, labels, strict=True) if match and not label]
    copies = sum(match.share >= 0.5 for match in extra)
    print(f"  found without a label: {len(extra)}, {copies} of them half or more of their 10-grams")
    phrases = Counter(next(iter(match.hits.values())).ngram for match in extra)
    for phrase, count in phrases.most_common(3):
        print(f"    {count:4d} x  {phrase}")


if __name__ == "__main__":
    main()
