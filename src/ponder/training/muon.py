"""Muon: momentum whose matrices are made orthogonal before they move the weights.

For the hidden matrices of a network that is trained from scratch. Kept in float32: the version in
`torch.optim` iterates in bfloat16, which processors without bfloat16 units compute many times slower.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration (Jordan et al., 2024): singular values go to about 1."""
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Matrices of equal shape are moved together, one batched product for all of them."""

    def __init__(
        self, matrices: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Moves the weights by lr x sqrt(max(1, rows / columns)) along the orthogonalised momentum."""
        for group in self.param_groups:
            for shape, matrices in _by_shape(group["params"]):
                moments = torch.stack([self._moment(matrix, group["momentum"]) for matrix in matrices])
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for matrix, direction in zip(matrices, orthogonalise(moments), strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-scale)

    def _moment(self, matrix: nn.Parameter, momentum: float) -> Tensor:
        """Nesterov's: the gradient drawn towards the running mean that already holds it."""
        assert matrix.grad is not None
        state = self.state[matrix]
        if not state:
            state["mean"] = torch.zeros_like(matrix)
        mean: Tensor = state["mean"].lerp_(matrix.grad, 1 - momentum)
        direction: Tensor = matrix.grad.lerp(mean, momentum)
        return direction


def orthogonalise(matrices: Tensor) -> Tensor:
    """For each of (K, rows, columns): about U V^T of its singular value decomposition."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.mT if tall else x
    return result


def _by_shape(matrices: Iterable[nn.Parameter]) -> Iterator[tuple[tuple[int, int], list[nn.Parameter]]]:
    groups: dict[tuple[int, int], list[nn.Parameter]] = {}
    for matrix in matrices:
        if matrix.grad is not None:
            groups.setdefault((matrix.shape[0], matrix.shape[1]), []).append(matrix)
    yield from groups.items()
