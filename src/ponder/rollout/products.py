"""Matrix products with fixed weights, a few rows at a time.

With the weights as they lie MKL shares a product of a few dozen rows among threads so badly that two are
slower than one. oneDNN, given time to rearrange large weights once, takes half as long: on two cores and
8, 32 and 128 rows of 256 x 1408 it took 130, 290 and 753 microseconds, MKL 293, 557 and 1,023.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_PACKED_FROM = 1 << 18
"""Elements of a matrix; below that both take the same time."""


@dataclass(frozen=True, slots=True)
class Product:
    """x @ weight.T + bias. At least one of `weight_OI` and `packed` is there; `packed` is used first."""

    weight_OI: Tensor | None
    packed: Tensor | None
    bias_O: Tensor | None

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs)."""
        weight = self.weight_OI if self.weight_OI is not None else self.packed
        assert weight is not None
        return weight.shape[0], weight.shape[1]

    def __call__(self, x_RI: Tensor, buffer_RO: Tensor | None = None) -> Tensor:
        """The result (R, O), in the buffer if one is given and can be used."""
        if self.packed is not None:
            result: Tensor = torch.ops.mkldnn._linear_pointwise(
                x_RI, self.packed, self.bias_O, "none", [], ""
            )
            return result
        assert self.weight_OI is not None
        if self.bias_O is None:
            return torch.mm(x_RI, self.weight_OI.t(), out=buffer_RO)
        return torch.addmm(self.bias_O, x_RI, self.weight_OI.t(), out=buffer_RO)

    def add_to(self, target_RO: Tensor, x_RI: Tensor) -> None:
        """target += result, in place."""
        if self.packed is not None:
            target_RO.add_(self(x_RI))
            return
        assert self.weight_OI is not None
        target_RO.addmm_(x_RI, self.weight_OI.t())
        if self.bias_O is not None:
            target_RO.add_(self.bias_O)


def pack(weight_OI: Tensor) -> Tensor | None:
    """The weights rearranged for `Product`; None where that is not possible or not worth it."""
    if weight_OI.device.type != "cpu" or weight_OI.dtype != torch.float32:
        return None
    if weight_OI.numel() < _PACKED_FROM or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight_OI.contiguous(), None)
    return packed
