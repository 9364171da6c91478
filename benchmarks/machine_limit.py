"""The seconds a step cannot take less of on this machine, counted from the shapes.

Floating-point work at the machine's best rate, each group's prompt computed once in sampling and once
in training, plus the keys and values that decoding must read at the machine's bandwidth, a prompt's once
per group and step. Norms, softmax, rotations, sampling, optimizer and Python are not counted, nor is
anything computed twice: no real step reaches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.shapes import ModelShape, Shape

_BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class Work:
    """What a step must do at least."""

    rollout_flops: float
    update_flops: float
    cache_bytes: float

    def rollout_s(self, flops_per_s: float, bytes_per_s: float) -> float:
        return self.rollout_flops / flops_per_s + self.cache_bytes / bytes_per_s

    def step_s(self, flops_per_s: float, bytes_per_s: float) -> float:
        return self.rollout_s(flops_per_s, bytes_per_s) + self.update_flops / flops_per_s


def work_of(shape: Shape, model: ModelShape, lengths: Sequence[int]) -> Work:
    """The work of a step with these completion lengths."""
    body = 2.0 * _layer_weights(model) * model.num_layers
    head = 2.0 * model.vocab_size * model.hidden_size
    # Scores and weighted values: two products of one query with every key it sees.
    per_pair = 4.0 * model.num_heads * model.head_dim * model.num_layers
    prompt = shape.prompt_tokens
    prompt_pairs = shape.num_prompts * prompt * (prompt + 1) / 2
    tokens = float(sum(lengths))
    # The last token of a completion is sampled, never read.
    decoded = tokens - len(lengths)
    decoded_pairs = sum((length - 1) * length / 2 + (length - 1) * prompt for length in lengths)
    prefill = shape.num_prompts * prompt * body + prompt_pairs * per_pair + shape.num_prompts * head
    rollout = prefill + decoded * (body + head) + decoded_pairs * per_pair
    # A backward pass is two products for each one of the forward pass.
    forward = (shape.num_prompts * prompt + decoded) * body + (prompt_pairs + decoded_pairs) * per_pair
    update = 3.0 * (forward + tokens * head)
    return Work(rollout, update, _cache_bytes(shape, model, lengths))


def _layer_weights(model: ModelShape) -> float:
    width, kv_width = model.hidden_size, model.num_kv_heads * model.head_dim
    attention = 2.0 * width * width + 2.0 * width * kv_width
    return attention + 3.0 * width * model.intermediate_size


def _cache_bytes(shape: Shape, model: ModelShape, lengths: Sequence[int]) -> float:
    """Keys and values read while decoding: own ones per completion, the prompt's once per group and token."""
    per_token = 2.0 * model.num_kv_heads * model.head_dim * model.num_layers * _BYTES[model.dtype]
    own = sum((length - 1) * length / 2 for length in lengths)
    group = shape.group_size
    shared = sum(
        (max(lengths[start : start + group]) - 1) * shape.prompt_tokens
        for start in range(0, len(lengths), group)
    )
    return per_token * (own + shared)
