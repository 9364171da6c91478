# ruff: noqa: B905
"""An external plugin for ms-swift: reward classes, registered in `orms`."""

import re

from swift.plugin import ORM, orms
from swift.rewards import AsyncORM
from swift.utils import get_logger

logger = get_logger()


class BoxedAccuracy(ORM):
    @staticmethod
    def extract(text):
        boxed = re.findall(r"\\boxed\{([^}]+)\}", text)
        return boxed[-1].replace(",", "").strip() if boxed else ""

    def __call__(self, completions, solution, **kwargs) -> list[float]:
        rewards = []
        for completion, sol in zip(completions, solution):
            given = self.extract(completion)
            rewards.append(1.0 if given and given == self.extract(f"\\boxed{{{sol}}}") else 0.0)
        return rewards


class Countdown(ORM):
    def __call__(self, completions, target, nums, **kwargs) -> list[float]:
        rewards = []
        for completion, goal, numbers in zip(completions, target, nums):
            match = re.search(r"<answer>(.*?)</answer>", completion, re.DOTALL)
            equation = match.group(1).strip() if match else ""
            used = sorted(int(n) for n in re.findall(r"\d+", equation))
            if used != sorted(numbers) or not re.fullmatch(r"[\d+\-*/().\s]+", equation):
                rewards.append(0.0)
                continue
            result = eval(equation, {"__builtins__": None}, {})
            rewards.append(1.0 if abs(result - float(goal)) < 1e-5 else 0.0)
        return rewards


class SoftOverlong(AsyncORM):
    """Reads the training arguments, and the ids of the sampled tokens."""

    def __init__(self, args=None, **kwargs):
        super().__init__(args)
        self.longest, self.cache = args.soft_max_length, args.soft_cache_length

    async def __call__(self, completions, **kwargs) -> list[float]:
        logger.info("%d completions", len(completions))
        lengths = [len(ids) for ids in kwargs["response_token_ids"]]
        return [min(-(length - self.longest + self.cache) / self.cache, 0) for length in lengths]


orms["plugin_accuracy"] = BoxedAccuracy
orms["plugin_countdown"] = Countdown
