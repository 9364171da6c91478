"""Rotary positions: frequencies of each scaling, tables, and the rotation itself.

Legend: N tokens, H heads (of queries or keys), D head width, E = D / 2 frequencies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ponder.errors import ModelError
from ponder.models.architecture import ModelConfig, RopeConfig


def rope_frequencies(config: ModelConfig) -> tuple[Tensor, float]:
    """(inverse frequencies_E in radians per token, float32; factor on cos and sin).

    The same numbers as `transformers.modeling_rope_utils`. "dynamic" is the unscaled table, as it is
    there up to `max_positions`; lengths beyond those are refused when the table is built.
    """
    rope, dim = config.rope, config.head_dim
    exponents_E = torch.arange(0, dim, 2, dtype=torch.int64).float() / dim
    inverse_E = 1.0 / (rope.theta**exponents_E)
    if rope.kind == "linear":
        return inverse_E / float(rope.scaling["factor"]), 1.0
    if rope.kind == "llama3":
        return _llama3(inverse_E, rope), 1.0
    if rope.kind == "yarn":
        return _yarn(exponents_E, rope, dim)
    return inverse_E, 1.0


def _llama3(inverse_E: Tensor, rope: RopeConfig) -> Tensor:
    """Llama 3.1: long wavelengths divided by the factor, short ones kept, a ramp between."""
    factor = float(rope.scaling["factor"])
    low, high = float(rope.scaling["low_freq_factor"]), float(rope.scaling["high_freq_factor"])
    original = float(rope.scaling["original_max_position_embeddings"])
    wavelength_E = 2 * math.pi / inverse_E
    smooth_E = (original / wavelength_E - low) / (high - low)
    ramp_E = (1 - smooth_E) * inverse_E / factor + smooth_E * inverse_E
    scaled_E = torch.where(wavelength_E > original / low, inverse_E / factor, ramp_E)
    return torch.where(wavelength_E < original / high, inverse_E, scaled_E)


def _yarn(exponents_E: Tensor, rope: RopeConfig, dim: int) -> tuple[Tensor, float]:
    """YaRN (Peng et al. 2023, section 3): interpolated below, extrapolated above, a ramp between."""
    scaling = rope.scaling
    factor = float(scaling["factor"])
    original = float(scaling["original_max_position_embeddings"])

    def dimension_of(rotations: float) -> float:
        return dim * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(rope.theta))

    low = dimension_of(float(scaling.get("beta_fast") or 32))
    high = dimension_of(float(scaling.get("beta_slow") or 1))
    if scaling.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    if low == high:
        high += 0.001
    ramp_E = ((torch.arange(dim // 2, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
    frequency_E = rope.theta**exponents_E
    inverse_E = ramp_E / (factor * frequency_E) + (1 - ramp_E) / frequency_E
    return inverse_E, _yarn_attention_factor(rope, factor)


def _yarn_attention_factor(rope: RopeConfig, factor: float) -> float:
    given = rope.scaling.get("attention_factor")
    if given is not None:
        return float(given)

    def mscale(weight: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0

    numerator, denominator = rope.scaling.get("mscale"), rope.scaling.get("mscale_all_dim")
    if numerator and denominator:
        return mscale(float(numerator)) / mscale(float(denominator))
    return mscale(1.0)


class RopeTable(torch.nn.Module):
    """cos and sin of every position, grown when a longer row comes; no parameters, no state on disk."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self._tables: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def forward(self, positions_N: Tensor, max_position: int, dtype: torch.dtype) -> Tensor:
        """(N, 2, E): cos and sin of each token's position."""
        key = (positions_N.device, dtype)
        table = self._tables.get(key)
        if table is None or len(table) <= max_position:
            table = self._tables[key] = self._build(max_position, positions_N.device, dtype)
        return table.index_select(0, positions_N)

    def _build(self, max_position: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        if self.config.rope.kind == "dynamic" and max_position >= self.config.max_positions:
            raise ModelError(
                f"a sequence of {max_position + 1} tokens exceeds max_position_embeddings "
                f"{self.config.max_positions}; with rope_type 'dynamic' that is not supported"
            )
        inverse_E, factor = rope_frequencies(self.config)
        length = 1 << max(max_position, 255).bit_length()
        # The angles are float32 in float64 networks too: that is how the weights were trained.
        angles_PE = torch.arange(length, dtype=torch.float32)[:, None] * inverse_E
        table = torch.stack((angles_PE.cos(), angles_PE.sin()), dim=1) * factor
        return table.to(device=device, dtype=dtype)


def rotate(x_NHD: Tensor, rope_N2E: Tensor) -> Tensor:
    """x with each pair (i, i + D / 2) of a head turned by its position's angle."""
    cos_N1E, sin_N1E = rope_N2E[:, 0].unsqueeze(1), rope_N2E[:, 1].unsqueeze(1)
    first, second = x_NHD.chunk(2, dim=-1)
    return torch.cat((first * cos_N1E - second * sin_N1E, second * cos_N1E + first * sin_N1E), dim=-1)


def rotate_pairs(x_NHD: Tensor, rope_N2E: Tensor, target_NHD: Tensor, *, inverse: bool = False) -> None:
    """Writes x, whose pairs stand side by side, turned by each position's angle, to the target.

    One product of complex numbers instead of four strided ones: a quarter of the time. The target may
    be x. `inverse` turns back, which is the gradient. float32 and float64 only.
    """
    sine_NE = -rope_N2E[:, 1] if inverse else rope_N2E[:, 1]
    turn_N1E = torch.complex(rope_N2E[:, 0], sine_NE).unsqueeze(1)
    source, target = (torch.view_as_complex(torch.unflatten(x, -1, (-1, 2))) for x in (x_NHD, target_NHD))
    torch.mul(source, turn_N1E, out=target)


def pairs_together(map_OD: Tensor, head_dim: int) -> Tensor:
    """A projection whose outputs i and i + D / 2 of each head have become neighbours.

    Scores do not change when queries and keys are permuted alike.
    """
    halves = map_OD.view(-1, 2, head_dim // 2, *map_OD.shape[1:])
    return halves.transpose(1, 2).reshape(map_OD.shape)


def pairs_apart(map_OD: Tensor, head_dim: int) -> Tensor:
    """Undoes `pairs_together`."""
    pairs = map_OD.view(-1, head_dim // 2, 2, *map_OD.shape[1:])
    return pairs.transpose(1, 2).reshape(map_OD.shape)
