"""Next-token training of a new model: the loop that makes the shipped bases.

    next documents -> packed row -> mean negative log-likelihood of every next token -> optimizer step

The unit of replay is one optimizer step: what a checkpoint holds after step i gives step i + 1.

Legend: N tokens of a packed row, M predicted tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ponder.algorithms.logprobs import token_logprobs
from ponder.config import PretrainStage
from ponder.errors import DivergenceError
from ponder.models.policy import Policy
from ponder.storage.checkpoints import latest_checkpoint, retain_checkpoints, save_checkpoint
from ponder.storage.records import MetricsWriter
from ponder.training.limits import Limits
from ponder.training.live import LiveLine
from ponder.training.optimizer import Optimizer
from ponder.training.stopwatch import Stopwatch
from ponder.types import Packing, Span

REPORTED_EVERY = 20
"""Steps per line of metrics and of the live line."""

Document = Sequence[int]
"""Token ids of one document, its end-of-sequence token included."""


@dataclass(frozen=True, slots=True)
class PretrainJob:
    """Everything the loop is handed."""

    stage: PretrainStage
    folder: Path
    policy: Policy
    shard: Callable[[int], list[Document]]
    """Number -> documents; shards are read in order and each gives the same documents every time."""
    write_model: Callable[[Path], None]
    load_weights: Callable[[Path], None]
    limits: Limits
    device: torch.device
    micro_batch_tokens: int
    live: bool = True


@dataclass(frozen=True, slots=True)
class PretrainProgress:
    """How far it has come."""

    step: int = 0
    shard: int = 0
    position: int = 0
    """Documents of the shard already used."""
    tokens: int = 0
    losses: tuple[float, ...] = ()
    """Of the steps since the last line of metrics."""


def num_steps(stage: PretrainStage) -> int:
    """Optimizer steps of the whole stage."""
    return max(1, -(-stage.num_tokens // stage.tokens_per_step))


def pretrain(job: PretrainJob) -> PretrainProgress:
    """Trains from where the last checkpoint stands to the stage's end, or to a limit.

    Raises DivergenceError, naming the step, when the loss is not finite; Interrupted after a signal,
    with a checkpoint on disk.
    """
    optimizer = Optimizer(job.policy.named_parameters(), job.stage.optimizer)
    done = _resume(job, optimizer)
    total, every = num_steps(job.stage), job.stage.checkpoints.every
    metrics = MetricsWriter(job.folder, _line(done.step, total), contiguous=False)
    watch = Stopwatch()
    with LiveLine(job.stage.name, total, done.step, shown=job.live) as live:
        while done.step < total and not job.limits.reached() and not job.limits.signalled:
            with watch.measure("step_s"):
                documents, done = next_documents(job, done)
                loss = _accumulate(job, documents, done.step)
                report = optimizer.step(done.step - 1, total)
            done = replace(done, losses=(*done.losses, loss))
            job.limits.count_steps(1)
            if done.step % REPORTED_EVERY == 0 or done.step == total:
                mean = sum(done.losses) / len(done.losses)
                values = {
                    "loss/token/mean": mean,
                    "gradient/norm/last": report.grad_norm,
                    "optimizer/lr/last": report.lr,
                    "tokens/trained/total": done.tokens,
                }
                metrics.write(_line(done.step, total), values, watch.seconds())
                live.update(done.step, {"loss": f"{mean:.4f}", "tokens": f"{done.tokens / 1e6:.1f}M"})
                done = replace(done, losses=())
            if done.step % every == 0 or done.step == total:
                _save(job, done, optimizer)
    if done.step % every and done.step < total:
        _save(job, done, optimizer)
    job.limits.check_signal()
    return done


def _line(step: int, total: int) -> int:
    """Number of the line of metrics that ends with this step, or that ended last before it.

    The stage's last step ends a line of its own, however few steps it holds.
    """
    return -(-step // REPORTED_EVERY) if step == total else step // REPORTED_EVERY


def next_documents(job: PretrainJob, done: PretrainProgress) -> tuple[list[Document], PretrainProgress]:
    """The documents of the next step and the progress after it: at least `tokens_per_step` tokens."""
    shard, position, picked, size = done.shard, done.position, list[Document](), 0
    documents = job.shard(shard)
    while size < job.stage.tokens_per_step:
        if position == len(documents):
            shard, position = shard + 1, 0
            documents = job.shard(shard)
        picked.append(documents[position])
        size += len(documents[position])
        position += 1
    return picked, PretrainProgress(done.step + 1, shard, position, done.tokens + size, done.losses)


def _accumulate(job: PretrainJob, documents: Sequence[Document], step: int) -> float:
    """Adds the gradient of the mean loss over all documents of the step; returns that loss."""
    count = sum(len(document) - 1 for document in documents)
    total = 0.0
    for part in _micro_batches(documents, job.micro_batch_tokens):
        token_ids_N, positions_N, packing, predictors_M = flatten(part, job.device)
        hidden_ND = job.policy.hidden(token_ids_N, positions_N, packing)
        head = job.policy.head_weight
        logprobs_M, _ = token_logprobs(
            hidden_ND[predictors_M],
            job.policy.logits if head is None else head,
            token_ids_N[predictors_M + 1],
            1.0,
        )
        loss = -logprobs_M.sum() / count
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    if not total < float("inf"):
        raise DivergenceError(f"The loss of step {step} is {total}. Lower optimizer.lr.")
    return total


def flatten(documents: Sequence[Document], device: torch.device) -> tuple[Tensor, Tensor, Packing, Tensor]:
    """Documents end to end: token ids_N, positions_N, who sees whom, and the M predicting tokens."""
    spans, positions, predictors, start = [], [], [], 0
    for document in documents:
        spans.append(Span(start, len(document)))
        positions.append(torch.arange(len(document)))
        predictors.append(torch.arange(start, start + len(document) - 1))
        start += len(document)
    flat = torch.tensor([token for document in documents for token in document])
    return (
        flat.to(device),
        torch.cat(positions).to(device),
        Packing(tuple(spans)),
        torch.cat(predictors).to(device),
    )


def _micro_batches(documents: Sequence[Document], tokens: int) -> Iterator[list[Document]]:
    """The documents in runs of at most `tokens` (one document may be longer)."""
    part: list[Document] = []
    size = 0
    for document in documents:
        if part and size + len(document) > tokens:
            yield part
            part, size = [], 0
        part.append(document)
        size += len(document)
    yield part


def _resume(job: PretrainJob, optimizer: Optimizer) -> PretrainProgress:
    checkpoint = latest_checkpoint(job.folder / "checkpoints")
    if checkpoint is None:
        return PretrainProgress()
    # A kill between a save and what follows it leaves one checkpoint too many.
    retain_checkpoints(
        job.folder / "checkpoints", keep=job.stage.checkpoints.keep, every=job.stage.checkpoints.every
    )
    state = checkpoint.trainer_state()
    job.load_weights(checkpoint.path)
    optimizer.load_state_dict(state["optimizer"])
    progress = state["progress"]
    return PretrainProgress(**{**progress, "losses": tuple(progress["losses"])})


def _save(job: PretrainJob, done: PretrainProgress, optimizer: Optimizer) -> None:
    folder, config = job.folder / "checkpoints", job.stage.checkpoints
    progress = {
        "step": done.step,
        "shard": done.shard,
        "position": done.position,
        "tokens": done.tokens,
        "losses": list(done.losses),
    }
    state = {"progress": progress, "optimizer": optimizer.state_dict()}
    save_checkpoint(folder, done.step, job.write_model, state)
    retain_checkpoints(folder, keep=config.keep, every=config.every)
