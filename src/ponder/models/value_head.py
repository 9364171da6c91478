"""A scalar for each token, on a policy's hidden states: the value function of PPO.

Legend: M tokens, D width.
"""

from __future__ import annotations

from torch import Tensor, nn


class ValueHead(nn.Module):
    """A linear map from hidden states to values, zero at birth: the first values are 0, not noise.

    The policy may be the trained one (one body, two heads) or a copy of its own.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.score = nn.Linear(hidden_size, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, hidden_MD: Tensor) -> Tensor:
        """Values_M in the head's dtype: float32 even where the policy computes in bfloat16."""
        values_M1: Tensor = self.score(hidden_MD.to(self.score.weight.dtype))
        return values_M1.squeeze(-1)
