"""From scored groups to a better policy: samples, minibatches, micro-batches, optimizer steps.

Everything a checkpoint must hold of the trainer besides the policy's weights lives here: the
optimizer, the reference policy and the value head.

Legend: M completion tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ponder.algorithms import (
    Batch,
    Mismatch,
    SampleSet,
    StepTotals,
    build_batch,
    build_samples,
    completion_kl,
    gae_batch,
    mismatch,
    needs_reference,
    old_logprobs_source,
    pack,
    policy_loss,
    reference_refresh_due,
    resolve_algorithm,
    split_groups,
    value_loss,
    whiten,
)
from ponder.config import RLStage, value_at
from ponder.errors import DivergenceError
from ponder.models.policy import Policy
from ponder.models.value_head import ValueHead
from ponder.seeding import derive_rng, derive_seed
from ponder.training.forward import run_policy
from ponder.training.minibatches import (
    Minibatch,
    make_minibatch,
    mean_advantages,
    members_with_samples,
)
from ponder.training.optimizer import Optimizer
from ponder.training.reference import Reference
from ponder.training.side_by_side import SideBySide, add_to_grad, choose_workers
from ponder.training.update_metrics import StepMetrics, UpdateMetrics
from ponder.types import ScoredGroup, TrainingSample


@dataclass(frozen=True, slots=True)
class Conditions:
    """The values in force during one iteration, read from the schedules at its first step."""

    iteration: int
    step: int
    """The iteration's first optimizer step, from 0."""
    num_steps: int
    """Optimizer steps of the whole stage."""
    temperature: float
    length_cap: int


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """What the updates of one iteration did."""

    metrics: dict[str, float]
    steps_of_group: Mapping[int, tuple[int, ...]]
    """Group number -> the optimizer steps it was trained in."""
    advantages: tuple[float, ...]
    """Mean over its tokens in the loss, per sample, in the order of the samples."""
    num_steps: int
    """Optimizer steps taken."""


