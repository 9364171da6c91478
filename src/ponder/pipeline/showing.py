"""A run in words: its stages, the table of scores, the latest metrics, the most telling transcripts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from ponder.evaluation import (
    ALL,
    Comparison,
    Evaluation,
    Scores,
    Transcript,
    compare_evaluations,
    load_evaluation,
    most_telling,
    overall,
    summarise,
)
from ponder.evaluation.intervals import Estimate
from ponder.pipeline.held_out import FOLDER
from ponder.storage.records import read_metrics
from ponder.storage.rundir import RunDirectory, StageDirectory

SHOWN_CHARS = 1200
"""Of a transcript; the whole of it is in the run directory."""


def describe_run(folder: Path, num_transcripts: int = 3) -> Iterator[str]:
    """The lines that describe the run at `folder`. Raises UserError when there is none."""
    run = RunDirectory.view(folder)
    yield f"Run {run.facts['name']} in {folder}"
    last: tuple[Evaluation | None, Evaluation] | None = None
    for stage in run.stages():
        yield from _describe_stage(stage)
        yield from _describe_curve(stage)
        evaluations = full_evaluations(stage)
        if len(evaluations) > 1:
            before, after = evaluations[0], evaluations[-1]
            yield from _comparison_table(compare_evaluations(before, after), after)
            last = (before, after)
        elif evaluations:
            yield from score_table(summarise(evaluations[0]))
            last = (None, evaluations[0])
    if last is not None and num_transcripts:
        for transcript in most_telling(last[1], last[0])[:num_transcripts]:
            yield from _transcript(transcript)
    yield ""
    yield f"Everything lies in {folder}: recipe, metrics, rollouts, checkpoints, transcripts."
    yield f"  ponder show {folder}    ponder verify {folder}"


def full_evaluations(stage: StageDirectory) -> list[Evaluation]:
    """The stage's evaluations on all held-out problems, in order of iterations."""
    folders = sorted(
        path
        for path in (stage.path / FOLDER).glob("iteration-*")
        if path.name.removeprefix("iteration-").isdecimal()
    )
    return [load_evaluation(path) for path in folders]


def part_evaluations(stage: StageDirectory) -> dict[int, Evaluation]:
    """The stage's evaluations along the way, by the number of iterations done."""
    found = {}
    for path in sorted((stage.path / FOLDER).glob("iteration-*-part")):
        found[int(path.name.removeprefix("iteration-").removesuffix("-part"))] = load_evaluation(path)
    return found


def _describe_curve(stage: StageDirectory) -> Iterator[str]:
    """pass@1 along the way, and what voting adds where the policy is half way."""
    rows = {iteration: overall(summarise(each)) for iteration, each in part_evaluations(stage).items()}
    scores = {iteration: row.pass_at_1.value for iteration, row in rows.items() if row.pass_at_1 is not None}
    if not scores:
        return
    points = "  ".join(f"{iteration}: {100 * score:.0f}" for iteration, score in scores.items())
    yield f"  pass@1 by iteration, %: {points}"
    half_way = next((iteration for iteration, score in scores.items() if 0.3 <= score <= 0.8), None)
    if half_way is None:
        return
    for k, gain in rows[half_way].cons_gain.items():
        if gain is not None:
            yield (
                f"  after {half_way} iterations a vote of {k} adds {100 * gain.value:.1f} points "
                f"(95%: {100 * gain.low:.1f} to {100 * gain.high:.1f})"
            )


