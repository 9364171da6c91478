"""Named algorithms: the numbers of the papers, and which of them the papers do not give."""

from __future__ import annotations

from typing import Any

from ponder.config import AlgorithmConfig

_NO_KL = {"kind": "none", "coef": 0.0}
_ADAMW = {
    "schedule": "constant",
    "warmup_frac": 0.0,
    "betas": (0.9, 0.95),
    "eps": 1e-8,
    "weight_decay": 0.0,
    "clip_norm": 1.0,
}
"""Where a paper is silent; betas and norm are those of DeepSeek-V3's pre-training."""

_OPTIMIZER_SILENT = (
    "optimizer.schedule",
    "optimizer.warmup_frac",
    "optimizer.betas",
    "optimizer.eps",
    "optimizer.weight_decay",
    "optimizer.clip_norm",
)

_BLOCKS: dict[str, dict[str, Any]] = {
    # DeepSeek-R1, Nature 645:633 (2025), Methods. Its other settings belong to the stage: group_size
    # 16, 32 problems per step, temperature 1, rollouts of 8,192 completions in minibatches: 16, reuse:
    # 1, cap 32,768 tokens, 65,536 from step 8,200 on. clip 10 is given for R1's first RL stage; for
    # R1-Zero none is. With 10 the interval is [-9, 11]: the lower side never binds.
    # Silent: population or sample std, its eps, the mean over tokens (no 1/|o| is written, yet
    # clipping "a large number of tokens" is discussed), what becomes of zero-variance groups (kept,
    # as the equation reads), all of AdamW but lr.
    "r1": {
        "advantage": {"estimator": "group", "scale": "group", "std": "population", "eps": 1e-6},
        "surrogate": {"ratio": "token", "kind": "clip", "clip_low": 10.0, "clip_high": 10.0},
        "kl": {"kind": "k3", "coef": 0.001, "place": "loss", "refresh_steps": 400},
        "aggregate": "completion",
        "optimizer": {**_ADAMW, "lr": 3e-6},
        "old_logprobs": "recompute",
        "truncated": "keep",
        "zero_variance": "keep",
    },
    # DeepSeekMath, arXiv 2402.03300, eq. 3 and section 4.2: lr 1e-6, KL 0.04, group_size 64, 1,024
    # tokens, batch 1,024, one update per exploration, so that clip (not given) never binds.
    "grpo": {
        "advantage": {"estimator": "group", "scale": "group", "std": "population", "eps": 1e-6},
        "surrogate": {"ratio": "token", "kind": "clip", "clip_low": 0.2, "clip_high": 0.2},
        "kl": {"kind": "k3", "coef": 0.04, "place": "loss"},
        "aggregate": "completion",
        "optimizer": {**_ADAMW, "lr": 1e-6},
        "zero_variance": "keep",
    },
    # DAPO, arXiv 2503.14476: decoupled clip, token mean, dynamic sampling, soft overlong penalty over
    # the last 4,096 of 20,480 tokens, no KL, lr 1e-6 constant after 20 rollout steps of warm-up (in
    # steps, not as a fraction of the run). 512 problems x 16, 16 updates per rollout. Decay and norm
    # are those of its released script.
    "dapo": {
        "advantage": {"estimator": "group", "scale": "group", "std": "population", "eps": 1e-6},
        "surrogate": {"ratio": "token", "kind": "clip", "clip_low": 0.2, "clip_high": 0.28},
        "kl": _NO_KL,
        "aggregate": "token",
        "optimizer": {**_ADAMW, "lr": 1e-6, "warmup_frac": 0.03, "betas": (0.9, 0.999), "weight_decay": 0.1},
        "truncated": "penalise",
        "overlong_band": 4096,
        "zero_variance": "refill",
        "max_refills": 10,
    },
    # Dr. GRPO, arXiv 2503.20783: no 1/|o|, no 1/std, no KL; 128 problems x 8, 3,000 tokens.
    "dr_grpo": {
        "advantage": {"estimator": "group", "scale": "none"},
        "surrogate": {"ratio": "token", "kind": "clip", "clip_low": 0.2, "clip_high": 0.2},
        "kl": _NO_KL,
        "aggregate": "constant",
        "optimizer": {**_ADAMW, "lr": 1e-6},
        "zero_variance": "keep",
    },
    # GSPO, arXiv 2507.18071, eq. 5-7 and section 5.1: sequence ratio, clip 3e-4 / 4e-4, rollouts in
    # minibatches: 4. KL is left out of its equations "for brevity".
    "gspo": {
        "advantage": {"estimator": "group", "scale": "group", "std": "population", "eps": 1e-6},
        "surrogate": {"ratio": "sequence", "kind": "clip", "clip_low": 3e-4, "clip_high": 4e-4},
        "kl": _NO_KL,
        "aggregate": "completion",
        "optimizer": {**_ADAMW, "lr": 1e-6},
        "zero_variance": "keep",
    },
    # CISPO, MiniMax-M1, arXiv 2506.13585: clipped importance weight under stop-gradient, token mean,
    # no lower bound (clip_low 1 puts it at 0), no KL, dynamic sampling and length penalty as DAPO,
    # betas 0.9 / 0.95 and eps 1e-15. The upper bound is "tuned"; 1 + 4 = 5 is that of ScaleRL
    # (arXiv 2510.13786). The penalty's band is DAPO's.
    "cispo": {
        "advantage": {"estimator": "group", "scale": "group", "std": "population", "eps": 1e-6},
        "surrogate": {"ratio": "token", "kind": "cispo", "clip_low": 1.0, "clip_high": 4.0},
        "kl": _NO_KL,
        "aggregate": "token",
        "optimizer": {**_ADAMW, "lr": 1e-6, "betas": (0.9, 0.95), "eps": 1e-15},
        "truncated": "penalise",
        "overlong_band": 4096,
        "zero_variance": "refill",
    },
    # RLOO, arXiv 2402.14740: REINFORCE on whole completions (a sum over tokens, which the constant
    # aggregation is up to a factor), the others' mean as baseline, KL (k1) in the reward: "beta 0.03"
    # (TL;DR) to 0.1 (HH), lr 1e-6, 2 or 4 completions.
    "rloo": {
        "advantage": {"estimator": "leave_one_out", "scale": "none"},
        "surrogate": {"kind": "none"},
        "kl": {"kind": "k1", "coef": 0.03, "place": "reward"},
        "aggregate": "constant",
        "optimizer": {**_ADAMW, "lr": 1e-6},
        "zero_variance": "keep",
    },
    # REINFORCE with a group mean as baseline and one token mean, on policy (Williams 1992 gives the
    # estimator alone; this reduction is that of nanochat's chat_rl.py at 92d63d4).
    "reinforce": {
        "advantage": {"estimator": "group", "scale": "none"},
        "surrogate": {"kind": "none"},
        "kl": _NO_KL,
        "aggregate": "token",
        "optimizer": {**_ADAMW, "lr": 1e-6},
        "old_logprobs": "sampler",
        "zero_variance": "keep",
    },
    # PPO, arXiv 1707.06347, as R1's comparison arm (v2, appendix A.3): GAE with lambda 1.0, nearly
    # equal to GRPO there (0.95, PPO's default, considerably worse), KL per token in the reward.
    "ppo": {
        "advantage": {"estimator": "gae", "scale": "batch", "eps": 1e-8, "gae_lambda": 1.0, "gamma": 1.0},
        "surrogate": {"ratio": "token", "kind": "clip", "clip_low": 0.2, "clip_high": 0.2},
        "kl": {"kind": "k1", "coef": 0.001, "place": "reward"},
        "aggregate": "token",
        "optimizer": {**_ADAMW, "lr": 1e-6},
        "zero_variance": "keep",
        "value_coef": 0.5,
        "value_clip": 0.2,
    },
}
"""Each preset as the `algorithm:` block of a recipe would say it."""

