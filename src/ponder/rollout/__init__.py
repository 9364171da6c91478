"""Completions from a policy: token ids in, token ids and sampler log-probabilities out."""

from ponder.rollout.engine import LocalEngine
from ponder.rollout.engines import ENGINES, make_engine
from ponder.rollout.requests import check_requests
from ponder.rollout.weights import StaleWeightsError
from ponder.types import SamplingParams

__all__ = ["ENGINES", "LocalEngine", "SamplingParams", "StaleWeightsError", "check_requests", "make_engine"]
