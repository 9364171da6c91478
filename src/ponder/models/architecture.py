"""What a network looks like: `ModelConfig`, read from and written to a Hugging Face config.json.

Four families share one decoder (RMSNorm, rotary positions, grouped-query attention, SwiGLU) and
differ in three switches: biases of the attention (Qwen2), norms on queries and keys (Qwen3) and a
sliding window (Mistral). Llama has none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ponder.errors import ModelError, nearest

FAMILIES: dict[str, str] = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "mistral": "MistralForCausalLM",
}
"""model_type of config.json -> the class that `transformers` loads it with."""

ROPE_TYPES = ("default", "linear", "dynamic", "llama3", "yarn")

_DEFAULT_THETA = 10_000.0
_DEFAULT_WINDOW_LAYERS = 28
_CONSUMED_KEYS = frozenset(
    (
        *("architectures", "model_type", "vocab_size", "hidden_size", "intermediate_size"),
        *("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_act"),
        *("max_position_embeddings", "rms_norm_eps", "initializer_range", "tie_word_embeddings"),
        *("attention_bias", "mlp_bias", "rope_parameters", "rope_scaling", "rope_theta"),
        *("sliding_window", "use_sliding_window", "max_window_layers", "layer_types"),
        *("bos_token_id", "eos_token_id", "pad_token_id", "dtype", "torch_dtype", "transformers_version"),
    )
)
"""Keys of config.json that `to_hf_dict` writes itself, or that belong to whoever saved it."""


@dataclass(frozen=True, slots=True)
class RopeConfig:
    """Rotary positions. `scaling` holds the keys that belong to `kind`, as `transformers` names them."""

    theta: float = _DEFAULT_THETA
    kind: str = "default"
    """One of ROPE_TYPES."""
    scaling: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shapes and switches of a network.

    For a network of another family (see `fallback.py`) only `family`, the sizes and the token ids
    are meaningful, and `extra` is the whole config.json.
    """

    family: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    max_positions: int
    norm_eps: float = 1e-6
    rope: RopeConfig = field(default_factory=RopeConfig)
    tie_embeddings: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    windows: tuple[int | None, ...] = ()
    """Per layer: how many tokens back a token sees, itself included; None: all. Empty: None everywhere."""
    initializer_range: float = 0.02
    bos_token_id: int | None = None
    eos_token_ids: tuple[int, ...] = ()
    pad_token_id: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Keys of config.json that mean nothing here; written back as they were."""

    def window(self, layer: int) -> int | None:
        """The attention window of a layer in tokens, None if it sees everything before it."""
        return self.windows[layer] if self.windows else None

    @classmethod
    def from_hf_dict(cls, raw: Mapping[str, Any]) -> ModelConfig:
        """The configuration in a config.json of one of FAMILIES, in the old or new notation of RoPE.

        Raises ModelError for an unknown family, activation or rope type, or a missing size.
        """
        family = str(raw.get("model_type", ""))
        if family not in FAMILIES:
            raise ModelError(
                f"config.json: model_type {family!r} is not built in.{nearest(family, FAMILIES)}"
            )
        _refuse_unsupported(raw)
        num_heads = _size(raw, "num_attention_heads")
        hidden_size = _size(raw, "hidden_size")
        num_layers = _size(raw, "num_hidden_layers")
        bias = bool(raw.get("attention_bias", False))
        config = cls(
            family=family,
            vocab_size=_size(raw, "vocab_size"),
            hidden_size=hidden_size,
            intermediate_size=_size(raw, "intermediate_size"),
            num_layers=num_layers,
            num_heads=num_heads,
            num_kv_heads=int(raw.get("num_key_value_heads") or (8 if family == "mistral" else num_heads)),
            head_dim=int(raw.get("head_dim") or (128 if family == "qwen3" else hidden_size // num_heads)),
            max_positions=int(raw.get("max_position_embeddings") or 2048),
            norm_eps=float(raw.get("rms_norm_eps", 1e-6)),
            rope=_read_rope(raw),
            tie_embeddings=bool(raw.get("tie_word_embeddings", False)),
            qkv_bias=family == "qwen2" or (family in ("llama", "qwen3") and bias),
            output_bias=family in ("llama", "qwen3") and bias,
            mlp_bias=family == "llama" and bool(raw.get("mlp_bias", False)),
            qk_norm=family == "qwen3",
            windows=_read_windows(raw, family, num_layers),
            initializer_range=float(raw.get("initializer_range", 0.02)),
            bos_token_id=raw.get("bos_token_id"),
            eos_token_ids=token_id_list(raw.get("eos_token_id")),
            pad_token_id=raw.get("pad_token_id"),
            extra={key: value for key, value in raw.items() if key not in _CONSUMED_KEYS},
        )
        _check(config)
        return config

    def to_hf_dict(self) -> dict[str, Any]:
        """The config.json that `transformers` (4 and 5) and vLLM read; `dtype` is added on saving.

        RoPE is written in both notations, because version 4 knows only the old one.
        """
        eos: int | list[int] | None = list(self.eos_token_ids) or None
        if len(self.eos_token_ids) == 1:
            eos = self.eos_token_ids[0]
        parameters = {"rope_type": self.rope.kind, "rope_theta": self.rope.theta, **self.rope.scaling}
        raw: dict[str, Any] = {
            **self.extra,
            "architectures": [FAMILIES[self.family]],
            "model_type": self.family,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_layers,
            "num_attention_heads": self.num_heads,
            "num_key_value_heads": self.num_kv_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "max_position_embeddings": self.max_positions,
            "rms_norm_eps": self.norm_eps,
            "initializer_range": self.initializer_range,
            "tie_word_embeddings": self.tie_embeddings,
            "rope_parameters": parameters,
            "rope_theta": self.rope.theta,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": eos,
            "pad_token_id": self.pad_token_id,
        }
        if self.rope.kind != "default":
            raw["rope_scaling"] = {"rope_type": self.rope.kind, **self.rope.scaling}
        if self.family in ("llama", "qwen3"):
            raw["attention_bias"] = self.qkv_bias
        if self.family == "llama":
            raw["mlp_bias"] = self.mlp_bias
        raw.update(_window_keys(self))
        return raw


def built_in(raw: Mapping[str, Any]) -> bool:
    """Whether `Transformer` computes the network of this config.json; else `transformers` must."""
    rope = {**(raw.get("rope_scaling") or {}), **(raw.get("rope_parameters") or {})}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    partial = rope.get("partial_rotary_factor") or raw.get("partial_rotary_factor") or 1.0
    return (
        raw.get("model_type") in FAMILIES
        and raw.get("hidden_act", "silu") in ("silu", "swish")
        and kind in ROPE_TYPES
        and float(partial) == 1.0
        and not any(isinstance(value, Mapping) for value in rope.values())
    )


def token_id_list(value: Any) -> tuple[int, ...]:
    """A tuple from config.json's None, one id or list of ids."""
    if value is None:
        return ()
    return tuple(int(item) for item in value) if isinstance(value, (list, tuple)) else (int(value),)


