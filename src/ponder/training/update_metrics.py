"""Measures of the updates of one iteration, added up over micro-batches and steps."""

from __future__ import annotations

from ponder.algorithms import LossMetrics, Mismatch, ValueMetrics
from ponder.training.optimizer import StepReport


class StepMetrics:
    """What the micro-batches of one optimizer step measured."""

    def __init__(self) -> None:
        self.policy: LossMetrics | None = None
        self.values: ValueMetrics | None = None
        self.mismatch: Mismatch | None = None
        self.report: StepReport | None = None

    def add(self, other: StepMetrics) -> None:
        """Adds what another micro-batch measured."""
        if other.policy is not None:
            self.add_policy(other.policy)
        if other.values is not None:
            self.add_values(other.values)
        if other.mismatch is not None:
            self.add_mismatch(other.mismatch)

    def add_policy(self, part: LossMetrics) -> None:
        self.policy = part if self.policy is None else self.policy + part

    def add_values(self, part: ValueMetrics) -> None:
        self.values = part if self.values is None else self.values + part

    def add_mismatch(self, part: Mismatch) -> None:
        self.mismatch = part if self.mismatch is None else self.mismatch + part

    def add_optimizer(self, report: StepReport) -> None:
        self.report = report

    def loss(self) -> float:
        """The step's whole loss; 0 before any micro-batch."""
        total = 0.0 if self.policy is None else self.policy.to_metrics()["loss/total/sum"]
        return total + (0.0 if self.values is None else self.values.to_metrics()["loss/value/sum"])


class UpdateMetrics:
    """What the steps of one iteration measured."""

    def __init__(self) -> None:
        self._steps: list[StepMetrics] = []
        self._mismatch: Mismatch | None = None

    def add_step(self, step: StepMetrics) -> None:
        self._steps.append(step)
        if step.mismatch is not None:
            self.add_mismatch(step.mismatch)

    def add_mismatch(self, part: Mismatch) -> None:
        self._mismatch = part if self._mismatch is None else self._mismatch + part

    def to_metrics(self) -> dict[str, float]:
        """One flat row. Token means are over all tokens of all steps, losses are means over steps."""
        metrics: dict[str, float] = {"update/steps/count": float(len(self._steps))}
        if self._mismatch is not None:
            metrics |= self._mismatch.to_metrics()
        policy: LossMetrics | None = None
        values: ValueMetrics | None = None
        for step in self._steps:
            if step.policy is not None:
                policy = step.policy if policy is None else policy + step.policy
            if step.values is not None:
                values = step.values if values is None else values + step.values
        for part in (policy, values):
            if part is not None:
                metrics |= self._per_step(part.to_metrics())
        if "clip/low/frac" in metrics:
            metrics["clip/region/frac"] = (
                metrics["clip/low/frac"] + metrics["clip/high/frac"] + metrics["clip/max/frac"]
            )
        reports = [step.report for step in self._steps if step.report is not None]
        if reports:
            norms = [report.grad_norm for report in reports]
            metrics["gradient/norm/mean"] = sum(norms) / len(norms)
            metrics["gradient/norm/max"] = max(norms)
            metrics["optimizer/lr/last"] = reports[-1].lr
        return metrics

    def _per_step(self, sums: dict[str, float]) -> dict[str, float]:
        """Losses, which add up to a step's loss, as means over the steps; the rest as it is."""
        return {
            key.removesuffix("/sum") + "/mean" if key.endswith("/sum") else key: (
                value / len(self._steps) if key.endswith("/sum") else value
            )
            for key, value in sums.items()
        }
