"""`RewardWorkers`: scoring in worker processes, beside generation, with deadlines."""

from __future__ import annotations

import queue
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

from ponder.config import RewardConfig
from ponder.errors import PonderError
from ponder.plugins import is_plugin, locate_plugin
from ponder.rewards.scoring import Scorer, Scores, ScoringJob, ScoringSpec, make_job, scored
from ponder.rewards.worker_slot import WorkerSlot
from ponder.types import RolloutGroup, ScoredGroup


class RewardWorkers:
    """Scores groups in `num_workers` processes; results come in the order of issue.

    What goes wrong costs the completions that it concerns, which then have no reward, and not the run:

    - A user's function that raises, or returns another count or no finite numbers, has no value for the
      group (in conventions that call it for each completion: for that completion). One that says nothing
      for `deadline_s` seconds, ends its process, or kills it twice by a signal has none for the group; the
      grades and the other rewards are kept.
    - A worker that dies while it grades is replaced, and its group graded once more. After a second death
      the reference is graded in a fresh worker, and then each completion by itself. Those that live keep
      their grades. One that kills its worker again is WRONG where the reference grades CORRECT. Where the
      grader has no reference answer (`Grader.reference_answer`) it is WRONG after a third death alone if
      another completion's answer could be graded. Otherwise it is UNGRADABLE. So nothing is earned by
      killing the grader.
    - One of our own rewards that kills its worker twice is looked for in the same way; the completion it
      dies of is WRONG and earns what an empty one earns.

    What stops the run is what can be mended before it: a file that fails on import, a worker that does not
    start twice, a specification without a reward for a problem. With `num_workers=0` everything happens in
    this process, at `submit`, without deadlines and without protection from what kills a process.

    Nothing here uses signals or the main thread: it works from any thread.
    """

    def __init__(self, spec: ScoringSpec, num_workers: int = 1, deadline_s: float = 10.0) -> None:
        spec.check()
        self._spec = replace(spec, rewards=tuple(_absolute(config) for config in spec.rewards))
        self._with_ids = any(is_plugin(config.name) for config in spec.rewards)
        self._groups: dict[int, RolloutGroup] = {}
        self._done: dict[int, Scores] = {}
        self._issued = 0
        self._collected = 0
        self._failure: PonderError | None = None
        self._changed = threading.Condition()
        self._counts: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()
        self._logged: dict[str, list[float]] = defaultdict(list)
        self._jobs: queue.SimpleQueue[tuple[int, ScoringJob] | None] = queue.SimpleQueue()
        self._scorer = Scorer(self._spec) if num_workers == 0 else None
        self._slots = [WorkerSlot(self._spec, deadline_s, self._count_loss) for _ in range(num_workers)]
        for slot in self._slots:
            threading.Thread(target=slot.serve, args=(self._jobs, self._deliver), daemon=True).start()

    @property
    def num_pending(self) -> int:
        """Groups submitted and not yet collected."""
        return self._issued - self._collected

    def submit(self, group: RolloutGroup, step: int = 0) -> int:
        """Gives one group to the workers and returns its ticket: 0, 1, 2, ... in order of issue.

        `step` is what a user's function sees as `trainer_state.global_step`. Raises RewardError when
        a user's file failed on import, for this or an earlier group.
        """
        self._raise_failure()
        ticket = self._issued
        self._issued += 1
        self._groups[ticket] = group
        job = make_job(group, step, with_ids=self._with_ids)
        if self._scorer is not None:
            self._deliver(ticket, self._scorer.score(job))
        else:
            self._jobs.put((ticket, job))
        return ticket

    def collect(self) -> ScoredGroup:
        """The next group in order of issue; waits for it.

        Raises RewardError as `submit`, LookupError when nothing is pending.
        """
        if not self.num_pending:
            raise LookupError("no group is pending: every one that was submitted has been collected")
        with self._changed:
            while self._failure is None and self._collected not in self._done:
                self._changed.wait()
            self._raise_failure()
            scores = self._done.pop(self._collected)
        group = self._groups.pop(self._collected)
        self._collected += 1
        # Counted here, in order of issue: sums of floats depend on their order.
        self._counts.update(grade.verdict.value for grade in scores.grades)
        self._causes.update(cause for cause in scores.causes if cause)
        for key, value in scores.logged:
            self._logged[key].append(value)
        return scored(group, scores)

    def score(self, groups: Sequence[RolloutGroup], step: int = 0) -> list[ScoredGroup]:
        """Submits all groups and collects them, in order. Nothing else may be pending."""
        for group in groups:
            self.submit(group, step)
        return [self.collect() for _ in groups]

    def take_metrics(self) -> dict[str, float]:
        """What was counted over the groups collected since the last call.

        Completions by grade, `grade/ungradable/sum` among them; `ungradable/CAUSE/sum` completions without
        a grade or a reward for each cause that there was; `worker/lost/sum` processes that died,
        `worker/hung/sum` that were stopped in a user's function; and `user/NAME/mean` of each scalar that a
        user's function logged.

        Causes: aborted (by the engine), grader (it failed, or cannot read the reference), worker (it died
        of the grader), reward (one of ours failed), and of a user's function raised, returned (what it must
        not), hung, exited, died.
        """
        with self._changed:
            metrics = {
                "grade/correct/sum": float(self._counts["correct"]),
                "grade/wrong/sum": float(self._counts["wrong"]),
                "grade/ungradable/sum": float(self._counts["ungradable"]),
                "worker/lost/sum": float(self._counts["lost"]),
                "worker/hung/sum": float(self._counts["hung"]),
            }
            metrics |= {f"ungradable/{cause}/sum": float(n) for cause, n in sorted(self._causes.items())}
            metrics |= {f"user/{key}/mean": sum(v) / len(v) for key, v in self._logged.items()}
            for counted in (self._counts, self._causes, self._logged):
                counted.clear()
        return metrics

    def close(self) -> None:
        """Ends the workers at once; groups that are pending are lost. May be called again."""
        for slot in self._slots:
            slot.stop()
            self._jobs.put(None)

    def __enter__(self) -> RewardWorkers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _deliver(self, ticket: int, outcome: Scores | PonderError) -> None:
        """Takes a result from a slot's thread."""
        with self._changed:
            if isinstance(outcome, Scores):
                self._done[ticket] = outcome
            elif self._failure is None:
                self._failure = outcome
            self._changed.notify_all()

    def _count_loss(self, kind: str) -> None:
        with self._changed:
            self._counts[kind] += 1


def _absolute(config: RewardConfig) -> RewardConfig:
    """The same with the user's file as an absolute path: workers may have another working folder."""
    if not is_plugin(config.name):
        return config
    path, name = locate_plugin(config.name)
    return config.model_copy(update={"name": f"{path}:{name}"})