def _describe_stage(stage: StageDirectory) -> Iterator[str]:
    record = stage.read()
    state = "not begun" if record is None else {"done": "finished"}.get(record.status, "in progress")
    rows = read_metrics(stage.path)
    yield ""
    pretrained = bool(rows) and "tokens/trained/total" in rows[-1]
    yield f"Stage {stage.name}: {state}" + (f", {len(rows)} iterations" if rows and not pretrained else "")
    if pretrained:
        losses = " -> ".join(f"{row['loss/token/mean']:.3f}" for row in (rows[0], rows[-1]))
        yield f"  {rows[-1]['tokens/trained/total']:,.0f} tokens, loss {losses}"
    elif rows:
        shown = {
            "reward": ("reward/total/mean", "{:.3f}"),
            "right": ("completion/correct/frac", "{:.1%}"),
            "format": ("completion/format/frac", "{:.1%}"),
            "length": ("length/all/mean", "{:.0f}"),
            "entropy": ("entropy/token/mean", "{:.3f}"),
            "gradient": ("gradient/norm/mean", "{:.3g}"),
        }
        for label, row in (("first", rows[0]), ("last", rows[-1])):
            values = [f"{name} {form.format(row[key])}" for name, (key, form) in shown.items() if key in row]
            yield f"  {label:<5} iteration: " + "  ".join(values)


# --- tables ---------------------------------------------------------------------------------------


def _comparison_table(rows: Sequence[Comparison], after: Evaluation) -> Iterator[str]:
    scores = {(row.task, row.language): row for row in summarise(after)}
    yield ""
    yield (
        f"  {'task':<14} {'language':<8} {'problems':>8} {'before':>7} {'after':>7} {'gain':>7} "
        f"{'95% interval':>16} {'format':>7} {'length':>7}"
    )
    for row in rows:
        score = scores.get((row.task, row.language))
        gain = row.gain
        interval = f"{100 * gain.low:.1f} to {100 * gain.high:.1f}" if gain is not None else ""
        ratio = f"x{row.right_length_ratio:.2f}" if row.right_length_ratio is not None else ""
        yield (
            f"  {row.task:<14} {row.language:<8} {row.num_problems:>8} "
            f"{_percent(row.before):>7} {_percent(row.after):>7} "
            f"{_percent(gain):>7} {interval:>16} "
            f"{_percent(score.well_formed if score else None):>7} {ratio:>7}"
        )
    yield "  before, after: pass@1, %. gain: corrected for chance. length: of right answers, after / before."
    left_out = rows[-1].num_left_out
    if left_out:
        yield f"  {left_out} problems are left out: on one side no completion of theirs could be graded."


def score_table(rows: Sequence[Scores]) -> Iterator[str]:
    """The lines of a table of scores; pass@k and cons@k for the number of samples per problem."""
    k = max((k for row in rows for k in row.pass_at_k), default=1)
    many = f" {f'pass@{k}':>8} {f'cons@{k}':>8}" if k > 1 else ""
    yield ""
    head = (
        f"  {'task':<14} {'language':<8} {'problems':>8} {'pass@1':>7} {'95% interval':>16} {'corrected':>9}"
    )
    yield f"{head}{many} {'format':>7}"
    for row in rows:
        name = "all" if row.task == ALL else row.task
        score = row.pass_at_1
        interval = f"{100 * score.low:.1f} to {100 * score.high:.1f}" if score is not None else ""
        values = (row.pass_at_k.get(k), row.cons_at_k.get(k))
        many = "".join(f" {_percent(value):>8}" for value in values) if k > 1 else ""
        yield (
            f"  {name:<14} {row.language:<8} {row.num_problems:>8} {_percent(score):>7} {interval:>16} "
            f"{_percent(row.corrected):>9}{many} {_percent(row.well_formed):>7}"
        )
    ungradable = rows[-1].num_ungradable
    if ungradable:
        yield f"  {ungradable} completions could not be graded and are in no rate; their records say why."


def _percent(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{100 * estimate.value:.1f}"


# --- transcripts ----------------------------------------------------------------------------------


def _transcript(transcript: Transcript) -> Iterator[str]:
    yield ""
    yield f"  [{transcript.kind}] {transcript.why}"
    yield f"  {transcript.problem.problem_id}: {transcript.problem.question}"
    text = transcript.problem.prefill + transcript.outcome.text
    if len(text) > SHOWN_CHARS:
        text = text[:SHOWN_CHARS] + " ..."
    for paragraph in text.splitlines() or [""]:
        yield textwrap.fill(paragraph, 110, initial_indent="    ", subsequent_indent="    ")
    yield f"  reference: {transcript.problem.reference}"
