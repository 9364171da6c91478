"""Evaluation of a stage's policy on problems it is never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ponder.config import EvaluationConfig, Recipe
from ponder.evaluation import Evaluation, evaluate_policy, select_problems
from ponder.pipeline.bench import Bench
from ponder.pipeline.problems import chance_levels, held_out_problems
from ponder.seeding import derive_seed
from ponder.types import Problem, RolloutEngine

FOLDER = "evaluations"


class HeldOut:
    """The held-out problems of a run, and the evaluations of one stage on them.

    An evaluation lies in `evaluations/iteration-NNNNNN` of the stage's folder and is read back when
    it is asked for again, so that a run that was stopped loses none.
    """

    def __init__(
        self,
        recipe: Recipe,
        config: EvaluationConfig,
        bench: Bench,
        engine: RolloutEngine,
        folder: Path,
        policy_name: str,
        max_new_tokens: int,
        stop_strings: tuple[str, ...] = (),
    ):
        self._recipe = recipe
        self._config = config
        self._bench = bench
        self._engine = engine
        self._folder = folder / FOLDER
        self._policy_name = policy_name
        self._max_new_tokens = max_new_tokens
        self._stop_strings = stop_strings
        most = max(config.problems, config.every_problems if config.every else 0)
        self._problems = held_out_problems(recipe, most)
        self._chance = chance_levels(recipe)

    def at(self, iteration: int, *, full: bool) -> Evaluation | None:
        """The evaluation after `iteration` iterations; None where the tasks hold nothing out.

        `full`: with all problems and samples of the recipe, else with those of `every_problems` and
        `every_samples`.
        """
        config = self._config
        if not full:
            config = config.model_copy(
                update={"problems": config.every_problems, "samples": config.every_samples}
            )
        problems = select_problems(self._problems, config.problems)
        if not problems:
            return None
        name = f"iteration-{iteration:06d}" + ("" if full else "-part")
        return self._evaluate(problems, config, self._folder / name, iteration)

    def _evaluate(
        self, problems: Sequence[Problem], config: EvaluationConfig, folder: Path, iteration: int
    ) -> Evaluation:
        bench = self._bench
        return evaluate_policy(
            self._engine,
            problems,
            bench.template,
            config,
            encode=bench.tokenizer.encode,
            stop_token_ids=bench.stop_token_ids,
            seed=derive_seed(self._recipe.seed, "held-out"),
            apply_chat=bench.apply_chat,
            stop_strings=self._stop_strings,
            max_new_tokens=self._max_new_tokens,
            chance=self._chance,
            policy=f"{self._policy_name}@{iteration}",
            folder=folder,
        )
