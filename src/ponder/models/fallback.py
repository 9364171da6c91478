"""Any architecture that `transformers` knows, behind the same protocol: slower, but it works.

Legend: N tokens of the packed row, R padded rows, T tokens of a padded row, M tokens that need logits,
D width, V vocabulary.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ponder.errors import ModelError
from ponder.models.architecture import ModelConfig, token_id_list
from ponder.types import Packing

_BATCH_TOKENS = 16_384
"""Padded tokens given to the network at once."""


class AutoPolicy(nn.Module):
    """A `transformers` causal language model as a policy over packed rows.

    Spans are unpacked to right-padded rows, a shared prompt once for each of its completions. The
    network stays in evaluation mode: dropout would make old and new log-probabilities differ.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.compute_dtype = next(network.parameters()).dtype
        self.gradient_checkpointing = False
        self.config = _describe(network.config)
        self._body = network.get_decoder() if hasattr(network, "get_decoder") else network.base_model
        self._takes_positions = "position_ids" in inspect.signature(self._body.forward).parameters
        self._head = _Head(network)

    @property
    def head_weight(self) -> Tensor | None:
        """The output matrix_VD if the head is that and no more, else None."""
        return self._head.plain_weight()

    def hidden(self, token_ids_N: Tensor, positions_N: Tensor, packing: Packing) -> Tensor:
        """Hidden states_ND after the final norm; a shared prompt's come from its first completion's row."""
        pieces: list[Tensor] = []
        places: list[Tensor] = []
        for rows in _batches(_unpack(packing)):
            gather_RT, mask_RT, take, place = _pad(rows, token_ids_N.device)
            hidden_RTD = self._run(token_ids_N[gather_RT], positions_N[gather_RT], mask_RT)
            pieces.append(hidden_RTD.flatten(0, 1).index_select(0, take))
            places.append(place)
        order = torch.cat(places)
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        return torch.cat(pieces).index_select(0, back)

    def _run(self, ids_RT: Tensor, positions_RT: Tensor, mask_RT: Tensor) -> Tensor:
        named: dict[str, Any] = {"input_ids": ids_RT, "attention_mask": mask_RT, "use_cache": False}
        if self._takes_positions:
            named["position_ids"] = positions_RT

        def body() -> Tensor:
            half = self.compute_dtype in (torch.bfloat16, torch.float16)
            mixed = torch.autocast(ids_RT.device.type, self.compute_dtype) if half else nullcontext()
            with mixed:
                output: Tensor = self._body(**named).last_hidden_state
                return output

        if self.gradient_checkpointing and torch.is_grad_enabled():
            recomputed: Tensor = checkpoint(body, use_reentrant=False)
            return recomputed
        return body()

    def logits(self, hidden_MD: Tensor) -> Tensor:
        """Logits_MV in float32, with the scale or cap that the architecture puts on them."""
        return self._head(hidden_MD)

    def train(self, mode: bool = True) -> AutoPolicy:
        self.training = mode
        self.network.eval()
        return self

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        yield from self.network.named_parameters(prefix, recurse, remove_duplicate)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        tensors: dict[str, Any] = self.network.state_dict(*args, **kwargs)
        return tensors

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        return self.network.load_state_dict(state_dict, strict=strict, assign=assign)

    def hf_dict(self) -> dict[str, Any]:
        """The network's config.json."""
        raw: dict[str, Any] = self.network.config.to_dict()
        raw["architectures"] = [type(self.network).__name__]
        return raw

    def tied_names(self) -> set[str]:
        """Names of parameters that are another one under a second name."""
        every = {name for name, _ in self.network.named_parameters(remove_duplicate=False)}
        return every - {name for name, _ in self.network.named_parameters()}


class _Head:
    """Hidden states to logits, as the architecture does it."""

    def __init__(self, network: Any) -> None:
        self._network = network
        config = network.config.get_text_config()
        self._cap: float | None = getattr(config, "final_logit_softcapping", None)
        multiplier = getattr(config, "logit_scale", None)
        divisor = getattr(config, "logits_scaling", None)
        self._scale = float(multiplier or 1.0) / float(divisor or 1.0)

    def plain_weight(self) -> Tensor | None:
        head = self._network.get_output_embeddings()
        if self._cap or self._scale != 1.0 or head.bias is not None:
            return None
        weight: Tensor = head.weight
        return weight

    def __call__(self, hidden_MD: Tensor) -> Tensor:
        head = self._network.get_output_embeddings()
        logits_MV = functional.linear(hidden_MD.to(head.weight.dtype), head.weight, head.bias)
        if self._scale != 1.0:
            logits_MV = logits_MV * self._scale
        if self._cap:
            logits_MV = torch.tanh(logits_MV / self._cap) * self._cap
        return logits_MV


