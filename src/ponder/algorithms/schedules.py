"""What changes with the optimizer step, beyond `ponder.config.value_at`."""

from __future__ import annotations

import math

from ponder.config import OptimizerConfig


def learning_rate_at(config: OptimizerConfig, step: int, num_steps: int) -> float:
    """The learning rate of optimizer step `step`, the first being 0, of `num_steps` in all.

    Warm-up is linear over the first ceil(warmup_frac x num_steps) steps and reaches lr at its last;
    then constant, or cosine or linear down to final_frac x lr at the last step, or (trapezoid)
    constant and linear down over the last cooldown_frac x num_steps.
    """
    warmup = math.ceil(config.warmup_frac * num_steps)
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if config.schedule == "constant":
        return config.lr
    progress = min(1.0, (step - warmup) / max(1, num_steps - 1 - warmup))
    if config.schedule == "trapezoid":
        cooldown = max(1.0, config.cooldown_frac * num_steps)
        progress = min(1.0, max(0.0, (step - (num_steps - 1 - cooldown)) / cooldown))
    left = 0.5 * (1 + math.cos(math.pi * progress)) if config.schedule == "cosine" else 1 - progress
    return config.lr * (config.final_frac + (1 - config.final_frac) * left)


def reference_refresh_due(steps_before: int, steps_after: int, refresh_steps: int | None) -> bool:
    """Whether the reference becomes the current policy, going from one count of updates to another.

    True when a multiple of `refresh_steps` lies in (steps_before, steps_after]: every 400 steps for
    R1, also when an iteration makes 16 updates between two looks. None: never.
    """
    if refresh_steps is None:
        return False
    return steps_after // refresh_steps > steps_before // refresh_steps
