"""(problem, completion) -> number: rule rewards, users' functions, and the workers that run them."""

from ponder.rewards.conventions import CONVENTIONS
from ponder.rewards.language import LANGUAGE_SCRIPTS, language_share
from ponder.rewards.scoring import Scorer, Scores, ScoringSpec
from ponder.rewards.table import REWARD_PRESETS, REWARDS, check_reward, load_reward
from ponder.rewards.workers import RewardWorkers

__all__ = [
    "CONVENTIONS",
    "LANGUAGE_SCRIPTS",
    "REWARDS",
    "REWARD_PRESETS",
    "RewardWorkers",
    "Scorer",
    "Scores",
    "ScoringSpec",
    "check_reward",
    "language_share",
    "load_reward",
]