def load_auto_policy(folder: Path, dtype: torch.dtype) -> AutoPolicy:
    """A policy of any causal language model `transformers` can load from a folder.

    Raises ModelError when it cannot, when a tensor is missing or misshapen, or when hidden states and
    head alone do not give the network's own logits (then its log-probabilities would be wrong).
    """
    from transformers import AutoModelForCausalLM

    quiet = logging.getLogger("transformers.modeling_utils")
    level = quiet.level
    quiet.setLevel(logging.ERROR)  # what it would warn of is raised below
    try:
        network, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, by name
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, TypeError) as error:
        raise ModelError(f"{folder}: `transformers` cannot load it: {error}") from error
    finally:
        quiet.setLevel(level)
    _refuse_incomplete(folder, report)
    policy = AutoPolicy(network)
    policy.eval()
    _check_logits(policy, folder)
    return policy


def _refuse_incomplete(folder: Path, report: Mapping[str, Any]) -> None:
    for key, said in (
        ("missing_keys", "is missing"),
        ("mismatched_keys", "has another shape than config.json asks for"),
    ):
        names = sorted(str(item[0] if isinstance(item, tuple) else item) for item in report.get(key) or ())
        if names:
            raise ModelError(f"{folder}: the tensor {names[0]!r} {said} ({len(names)} in all)")


def _check_logits(policy: AutoPolicy, folder: Path) -> None:
    device = next(policy.network.parameters()).device
    ids_1T = torch.arange(4, device=device)[None] % policy.config.vocab_size
    with torch.no_grad():
        mask_1T, positions_1T = torch.ones_like(ids_1T), torch.arange(4, device=device)[None]
        ours = policy.logits(policy._run(ids_1T, positions_1T, mask_1T)[0])
        theirs = policy.network(input_ids=ids_1T, attention_mask=mask_1T, use_cache=False).logits[0]
    error = (ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-6)
    if not error < 1e-3:
        raise ModelError(
            f"{folder}: {policy.config.family!r} does more between hidden states and logits than a linear "
            "map, a scale or a cap; its log-probabilities would be wrong here"
        )


def _describe(config: Any) -> ModelConfig:
    text = config.get_text_config()
    heads = int(getattr(text, "num_attention_heads", 0) or 1)
    width = int(text.hidden_size)
    eos = getattr(text, "eos_token_id", None)
    return ModelConfig(
        family=str(config.model_type),
        vocab_size=int(text.vocab_size),
        hidden_size=width,
        intermediate_size=int(getattr(text, "intermediate_size", None) or 4 * width),
        num_layers=int(text.num_hidden_layers),
        num_heads=heads,
        num_kv_heads=int(getattr(text, "num_key_value_heads", None) or heads),
        head_dim=int(getattr(text, "head_dim", None) or width // heads),
        max_positions=int(getattr(text, "max_position_embeddings", None) or 2048),
        tie_embeddings=bool(getattr(text, "tie_word_embeddings", False)),
        bos_token_id=getattr(text, "bos_token_id", None),
        eos_token_ids=token_id_list(eos),
        pad_token_id=getattr(text, "pad_token_id", None),
        extra=config.to_dict(),
    )


class _Row:
    """A sequence to be run, and which of its tokens' hidden states are taken from it."""

    __slots__ = ("tokens", "wanted")

    def __init__(self, tokens: Sequence[int], wanted: int) -> None:
        self.tokens = tokens
        self.wanted = wanted
        """The last so many tokens."""


def _unpack(packing: Packing) -> list[_Row]:
    """One row per span without children and per child; a prompt's own states come with its first child."""
    rows: list[_Row] = []
    seen: set[int] = set()
    parents = {span.parent for span in packing.spans if span.parent >= 0}
    for index, span in enumerate(packing.spans):
        own = list(range(span.start, span.start + span.length))
        if span.parent < 0:
            if index not in parents:
                rows.append(_Row(own, len(own)))
            continue
        prompt = packing.spans[span.parent]
        before = list(range(prompt.start, prompt.start + prompt.length))
        first = span.parent not in seen
        seen.add(span.parent)
        rows.append(_Row(before + own, len(before) * first + len(own)))
    return rows


def _batches(rows: list[_Row]) -> Iterator[list[_Row]]:
    """Rows of similar length together, as many as _BATCH_TOKENS allow."""
    batch: list[_Row] = []
    for row in sorted(rows, key=lambda row: -len(row.tokens)):
        if batch and len(batch[0].tokens) * (len(batch) + 1) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _pad(rows: Sequence[_Row], device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(token of the packed row_RT, mask_RT, slots taken of R x T, where in the packed row they go)."""
    length = len(rows[0].tokens)
    gather: list[list[int]] = []
    mask: list[list[int]] = []
    take: list[int] = []
    place: list[int] = []
    for number, row in enumerate(rows):
        used = len(row.tokens)
        gather.append([*row.tokens, *[row.tokens[-1]] * (length - used)])
        mask.append([1] * used + [0] * (length - used))
        take.extend(range(number * length + used - row.wanted, number * length + used))
        place.extend(row.tokens[used - row.wanted :])
    return (
        torch.tensor(gather, device=device),
        torch.tensor(mask, device=device),
        torch.tensor(take, device=device),
        torch.tensor(place, device=device),
    )