def _size(raw: Mapping[str, Any], key: str) -> int:
    value = raw.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ModelError(f"config.json: {key} must be a positive whole number, got {value!r}")
    return value


def _refuse_unsupported(raw: Mapping[str, Any]) -> None:
    activation = raw.get("hidden_act", "silu")
    if activation not in ("silu", "swish"):
        raise ModelError(f"config.json: hidden_act {activation!r} is not supported; allowed: 'silu'")
    if raw.get("quantization_config"):
        raise ModelError(
            "config.json: quantization_config is set; quantized weights cannot be trained here. "
            "Give the unquantized model."
        )


def _read_rope(raw: Mapping[str, Any]) -> RopeConfig:
    new = dict(raw.get("rope_parameters") or {})
    old = dict(raw.get("rope_scaling") or {})
    merged = {**old, **new}
    if any(isinstance(value, Mapping) for value in merged.values()):
        raise ModelError("config.json: rope_parameters differ by layer type; this family has one set")
    kind = merged.pop("rope_type", None) or merged.pop("type", None) or "default"
    merged.pop("type", None)
    theta = float(merged.pop("rope_theta", None) or raw.get("rope_theta") or _DEFAULT_THETA)
    if kind not in ROPE_TYPES:
        raise ModelError(f"config.json: rope_type {kind!r} is not supported.{nearest(str(kind), ROPE_TYPES)}")
    if float(merged.pop("partial_rotary_factor", None) or 1.0) != 1.0:
        raise ModelError("config.json: partial_rotary_factor must be 1.0 for this family")
    if kind == "default":
        return RopeConfig(theta)
    if kind in ("llama3", "yarn"):
        original = raw.get("original_max_position_embeddings") or raw.get("max_position_embeddings") or 2048
        merged.setdefault("original_max_position_embeddings", original)
    required = {"llama3": ("factor", "low_freq_factor", "high_freq_factor")}.get(kind, ("factor",))
    for key in required:
        if not isinstance(merged.get(key), (int, float)):
            raise ModelError(
                f"config.json: rope_type {kind!r} needs the number {key!r}, got {merged.get(key)!r}"
            )
    return RopeConfig(theta, kind, merged)


def _read_windows(raw: Mapping[str, Any], family: str, num_layers: int) -> tuple[int | None, ...]:
    if family == "llama":
        return ()
    window = raw.get("sliding_window", 4096 if family == "mistral" else None)
    if family != "mistral" and not raw.get("use_sliding_window", False):
        window = None
    if window is None:
        return ()
    kinds = raw.get("layer_types")
    if family == "mistral":
        kinds = None
    if kinds is None:
        first = 0 if family == "mistral" else int(raw.get("max_window_layers", _DEFAULT_WINDOW_LAYERS))
        kinds = ["sliding_attention" if layer >= first else "full_attention" for layer in range(num_layers)]
    if len(kinds) != num_layers or not set(kinds) <= {"sliding_attention", "full_attention"}:
        raise ModelError(
            f"config.json: layer_types {kinds!r} does not name {num_layers} known kinds of layer"
        )
    windows = tuple(int(window) if kind == "sliding_attention" else None for kind in kinds)
    return windows if any(windows) else ()


def _window_keys(config: ModelConfig) -> dict[str, Any]:
    if config.family == "llama":
        return {}
    widths = sorted({window for window in config.windows if window is not None})
    width = widths[0] if widths else None
    if config.family == "mistral":
        return {"sliding_window": width}
    if width is None:
        return {"use_sliding_window": False}
    kinds = ["full_attention" if window is None else "sliding_attention" for window in config.windows]
    first = kinds.index("sliding_attention")
    return {
        "use_sliding_window": True,
        "sliding_window": width,
        "max_window_layers": first,
        "layer_types": kinds,
    }


def _check(config: ModelConfig) -> None:
    if config.num_heads % config.num_kv_heads:
        raise ModelError(
            f"config.json: num_attention_heads {config.num_heads} is not a multiple of "
            f"num_key_value_heads {config.num_kv_heads}"
        )
    if config.head_dim % 2:
        raise ModelError(f"config.json: head_dim {config.head_dim} is odd; rotary positions need an even one")
