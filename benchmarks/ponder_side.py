"""One step of ponder: the same calls, in the same order, as `ponder.training.rl.train_rl` makes.

Left out are what TRL is timed without, too: records, evaluation and checkpoints.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from benchmarks.shapes import SEED, Spec

from ponder.config import (
    AdvantageConfig,
    AlgorithmConfig,
    KLConfig,
    OptimizerConfig,
    RewardConfig,
    RLStage,
    SamplingConfig,
    SurrogateConfig,
)
from ponder.models.folder import load_policy
from ponder.models.tokenizer import load_tokenizer
from ponder.models.transformer import Transformer
from ponder.rewards import RewardWorkers, ScoringSpec
from ponder.rollout.engine import LocalEngine
from ponder.rollout.lanes import LanedEngine
from ponder.seeding import derive_seed
from ponder.training.rollouts import score_as_generated
from ponder.training.schedule import conditions_of, sampling_of
from ponder.training.updates import Updater
from ponder.types import Completion, Finish, Problem, Prompt, RolloutGroup, RolloutRequest

REWARD = f"{Path(__file__).resolve().parent / 'free_reward.py'}:free_reward"


def algorithm(aggregate: str = "token") -> AlgorithmConfig:
    """TRL's GRPO in its default setting, with beta 0: token mean over the batch, sample deviation."""
    return AlgorithmConfig.model_validate(
        {
            "preset": "grpo",
            "advantage": AdvantageConfig(estimator="group", scale="group", std="sample", eps=1e-4),
            "surrogate": SurrogateConfig(ratio="token", kind="clip", clip_low=0.2, clip_high=0.2),
            "kl": KLConfig(kind="none", coef=0.0),
            "aggregate": aggregate,
            "optimizer": OptimizerConfig(
                lr=1e-6, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, clip_norm=1.0
            ),
            "old_logprobs": "recompute",
            "truncated": "keep",
            "zero_variance": "keep",
        }
    )


class PonderSide:
    """Policy, engine, reward worker and updater, ready for step 0."""

    def __init__(self, spec: Spec) -> None:
        self._spec, self._shape = spec, spec.shape
        self._policy = load_policy(spec.folder, device=spec.device, dtype=getattr(torch, spec.dtype))
        assert isinstance(self._policy, Transformer)
        self._policy.eval()
        self._tokenizer = load_tokenizer(spec.folder)
        self._lengths: tuple[int, ...] = ()
        lanes = spec.settings["lanes"]
        self._engine = (partial(LanedEngine, lanes=lanes) if lanes > 1 else LocalEngine)(
            self._policy,
            self._tokenizer,
            num_slots=spec.settings["num_slots"],
            length_limits=lambda request, member: self._lengths[request * self._shape.group_size + member],
            stop_at_eos=False,
        )
        self._stage = RLStage(
            name="benchmark",
            num_iterations=spec.num_steps,
            problems_per_iteration=self._shape.num_prompts,
            group_size=self._shape.group_size,
            algorithm=algorithm(),
            sampling=SamplingConfig(max_new_tokens=self._shape.max_tokens),
        )
        self._updater = Updater(
            self._policy,
            self._stage,
            (SEED, "benchmark"),
            torch.device(spec.device),
            spec.settings["micro_batch_tokens"],
        )
        self._scorer = RewardWorkers(ScoringSpec((RewardConfig(name=REWARD),)), num_workers=1)
        if isinstance(self._engine, LanedEngine):
            self._engine.wait_until_ready()
        # The worker's start belongs to loading, as TRL's reward function has no process of its own.
        self._scorer.score([self._one_token_group()])

    def step(self, number: int) -> dict[str, Any]:
        """One iteration of one optimizer step. Returns seconds and what was trained on."""
        start = time.perf_counter()
        self._lengths = self._shape.lengths(number)
        now = conditions_of(self._stage, number)
        generated = self._engine.generate(self._requests(number), sampling_of(self._stage, now, ()))
        scored = score_as_generated(generated, self._scorer, now.step)
        middle = time.perf_counter()
        chosen = self._updater.build_samples(scored, now)
        report = self._updater.update(chosen.samples, now)
        self._updater.finish_iteration(now, report)
        self._engine.update_weights(number + 1)
        self._settle()
        end = time.perf_counter()
        return {
            "seconds": end - start,
            "rollout_s": middle - start,
            "update_s": end - middle,
            "lengths": sorted(len(sample.token_ids) for sample in chosen.samples),
            "advantages": sorted(round(value, 4) for value in report.advantages),
        }

    def rollout(self, number: int) -> dict[str, Any]:
        """The completions of one step alone."""
        start = time.perf_counter()
        self._lengths = self._shape.lengths(number)
        now = conditions_of(self._stage, 0)
        groups = list(self._engine.generate(self._requests(number), sampling_of(self._stage, now, ())))
        self._settle()
        seconds = time.perf_counter() - start
        lengths = sorted(len(c.token_ids) for _, group in groups for c in group.completions)
        return {"seconds": seconds, "lengths": lengths}

    def describe(self) -> dict[str, Any]:
        return {"engine": type(self._engine).__name__}

    def close(self) -> None:
        if isinstance(self._engine, LanedEngine):
            self._engine.close()
        self._scorer.close()

    def _requests(self, number: int) -> list[RolloutRequest]:
        requests = []
        for index, text in enumerate(self._shape.prompts(number)):
            problem = _problem(f"{number}-{index}", text)
            prompt = Prompt(problem, tuple(self._tokenizer.encode(text)))
            members = range(self._shape.group_size)
            seeds = tuple(derive_seed(SEED, "benchmark", number, problem.id, member) for member in members)
            requests.append(RolloutRequest(prompt, seeds))
        return requests

    def _one_token_group(self) -> RolloutGroup:
        completion = Completion((0,), (True,), (0.0,), "", Finish.STOP, ((0, 1),))
        return RolloutGroup(Prompt(_problem("first", "w3"), (3,)), (completion, completion))

    def _settle(self) -> None:
        if self._spec.device == "cuda":
            torch.cuda.synchronize()


def _problem(name: str, text: str) -> Problem:
    return Problem(name, "benchmark", ({"role": "user", "content": text},), "exact", "w3")
