"""How far a stage has come, written to and read from its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ponder.errors import DivergenceError, Interrupted, UserError
from ponder.storage.checkpoints import Checkpoint, latest_checkpoint, retain_checkpoints, save_checkpoint
from ponder.storage.crashpoints import crash_point
from ponder.training.rollouts import Issue
from ponder.training.schedule import steps_per_iteration

if TYPE_CHECKING:
    from ponder.training.rl import RLJob


@dataclass(frozen=True, slots=True)
class Progress:
    """What the finished iterations add up to."""

    iteration: int = 0
    """Iterations done."""
    cursor: Mapping[str, int] = field(default_factory=dict)
    """Problems drawn so far, by task."""
    tokens_sampled: int = 0
    groups_issued: int = 0

    def after(self, issues: Sequence[Issue], cursor: Mapping[str, int]) -> Progress:
        """The progress one iteration later."""
        tokens = sum(
            len(completion.token_ids) for issue in issues for completion in issue.scored.group.completions
        )
        return Progress(
            self.iteration + 1, dict(cursor), self.tokens_sampled + tokens, self.groups_issued + len(issues)
        )


def resume(job: RLJob) -> Progress:
    """Puts the job where its newest checkpoint stands, or at its beginning.

    Raises CorruptionError when the newest checkpoint is not as it was written.
    """
    folder = job.folder / "checkpoints"
    checkpoint = latest_checkpoint(folder)
    if checkpoint is None:
        return Progress(cursor=job.draws.cursor())
    _retain(job)
    state = checkpoint.trainer_state()
    job.load_weights(checkpoint.path)
    job.updater.load_state_dict(state["updater"])
    job.draws.restore(state["progress"]["cursor"])
    return Progress(**state["progress"])


def save(job: RLJob, done: Progress) -> Checkpoint:
    """The checkpoint of this progress, on disk; older ones leave as the recipe says."""
    checkpoint = save_checkpoint(
        job.folder / "checkpoints", done.iteration, job.write_model, _trainer_state(job, done)
    )
    _retain(job)
    crash_point("iteration/after-checkpoint")
    return checkpoint


def _retain(job: RLJob) -> None:
    config = job.stage.checkpoints
    retain_checkpoints(job.folder / "checkpoints", keep=config.keep, every=config.every)


def _trainer_state(job: RLJob, done: Progress) -> dict[str, Any]:
    progress = {
        "iteration": done.iteration,
        "cursor": dict(done.cursor),
        "tokens_sampled": done.tokens_sampled,
        "groups_issued": done.groups_issued,
    }
    return {"progress": progress, "updater": job.updater.state_dict()}


@contextmanager
def save_before_leaving(job: RLJob, done: Progress) -> Iterator[None]:
    """Around what leaves the weights alone: when it is stopped, the finished iterations are saved.

    A signal, or an error on the user's side (a reward that raises), abandons the iteration; it will
    be made again from its seeds. Nothing is saved before the first iteration is done.
    """
    try:
        yield
    except (Interrupted, UserError):
        if done.iteration > 0:
            save(job, done)
        raise
    except DivergenceError as error:
        step = done.iteration * steps_per_iteration(job.stage)
        raise DivergenceError(
            f"Before step {step}: {error} The last good checkpoint is kept in {job.folder / 'checkpoints'}."
        ) from error