class Updater:
    """Owns the policy during training, its optimizer, its reference and its value head."""

    def __init__(
        self,
        policy: Policy,
        stage: RLStage,
        seed_parts: tuple[int | str, ...],
        device: torch.device,
        micro_batch_tokens: int,
        workers: int | None = None,
    ):
        """`workers`: micro-batches computed side by side; None: as `choose_workers` finds best."""
        self.policy = policy
        self._stage = stage
        # A stage made in Python holds the keys its author set; the preset gives the others.
        self._config = resolve_algorithm(stage.algorithm)
        self._seed_parts = seed_parts
        self._device = device
        self._side_by_side = SideBySide(choose_workers(policy, device) if workers is None else workers)
        self._packing = (micro_batch_tokens, self._side_by_side.workers)
        self._reference = Reference(policy) if needs_reference(self._config) else None
        self._uses_values = self._config.advantage.estimator == "gae"
        self._values = ValueHead(policy.config.hidden_size).to(device) if self._uses_values else None
        self._optimizer = Optimizer(self._trained(), self._config.optimizer)
        self._parameters = [parameter for _, parameter in self._trained() if parameter.requires_grad]

    def _trained(self) -> Iterable[tuple[str, nn.Parameter]]:
        yield from self.policy.named_parameters()
        if self._values is not None:
            yield from self._values.named_parameters("value_head")

    # --- samples ----------------------------------------------------------------------------------

    def build_samples(self, groups: Sequence[ScoredGroup], now: Conditions) -> SampleSet:
        """The samples of the iteration with their advantages, numbered by their place in `groups`.

        Where KL is part of the reward and there is no value head, each completion's rewards are
        lowered by coef x KL(policy, reference) first.
        """
        kl = self._config.kl
        if kl.place != "reward" or self._reference is None or self._uses_values:
            return build_samples(groups, self._config, now.length_cap)
        everything = self._config.model_copy(update={"zero_variance": "keep", "truncated": "keep"})
        plain = build_samples(groups, everything, now.length_cap).samples
        coef = value_at(kl.coef, now.step)
        penalty_of: dict[int, float] = {}
        for part in pack(plain, *self._packing):
            batch = self._with_reference(self._with_old(build_batch(part, self._device), now), now)
            for sample, value in zip(part, completion_kl(batch, kl.kind).tolist(), strict=True):
                penalty_of[id(sample)] = coef * value
        queue = iter(plain)
        penalties = [
            [
                penalty_of[id(next(queue))] if index in members_with_samples(group) else 0.0
                for index in range(len(group.rewards))
            ]
            for group in groups
        ]
        return build_samples(groups, self._config, now.length_cap, penalties=penalties)

    # --- updates ----------------------------------------------------------------------------------

    def update(self, samples: Sequence[TrainingSample], now: Conditions) -> UpdateReport:
        """Makes the iteration's optimizer steps: minibatches x reuse, fewer when groups are few.

        Raises DivergenceError, naming the step, when loss or gradient is not finite; that step is not
        applied.
        """
        metrics = UpdateMetrics()
        if not samples:
            return UpdateReport(metrics.to_metrics(), {}, (), 0)
        rng = derive_rng(*self._seed_parts, now.iteration, "minibatches")
        source = old_logprobs_source(self._config, self._stage.minibatches * self._stage.reuse)
        minibatches = [
            make_minibatch(part, self._config, now.length_cap, self._packing, self._device)
            for part in split_groups(samples, self._stage.minibatches, rng)
        ]
        if source == "recompute" or self._uses_values:
            for minibatch in minibatches:
                passed = self._side_by_side.map(partial(self._rolled_out, now=now), minibatch.batches)
                minibatch.batches = []
                for batch, measured in passed:
                    minibatch.batches.append(batch)
                    metrics.add_mismatch(measured)
        if self._uses_values:
            self._estimate_advantages(minibatches, now)
        steps_of_group: dict[int, tuple[int, ...]] = {}
        step = now.step
        for _ in range(self._stage.reuse):
            for minibatch in minibatches:
                metrics.add_step(self._step(minibatch, step, now, source == "now" and not self._uses_values))
                for group in minibatch.groups:
                    steps_of_group[group] = (*steps_of_group.get(group, ()), step)
                step += 1
                self._refresh_reference(step)
        advantages = mean_advantages(samples, minibatches)
        return UpdateReport(metrics.to_metrics(), steps_of_group, advantages, step - now.step)

    def finish_iteration(self, now: Conditions, report: UpdateReport) -> None:
        """Refreshes the reference if the schedule of steps passed a refresh that no step made.

        An iteration with few groups takes fewer steps than planned; schedules go by the plan.
        """
        planned = now.step + self._stage.minibatches * self._stage.reuse
        if self._reference is not None and reference_refresh_due(
            now.step + report.num_steps, planned, self._config.kl.refresh_steps
        ):
            self._reference.refresh(self.policy)

    @torch.no_grad()
    def _rolled_out(self, batch: Batch, now: Conditions) -> tuple[Batch, Mismatch]:
        """The batch with old log-probs (and values) under the weights that sampled it."""
        passed = run_policy(self.policy, batch, now.temperature)
        measured = mismatch(passed.logprobs_M, batch.sampler_logprobs_M, self._sampled(batch))
        if self._values is not None:
            batch = batch.replace(old_values_M=self._values(passed.hidden_MD))
        return batch.replace(old_logprobs_M=passed.logprobs_M), measured

    def _estimate_advantages(self, minibatches: Sequence[Minibatch], now: Conditions) -> None:
        """Generalised advantages from the value head; normalised over the whole iteration if asked for."""
        for minibatch in minibatches:
            if self._config.kl.place == "reward" and self._reference is not None:
                minibatch.batches = self._all_with_reference(minibatch.batches, now)
            minibatch.batches = [
                gae_batch(batch, batch.old_values_M, self._config, now.step) for batch in minibatch.batches
            ]
        flat = iter(whiten([batch for each in minibatches for batch in each.batches], self._config))
        for minibatch in minibatches:
            minibatch.batches = [next(flat) for _ in minibatch.batches]

    def _step(self, minibatch: Minibatch, step: int, now: Conditions, on_policy: bool) -> StepMetrics:
        """One optimizer step: the gradient of every micro-batch, then the move."""
        self._take_reference(minibatch, now)
        collected = StepMetrics()
        self.policy.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(*self._seed_parts, "dropout", step))
            for part, gradient in self._gradients(minibatch, step, now, on_policy):
                collected.add(part)
                add_to_grad(self._parameters, gradient)
        self.policy.eval()
        total = collected.loss()
        if not math.isfinite(total):
            self._optimizer.discard()
            raise DivergenceError(
                f"The loss of step {step} is {total}; the step was not applied. Lower optimizer.lr, or start "
                "again from an earlier checkpoint."
            )
        collected.add_optimizer(self._optimizer.step(step, now.num_steps))
        return collected

    def _gradients(
        self, minibatch: Minibatch, step: int, now: Conditions, on_policy: bool
    ) -> Iterator[tuple[StepMetrics, Sequence[Tensor | None]]]:
        """What each micro-batch measured and its gradient, which stands in `.grad` already if it is empty."""
        apart = self._side_by_side.applies(len(minibatch.batches))

        def gradient_of(index: int) -> tuple[StepMetrics, Sequence[Tensor | None]]:
            part = StepMetrics()
            with torch.set_grad_enabled(index < minibatch.num_moving):
                loss = self._loss(minibatch.batches[index], minibatch.totals, step, now, on_policy, part)
            if loss.requires_grad and apart:
                return part, torch.autograd.grad(loss, self._parameters, allow_unused=True)
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
            return part, ()

        return self._side_by_side.map(gradient_of, range(len(minibatch.batches)))

    def _loss(
        self,
        batch: Batch,
        totals: StepTotals,
        step: int,
        now: Conditions,
        on_policy: bool,
        collected: StepMetrics,
    ) -> Tensor:
        """The micro-batch's share of the step's loss; what it measures is added to `collected`."""
        passed = run_policy(self.policy, batch, now.temperature)
        loss, part = policy_loss(
            passed.logprobs_M,
            batch,
            self._config,
            totals,
            step=step,
            entropy_M=passed.entropy_M,
            on_policy=on_policy,
        )
        collected.add_policy(part)
        if self._values is not None:
            values_loss, values = value_loss(self._values(passed.hidden_MD), batch, self._config, totals)
            loss = loss + values_loss
            collected.add_values(values)
        elif self._stage.minibatches * self._stage.reuse == 1:
            # The weights are still those that sampled; with more updates it was measured before.
            measured = mismatch(passed.logprobs_M, batch.sampler_logprobs_M, self._sampled(batch))
            collected.add_mismatch(measured)
        return loss

    def _sampled(self, batch: Batch) -> Tensor | None:
        """Tokens that were sampled, not forced; the overlong filter must not hide any."""
        return None if self._config.truncated == "mask" else batch.loss_mask_M

    # --- reference ----------------------------------------------------------------------------------

    def _with_old(self, batch: Batch, now: Conditions) -> Batch:
        with torch.no_grad():
            return batch.replace(old_logprobs_M=run_policy(self.policy, batch, now.temperature).logprobs_M)

    def _with_reference(self, batch: Batch, now: Conditions) -> Batch:
        assert self._reference is not None
        return batch.replace(ref_logprobs_M=self._reference.logprobs(batch, now.temperature))

    def _all_with_reference(self, batches: Sequence[Batch], now: Conditions) -> list[Batch]:
        assert self._reference is not None
        # A policy whose adapter is switched off for the time being can do one thing at a time.
        in_turn = self._reference.is_the_policy
        mapped = map if in_turn else self._side_by_side.map
        return list(mapped(partial(self._with_reference, now=now), batches))

    def _take_reference(self, minibatch: Minibatch, now: Conditions) -> None:
        """Reference log-probs of the version in force; made again only after a refresh."""
        if self._reference is None or minibatch.reference_version == self._reference.version:
            return
        minibatch.batches = self._all_with_reference(minibatch.batches, now)
        minibatch.reference_version = self._reference.version

    def _refresh_reference(self, steps_done: int) -> None:
        if self._reference is not None and reference_refresh_due(
            steps_done - 1, steps_done, self._config.kl.refresh_steps
        ):
            self._reference.refresh(self.policy)

    # --- state --------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What continues the training besides the policy: tensors, numbers and text only.

        A reference that was never refreshed is the model the stage began with and is left out.
        """
        reference = self._reference
        refreshed = reference is not None and reference.version > 0
        return {
            "adapter": self._adapter() if self._stage.lora is not None else None,
            "optimizer": self._optimizer.state_dict(),
            "reference": dict(reference.state_dict()) if reference is not None and refreshed else None,
            "reference_version": reference.version if reference is not None else 0,
            "values": dict(self._values.state_dict()) if self._values is not None else None,
        }

    def _adapter(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self.policy.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes to a state that `state_dict` gave; the policy's weights are put back before."""
        for name, saved in (state["adapter"] or {}).items():
            dict(self.policy.named_parameters())[name].copy_(saved)
        self._optimizer.load_state_dict(state["optimizer"])
        if self._reference is not None and state["reference"] is not None:
            self._reference.restore(state["reference"], state["reference_version"])
        if self._values is not None and state["values"] is not None:
            self._values.load_state_dict(state["values"])
