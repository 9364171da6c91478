"""What training and rollout know of a network.

Legend: N tokens of a packed row, M tokens that need logits, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ponder.models.architecture import ModelConfig
from ponder.types import Packing


@runtime_checkable
class Policy(Protocol):
    """A language model over packed rows. Every implementation is also an `nn.Module`."""

    gradient_checkpointing: bool
    """Keep only each layer's input for the backward pass and compute the rest again."""
    compute_dtype: torch.dtype
    """Of activations; parameters and logits are float32 (float64 in a float64 network)."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def head_weight(self) -> Tensor | None:
        """The output matrix_VD when logits are hidden @ head_weight.T and nothing else; or None."""
        ...

    def hidden(self, token_ids_N: Tensor, positions_N: Tensor, packing: Packing) -> Tensor:
        """Hidden states_ND after the final norm."""
        ...

    def logits(self, hidden_MD: Tensor) -> Tensor:
        """Logits_MV in float32."""
        ...

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]: ...

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Under Hugging Face names."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Any: ...

    def train(self, mode: bool = True) -> Any: ...

    def eval(self) -> Any: ...

    def to(self, *args: Any, **kwargs: Any) -> Any: ...

    def zero_grad(self, set_to_none: bool = True) -> None: ...
