"""The check before any timing: on one shared batch TRL and ponder must have the same loss and gradient.

Prompts and completions of unequal lengths; advantages and old log-probabilities drawn so that ratios
are clipped on both sides. Both compute in float32 on the CPU from the same folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from benchmarks.ponder_side import algorithm
from benchmarks.settings import TRL
from benchmarks.shapes import NUM_SPECIAL, SEED, Shape, Spec
from benchmarks.trl_side import load_model, load_tokenizer, make_trainer, plain_options
from datasets import Dataset
from torch import Tensor
from trl import GRPOConfig

from ponder.algorithms import build_batch, pack, policy_loss, step_totals
from ponder.models.folder import load_policy
from ponder.training.forward import run_policy
from ponder.types import TrainingSample

LOSS_TYPES = {"dapo": "token", "grpo": "completion", "dr_grpo": "constant"}
"""TRL's name -> ours."""

TEMPERATURES = (1.0, 0.7)
MIN_COSINE = 0.999
MAX_LOSS_ERROR = 1e-4
"""Relative to TRL's loss."""

_GROUPS, _MEMBERS, _LONGEST = 3, 4, 40


def compare_losses(folder: Path) -> dict[str, Any]:
    """One row per loss and temperature. Raises AssertionError when a loss or a gradient differs."""
    rows = []
    for temperature in TEMPERATURES:
        samples = _samples(folder, temperature)
        for loss_type, aggregate in LOSS_TYPES.items():
            trl_loss, trl_gradient = _trl(folder, samples, loss_type, temperature)
            for micro_batch_tokens in (100_000, 150):
                own_loss, own_gradient = _own(folder, samples, aggregate, temperature, micro_batch_tokens)
                row = {
                    "loss_type": loss_type,
                    "temperature": temperature,
                    "micro_batches": len(pack(samples, micro_batch_tokens)),
                    "trl_loss": trl_loss,
                    "ponder_loss": own_loss,
                    **_difference(trl_gradient, own_gradient),
                }
                rows.append(row)
                assert abs(own_loss - trl_loss) <= MAX_LOSS_ERROR * abs(trl_loss), row
                assert row["gradient_cosine"] >= MIN_COSINE, row
                assert row["gradient_norm_ratio_error"] <= 1e-3, row
    return {"rows": rows, "tokens": sum(len(sample.token_ids) for sample in samples)}


def _samples(folder: Path, temperature: float) -> list[TrainingSample]:
    """Random tokens; old log-probabilities are the network's own, moved by up to half a nat."""
    generator = torch.Generator().manual_seed(SEED)

    def ids(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(NUM_SPECIAL, 4096, (count,), generator=generator).tolist())

    samples = []
    for group in range(_GROUPS):
        prompt = ids(5 + 7 * group)
        for _ in range(_MEMBERS):
            length = int(torch.randint(3, _LONGEST + 1, (1,), generator=generator))
            advantage = float(torch.randn((), generator=generator))
            samples.append(
                TrainingSample(
                    prompt, ids(length), (True,) * length, (0.0,) * length, (advantage,) * length, group
                )
            )
    policy: Any = load_policy(folder)
    with torch.no_grad():
        now_M = run_policy(policy, build_batch(samples), temperature).logprobs_M
    old_M = now_M + torch.rand(now_M.shape, generator=generator) - 0.5
    parts = torch.split(old_M, [len(sample.token_ids) for sample in samples])
    return [
        TrainingSample(s.prompt_ids, s.token_ids, s.loss_mask, tuple(old.tolist()), s.advantages_T, s.group)
        for s, old in zip(samples, parts, strict=True)
    ]


