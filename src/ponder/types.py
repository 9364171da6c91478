"""The words everybody in ponder uses: plain frozen values, no tensors, no I/O.

One value for each arrow of the flow::

    Problem -render-> Prompt -rollout-> RolloutGroup -score-> ScoredGroup
            -build_samples-> TrainingSample -pack-> Batch -step-> Policy -save-> Artifact

State is in the type: a `ScoredGroup` always has rewards, a `RolloutGroup` never does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

Message = Mapping[str, str]
"""One chat turn: {"role": ..., "content": ...}."""


class Finish(StrEnum):
    """Why a completion ended."""

    STOP = "stop"
    """A stop token or stop string was sampled; it is part of the completion."""
    LENGTH = "length"
    """The cap on new tokens was reached first."""
    ABORT = "abort"
    """The engine gave the row up (shutdown, lost worker); never trained on."""


class Verdict(StrEnum):
    """What a grader says of one completion."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNGRADABLE = "ungradable"
    """Our own failure. Left out of the group's statistics and counted; never a zero."""


class ArtifactKind(StrEnum):
    CHECKPOINT = "checkpoint"
    DATASET = "dataset"
    ROLLOUTS = "rollouts"
    SCORES = "scores"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is asked, and how an answer to it is verified."""

    id: str
    """Unique within a run; seeds are derived from it."""
    task: str
    """Name of the task (family, data set) it comes from."""
    messages: tuple[Message, ...]
    """Chat turns; the last one is the question."""
    grader: str
    """Key of `ponder.grading.GRADERS`."""
    reference: str
    """What the grader compares with, in the grader's own notation."""
    language: str = "en"
    """Language of the question, as ISO 639-1 ("en", "zh")."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Further columns of the row, handed to reward functions by name."""

    @property
    def text(self) -> str:
        """The question: the content of the last message."""
        return self.messages[-1]["content"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the policy sees, exactly."""

    problem: Problem
    token_ids: tuple[int, ...]
    prefill: str = ""
    """Text at the end of the prompt that belongs to the reply (for example "<think>");
    the parser is given it, so that a prefilled tag counts as written."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How completions are drawn. The defaults sample from the model's own distribution."""

    max_new_tokens: int
    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0 is off."""
    min_p: float = 0.0
    stop_token_ids: tuple[int, ...] = ()
    stop_strings: tuple[str, ...] = ()

    @property
    def full_support(self) -> bool:
        """Whether every token can be drawn, as training requires."""
        return self.top_p >= 1.0 and self.top_k == 0 and self.min_p == 0.0 and self.temperature > 0


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """One prompt and a seed for each completion wanted of it."""

    prompt: Prompt
    seeds: tuple[int, ...]
    """One 63-bit seed per member; a member's tokens depend on its seed and the weights alone."""


@dataclass(frozen=True, slots=True)
class Completion:
    """Sampled tokens of one member of a group."""

    token_ids: tuple[int, ...]
    """Includes the stop token."""
    loss_mask: tuple[bool, ...]
    """False where a token was forced, not sampled; as long as token_ids."""
    sampler_logprobs: tuple[float, ...]
    """Log-probability of each token under the tempered distribution it was drawn from; float32."""
    text: str
    """The tokens decoded, special tokens kept, without the end-of-sequence token."""
    finish: Finish
    versions: tuple[tuple[int, int], ...]
    """(policy version, number of tokens) of each segment, in order."""


@dataclass(frozen=True, slots=True)
class RolloutGroup:
    """The completions of one prompt."""

    prompt: Prompt
    completions: tuple[Completion, ...]


@dataclass(frozen=True, slots=True)
class Grade:
    """A verdict on one completion."""

    verdict: Verdict
    credit: float
    """In [0, 1]; 1 for CORRECT unless the grader gives partial credit."""
    extracted: str
    """The answer that was found, "" if none was."""
    reason: str
    """One short line: why."""
    feedback: str = ""
    """What the grader has to say besides, for the transcript: of code the end of its standard error."""


@dataclass(frozen=True, slots=True)
class Reward:
    """The training scalar of one completion."""

    total: float | None
    """Weighted sum of the parts; None when a part could not be had (our own failure)."""
    parts: Mapping[str, float | None]
    """Raw and unweighted, by reward name."""
    reason: str = ""
    """Why there is no total; "" when there is one, or when no reward applies."""


@dataclass(frozen=True, slots=True)
class ScoredGroup:
    """A group with its verdicts and rewards; the only input of advantages."""

    group: RolloutGroup
    grades: tuple[Grade, ...]
    rewards: tuple[Reward, ...]
    extra: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Further columns that reward functions logged, by name, one plain value per completion."""


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """One completion ready to be packed; its prompt is stored once per group."""

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    loss_mask: tuple[bool, ...]
    sampler_logprobs: tuple[float, ...]
    advantages_T: tuple[float, ...]
    """One advantage per completion token."""
    group: int
    """Samples with the same number share the prompt."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of tokens in a packed row."""

    start: int
    length: int
    parent: int = -1
    """Index of the span whose tokens all come before this one's (the shared prompt); -1: none."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Who may attend to whom in a flat row of N tokens.

    A token attends to the earlier tokens of its own span and to every token of the span's parent.
    Parents have no parent. Nothing else is visible: packed rows cannot contaminate each other.
    """

    spans: tuple[Span, ...]

    @property
    def num_tokens(self) -> int:
        return sum(span.length for span in self.spans)


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something a stage left on disk, and what made it."""

    kind: ArtifactKind
    path: Path
    sha256: str
    parents: tuple[str, ...] = ()
    """sha256 of the artifacts and files it was made from."""


class RolloutEngine(Protocol):
    """Token ids in and out. Implementations are listed in `ponder.rollout.ENGINES`."""

    @property
    def version(self) -> int:
        """The policy version the engine samples from."""
        ...

    def generate(
        self, requests: Sequence[RolloutRequest], sampling: SamplingParams
    ) -> Iterator[tuple[int, RolloutGroup]]:
        """Yields (index of the request, its group) as groups finish; every request exactly once."""
        ...

    def update_weights(self, version: int) -> None:
        """Takes the policy's weights as they are now and calls them `version`."""
        ...


class RewardFunction(Protocol):
    """TRL's signature: keyword columns in, one number per completion out; None: could not be had."""

    def __call__(
        self, *, prompts: list[Any], completions: list[Any], **columns: list[Any]
    ) -> list[float | None]: ...