ALGORITHMS: dict[str, AlgorithmConfig] = {
    name: AlgorithmConfig.model_validate({"preset": name, **block}) for name, block in _BLOCKS.items()
}
"""What `algorithm.preset` may name."""

_GROUP_STD_SILENT = ("advantage.std", "advantage.eps")

PAPER_SILENT: dict[str, tuple[str, ...]] = {
    "r1": (
        *_GROUP_STD_SILENT,
        "surrogate.clip_low",
        "surrogate.clip_high",
        "aggregate",
        "zero_variance",
        "truncated",
        *_OPTIMIZER_SILENT,
    ),
    "grpo": (
        *_GROUP_STD_SILENT,
        "surrogate.clip_low",
        "surrogate.clip_high",
        "zero_variance",
        "truncated",
        *_OPTIMIZER_SILENT,
    ),
    "dapo": (
        *_GROUP_STD_SILENT,
        "max_refills",
        "optimizer.warmup_frac",
        "optimizer.betas",
        "optimizer.eps",
        "optimizer.weight_decay",
        "optimizer.clip_norm",
    ),
    "dr_grpo": ("zero_variance", "truncated", *_OPTIMIZER_SILENT),
    "gspo": (*_GROUP_STD_SILENT, "kl.kind", "zero_variance", "truncated", "optimizer.lr", *_OPTIMIZER_SILENT),
    "cispo": (
        *_GROUP_STD_SILENT,
        "surrogate.clip_high",
        "overlong_band",
        "max_refills",
        "optimizer.lr",
        "optimizer.schedule",
        "optimizer.warmup_frac",
        "optimizer.weight_decay",
        "optimizer.clip_norm",
    ),
    "rloo": ("zero_variance", "truncated", *_OPTIMIZER_SILENT),
    "reinforce": ("zero_variance", "truncated", "optimizer.lr", *_OPTIMIZER_SILENT),
    "ppo": (
        "advantage.scale",
        "advantage.std",
        "advantage.eps",
        "surrogate.clip_low",
        "surrogate.clip_high",
        "kl.coef",
        "aggregate",
        "zero_variance",
        "truncated",
        "value_coef",
        "value_clip",
        "optimizer.lr",
        *_OPTIMIZER_SILENT,
    ),
}
"""Per preset, the keys whose values the paper does not give (for ppo: R1's appendix): our choice."""