def _own(
    folder: Path, samples: list[TrainingSample], aggregate: str, temperature: float, micro_batch_tokens: int
) -> tuple[float, dict[str, Tensor]]:
    policy: Any = load_policy(folder)
    policy.train()
    totals, total = step_totals(samples, _LONGEST), 0.0
    for part in pack(samples, micro_batch_tokens):
        batch = build_batch(part)
        passed = run_policy(policy, batch, temperature)
        loss, _ = policy_loss(passed.logprobs_M, batch, algorithm(aggregate), totals)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total, {name: p.grad for name, p in policy.named_parameters()}


def _trl(
    folder: Path, samples: list[TrainingSample], loss_type: str, temperature: float
) -> tuple[float, dict[str, Tensor]]:
    shape = Shape("equality", "", _GROUPS, _MEMBERS, 0, 0, 0, 0.0)
    model = load_model(Spec(folder, shape, 1, "cpu", "float32", TRL), TRL)
    model.train()
    tokenizer = load_tokenizer(folder)
    with tempfile.TemporaryDirectory() as output:
        options = {**plain_options(Path(output), "cpu", "float32"), "temperature": temperature}
        options |= {"loss_type": loss_type, "max_completion_length": _LONGEST}
        config = GRPOConfig(**options, per_device_train_batch_size=len(samples), num_generations=_MEMBERS)
        trainer = make_trainer(model, tokenizer, config, Dataset.from_dict({"prompt": ["w3"] * _GROUPS}))
        trainer.current_gradient_accumulation_steps = 1
        loss = trainer._compute_loss(trainer.model, _trl_inputs(samples, tokenizer.pad_token_id))
        loss.backward()
    return float(loss.detach()), {name: p.grad for name, p in model.named_parameters()}


def _trl_inputs(samples: list[TrainingSample], pad_id: int) -> dict[str, Tensor]:
    """The batch as GRPOTrainer lays it out: prompts padded on the left, completions on the right."""
    width = max(len(sample.prompt_ids) for sample in samples)
    length = max(len(sample.token_ids) for sample in samples)
    shape = (len(samples), length)
    inputs = {
        "prompt_ids": torch.full((len(samples), width), pad_id),
        "prompt_mask": torch.zeros(len(samples), width, dtype=torch.int64),
        "completion_ids": torch.full(shape, pad_id),
        "completion_mask": torch.zeros(shape, dtype=torch.int64),
        "old_per_token_logps": torch.zeros(shape),
        "advantages": torch.tensor([sample.advantages_T[0] for sample in samples]),
        "num_items_in_batch": torch.tensor(sum(len(sample.token_ids) for sample in samples)),
    }
    for row, sample in enumerate(samples):
        start, count = width - len(sample.prompt_ids), len(sample.token_ids)
        inputs["prompt_ids"][row, start:] = torch.tensor(sample.prompt_ids)
        inputs["prompt_mask"][row, start:] = 1
        inputs["completion_ids"][row, :count] = torch.tensor(sample.token_ids)
        inputs["completion_mask"][row, :count] = 1
        inputs["old_per_token_logps"][row, :count] = torch.tensor(sample.sampler_logprobs)
    return inputs


def _difference(theirs: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Any]:
    """Of the whole gradients, and the worst cosine of a single tensor."""
    assert theirs.keys() == own.keys(), sorted(theirs.keys() ^ own.keys())
    cosines = {name: _cosine(theirs[name], own[name]) for name in theirs}
    whole_theirs = torch.cat([theirs[name].reshape(-1) for name in theirs]).double()
    whole_own = torch.cat([own[name].reshape(-1) for name in theirs]).double()
    worst = min(cosines, key=lambda name: cosines[name])
    return {
        "gradient_cosine": _cosine(whole_theirs, whole_own),
        "gradient_norm_ratio_error": abs(float(whole_own.norm() / whole_theirs.norm()) - 1),
        "worst_tensor": worst,
        "worst_tensor_cosine": cosines[worst],
    }


def _cosine(left: Tensor, right: Tensor) -> float:
    left, right = left.reshape(-1).double(), right.reshape(-1).double()
    return float(left @ right / (left.norm() * right.norm()))
