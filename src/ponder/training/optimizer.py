"""AdamW and Muon: what one optimizer step does to the weights.

The step that is refused is as important as the step that is taken: a gradient that is not a finite
number leaves weights and moments untouched and raises `DivergenceError` with the step's number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ponder.algorithms import learning_rate_at
from ponder.config import OptimizerConfig
from ponder.errors import DivergenceError
from ponder.training.muon import Muon


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one optimizer step did."""

    lr: float
    grad_norm: float
    """L2 norm of the whole gradient, before clipping."""


class Optimizer:
    """AdamW over the parameters that require a gradient, with decay on matrices only.

    With `kind: muon` the matrices inside the layers are moved by Muon and AdamW has the rest.
    """

    def __init__(self, named_parameters: Iterable[tuple[str, nn.Parameter]], config: OptimizerConfig):
        named = [(name, parameter) for name, parameter in named_parameters if parameter.requires_grad]
        self._config = config
        self._parameters = [parameter for _, parameter in named]
        hidden = [p for name, p in named if config.kind == "muon" and p.ndim == 2 and ".layers." in name]
        taken = {id(parameter) for parameter in hidden}
        rest = [parameter for parameter in self._parameters if id(parameter) not in taken]
        groups = [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": config.weight_decay},
            {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        ]
        adamw = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=config.lr,
            betas=config.betas,
            eps=config.eps,
            fused=True,
        )
        self._inner: dict[str, torch.optim.Optimizer] = {"adamw": adamw}
        if hidden:
            self._inner["muon"] = Muon(hidden, config.muon_lr, weight_decay=config.weight_decay)

    def step(self, step: int, num_steps: int) -> StepReport:
        """Clips the accumulated gradient, moves the weights, clears the gradient.

        `step` counts from 0. Raises DivergenceError, with weights and moments untouched, when the
        gradient is not finite.
        """
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())
        grad_norm = float(norm)
        if not math.isfinite(grad_norm):
            self.discard()
            raise DivergenceError(
                f"The gradient of step {step} is not a finite number (norm {grad_norm}); the step was not "
                "applied. Lower optimizer.lr, or start again from an earlier checkpoint."
            )
        if self._config.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self._parameters, self._config.clip_norm, norm)
        lr = learning_rate_at(self._config, step, num_steps)
        for name, inner in self._inner.items():
            for group in inner.param_groups:
                group["lr"] = lr if name == "adamw" else lr / self._config.lr * self._config.muon_lr
            inner.step()
        self.discard()
        return StepReport(lr, grad_norm)

    def discard(self) -> None:
        """Forgets the gradient accumulated so far."""
        for inner in self._inner.values():
            inner.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        return {name: inner.state_dict() for name, inner in self._inner.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over a state saved by `state_dict`, tensors on any device."""
        for name, inner in self._inner.items():
            inner.load_state_dict(state[name])
