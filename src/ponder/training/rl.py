"""The reinforcement-learning loop. It reads like the algorithm; every verb has a neighbour of its own.

    draw problems -> sample groups -> score -> samples with advantages -> optimizer steps -> records

The unit of replay is one iteration: what a checkpoint holds after iteration i, together with the
seeds, gives iteration i + 1 bit for bit (local engine, CPU, same threads and versions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ponder.config import RLStage
from ponder.prompting import Tags
from ponder.storage.crashpoints import crash_point
from ponder.storage.records import StageRecords
from ponder.training.draws import ProblemDraws
from ponder.training.limits import Limits
from ponder.training.live import LiveLine
from ponder.training.rollouts import RolloutPlan, Scorer, collect_groups
from ponder.training.schedule import conditions_of, sampling_of
from ponder.training.settle import live_values, write_iteration
from ponder.training.state import Progress, resume, save, save_before_leaving
from ponder.training.stopwatch import Stopwatch
from ponder.training.ungradable import UngradableGuard
from ponder.training.updates import Updater
from ponder.types import RolloutEngine


@dataclass(frozen=True, slots=True)
class RLJob:
    """Everything the loop is handed; it makes nothing itself."""

    stage: RLStage
    folder: Path
    """The stage's folder in the run directory."""
    draws: ProblemDraws
    plan: RolloutPlan
    engine: RolloutEngine
    scorer: Scorer
    updater: Updater
    stop_token_ids: tuple[int, ...]
    tags: Tags
    decode: Callable[[tuple[int, ...]], str]
    """Prompt ids to text, for the records."""
    write_model: Callable[[Path], None]
    """Writes the policy as a Hugging Face folder."""
    load_weights: Callable[[Path], None]
    """Puts the weights of a checkpoint into the policy."""
    evaluate: Callable[[int], None]
    """Called before each iteration, and after the last, with the number of iterations done."""
    reward_weights: Mapping[str, float]
    limits: Limits
    live: bool = True


def train_rl(job: RLJob) -> Progress:
    """Trains from where the last checkpoint stands to the stage's end, or to a limit.

    What it returns says which; a checkpoint of that state is on disk. Raises Interrupted after a
    signal, DivergenceError, RewardError and whatever the engine raises, with every finished
    iteration kept.
    """
    stage, updater = job.stage, job.updater
    done = resume(job)
    records = StageRecords(job.folder, done.iteration)
    job.engine.update_weights(done.iteration)
    guard = UngradableGuard(stage.max_ungradable, stage.group_size, stage.name)
    with LiveLine(stage.name, stage.num_iterations, done.iteration, shown=job.live) as live:
        while done.iteration < stage.num_iterations and not job.limits.reached():
            now, watch = conditions_of(stage, done.iteration), Stopwatch()
            with save_before_leaving(job, done):
                job.evaluate(done.iteration)
                with watch.measure("rollout_s"):
                    sampling = sampling_of(stage, now, job.stop_token_ids)
                    issues = collect_groups(job, now, sampling, records.ledger, guard)
            for line in guard.take_news():
                live.note(line)
            with watch.measure("update_s"):
                chosen = updater.build_samples([issue.scored for issue in issues], now)
                report = updater.update(chosen.samples, now)
                updater.finish_iteration(now, report)
                job.engine.update_weights(done.iteration + 1)
            crash_point("iteration/after-update")
            done = done.after(issues, job.draws.cursor())
            row = write_iteration(job, records, now, issues, chosen, report, done, watch)
            job.limits.count_steps(report.num_steps)
            if done.iteration % stage.checkpoints.every == 0 or done.iteration == stage.num_iterations:
                save(job, done)
            live.update(done.iteration, live_values(row, watch))
    if done.iteration == stage.num_iterations:
        job.evaluate(done.iteration)
    elif done.iteration > 0:
        save(job, done)
    return done
