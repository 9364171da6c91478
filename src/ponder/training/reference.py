"""The reference policy: frozen weights that the KL term measures the distance to."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from ponder.algorithms.batch import Batch
from ponder.models.lora import adapter_disabled, has_adapter
from ponder.models.policy import Policy
from ponder.training.forward import run_policy


class Reference:
    """The policy as it was at the start, or at the last `refresh` (R1: every 400 steps).

    A policy with a fresh adapter needs no copy: with the adapter switched off it is its own start. The
    first refresh makes one.
    """

    def __init__(self, policy: Policy):
        self._policy = policy
        self._frozen = None if _has_fresh_adapter(policy) else _frozen_copy(policy)
        self._version = 0

    @property
    def version(self) -> int:
        """How often it was refreshed; log-probs of another version are stale."""
        return self._version

    @property
    def is_the_policy(self) -> bool:
        """Whether log-probs come from the policy itself, its adapter switched off meanwhile."""
        return self._frozen is None

    @torch.no_grad()
    def logprobs(self, batch: Batch, temperature: float) -> Tensor:
        """ref_logprobs_M of the batch, float32, under the same temperature as the policy's."""
        if self._frozen is not None:
            return run_policy(self._frozen, batch, temperature).logprobs_M
        with adapter_disabled(self._policy):
            return run_policy(self._policy, batch, temperature).logprobs_M

    @torch.no_grad()
    def refresh(self, policy: Policy) -> None:
        """Takes over the policy's weights as they are now."""
        self.restore(policy.state_dict(), self._version + 1)

    def state_dict(self) -> dict[str, Tensor]:
        """The weights of a reference that was refreshed."""
        assert self._frozen is not None
        return self._frozen.state_dict()

    def restore(self, state: Mapping[str, Tensor], version: int) -> None:
        """Takes over saved weights and the number of refreshes that led to them."""
        if self._frozen is None:
            self._frozen = _frozen_copy(self._policy)
        self._frozen.load_state_dict(state)
        self._version = version


def _has_fresh_adapter(policy: Policy) -> bool:
    """Whether the policy carries an adapter that changes nothing yet."""
    if not has_adapter(policy):
        return False
    return not any(p.detach().any() for name, p in policy.named_parameters() if "lora_B" in name)


def _frozen_copy(policy: Policy) -> Policy:
    frozen = copy.deepcopy(policy)
    for parameter in frozen.parameters():
        parameter.requires_grad_(False)
    frozen.eval()
    return frozen
