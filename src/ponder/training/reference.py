"""The reference policy: frozen weights that the KL term measures the distance to."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from ponder.algorithms.batch import Batch
from ponder.models.policy import Policy
from ponder.training.forward import run_policy


class Reference:
    """A frozen copy of the policy, replaced as a whole by `refresh` (R1: every 400 steps)."""

    def __init__(self, policy: Policy):
        self._frozen = copy.deepcopy(policy)
        for parameter in self._frozen.parameters():
            parameter.requires_grad_(False)
        self._frozen.eval()
        self._version = 0

    @property
    def version(self) -> int:
        """How often it was refreshed; log-probs of another version are stale."""
        return self._version

    @torch.no_grad()
    def logprobs(self, batch: Batch, temperature: float) -> Tensor:
        """ref_logprobs_M of the batch, float32, under the same temperature as the policy's."""
        return run_policy(self._frozen, batch, temperature).logprobs_M

    @torch.no_grad()
    def refresh(self, policy: Policy) -> None:
        """Takes over the policy's weights as they are now."""
        self.restore(policy.state_dict(), self._version + 1)

    def state_dict(self) -> dict[str, Tensor]:
        return self._frozen.state_dict()

    def restore(self, state: Mapping[str, Tensor], version: int) -> None:
        """Takes over saved weights and the number of refreshes that led to them."""
        self._frozen.load_state_dict(state)
        self._version = version
