"""What becomes of data before training: so far, decontamination."""

from ponder.curation.benchmark_texts import Passage, benchmark_passages, default_benchmarks, read_passages
from ponder.curation.decontamination import BenchmarkIndex, Decontamination, Hit, Match, SourceReport
from ponder.curation.ngrams import PAPER_N, ngram_hashes, tokenize

__all__ = [
    "PAPER_N",
    "BenchmarkIndex",
    "Decontamination",
    "Hit",
    "Match",
    "Passage",
    "SourceReport",
    "benchmark_passages",
    "default_benchmarks",
    "ngram_hashes",
    "read_passages",
    "tokenize",
]
