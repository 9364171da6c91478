"""Evaluations built by hand, and an engine that answers from a script."""

from collections.abc import Callable

import pytest

from ponder.evaluation import ABSTAINED, Evaluation, EvaluationSettings, Outcome, ProblemOutcome, vote_classes
from ponder.types import Completion, Finish, RolloutGroup, Verdict


def _outcome(answer: str = "1", correct: bool | None = True, **changes: object) -> Outcome:
    """An outcome; correct None: ungradable."""
    verdict = {True: Verdict.CORRECT, False: Verdict.WRONG, None: Verdict.UNGRADABLE}[correct]
    fields = {
        "verdict": verdict,
        "credit": float(correct or 0),
        "extracted": "" if correct is None else answer,
        "reason": "",
        "vote": ABSTAINED,
        "well_formed": True,
        "num_tokens": 10,
        "finish": Finish.STOP,
        "text": f"<think>.</think><answer>{answer}</answer>",
    }
    return Outcome(**{**fields, **changes})


def _problem(problem_id: str, outcomes: list[Outcome], **changes: object) -> ProblemOutcome:
    """A problem whose votes are the classes of its extracted answers."""
    votes = vote_classes([outcome.extracted for outcome in outcomes])
    fields = {
        "problem_id": problem_id,
        "task": "arithmetic",
        "language": "en",
        "question": "What is it?",
        "grader": "integer",
        "reference": "1",
        "prefill": "",
        "outcomes": tuple(
            Outcome(**{**{name: getattr(o, name) for name in Outcome.__slots__}, "vote": vote})
            for o, vote in zip(outcomes, votes, strict=True)
        ),
    }
    return ProblemOutcome(**{**fields, **changes})


def _evaluation(problems: list[ProblemOutcome], **changes: object) -> Evaluation:
    chance = changes.pop("chance", {})
    fields = {
        "template": "plain",
        "reasoning_tag": "think",
        "answer_tag": "answer",
        "num_samples": max(len(problem.outcomes) for problem in problems),
        "temperature": 0.6,
        "top_p": 0.95,
        "max_new_tokens": 64,
        "seed": 0,
        "policy": "weights",
    }
    return Evaluation("key", EvaluationSettings(**{**fields, **changes}), chance, tuple(problems))


@pytest.fixture
def outcome() -> Callable[..., Outcome]:
    return _outcome


@pytest.fixture
def problem() -> Callable[..., ProblemOutcome]:
    return _problem


@pytest.fixture
def evaluation() -> Callable[..., Evaluation]:
    return _evaluation


class ScriptedEngine:
    """A `RolloutEngine` that says what `script(problem, member, seed)` returns, groups in reverse order.

    A returned text is a completion that stopped; a (text, finish) pair says how it ended.
    """

    def __init__(self, script: Callable[..., object]) -> None:
        self.script = script
        self.requests = []
        self.sampling = None

    @property
    def version(self) -> int:
        return 0

    def update_weights(self, version: int) -> None:
        raise AssertionError("an evaluation changes no weights")

    def generate(self, requests, sampling):
        self.requests, self.sampling = list(requests), sampling
        for index in reversed(range(len(self.requests))):
            request = self.requests[index]
            completions = []
            for member, seed in enumerate(request.seeds):
                said = self.script(request.prompt.problem, member, seed)
                text, finish = said if isinstance(said, tuple) else (said, Finish.STOP)
                ids = tuple(range(len(text)))
                completions.append(
                    Completion(ids, (True,) * len(ids), (0.0,) * len(ids), text, finish, ((0, len(ids)),))
                )
            yield index, RolloutGroup(request.prompt, tuple(completions))


@pytest.fixture
def scripted_engine() -> type[ScriptedEngine]:
    return ScriptedEngine
