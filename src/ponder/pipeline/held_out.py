"""Evaluation of a stage's policy on problems it is never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ponder.config import EvaluationConfig, Recipe
from ponder.evaluation import Evaluation, evaluate_policy, select_problems
from ponder.pipeline.bench import Bench
from ponder.pipeline.preflight import check_context, check_references
from ponder.pipeline.problems import chance_levels, held_out_problems
from ponder.pipeline.stage_context import Say
from ponder.seeding import derive_seed
from ponder.types import Problem, RolloutEngine

FOLDER = "evaluations"


def held_out_prompts(
    recipe: Recipe, config: EvaluationConfig, bench: Bench, max_new_tokens: int, say: Say
) -> list[Problem]:
    """The held-out problems that can be asked; it is said when some are too long for the engine.

    Raises PreflightError for references that cannot be read, ModelError when prompt and completion
    exceed the model's context.
    """
    most = max(config.problems, config.every_problems if config.every else 0)
    problems = held_out_problems(recipe, most)
    limit = recipe.engine.max_prompt_tokens
    lengths = {problem.id: len(bench.render(problem).token_ids) for problem in problems}
    kept = [problem for problem in problems if lengths[problem.id] <= limit]
    if len(kept) < len(problems):
        say(
            f"Preflight: {len(problems) - len(kept)} of {len(problems)} held-out prompts are longer than "
            f"engine.max_prompt_tokens = {limit} and are left out."
        )
    check_references(kept)
    longest = max((lengths[problem.id] for problem in kept), default=0)
    cap = config.max_new_tokens or max_new_tokens
    check_context(longest, cap, bench.policy.config.max_positions, "evaluate.max_new_tokens")
    return kept


class HeldOut:
    """The held-out problems of a run, and the evaluations of one stage on them.

    An evaluation lies in `evaluations/iteration-NNNNNN` of the stage's folder. It is read back when it
    is asked for again of the same weights, so that a run that was stopped loses none, and made again
    when the run came back to this iteration with others.
    """

    def __init__(
        self,
        recipe: Recipe,
        config: EvaluationConfig,
        bench: Bench,
        engine: RolloutEngine,
        folder: Path,
        max_new_tokens: int,
        say: Say,
        stop_strings: tuple[str, ...] = (),
    ):
        self._recipe = recipe
        self._config = config
        self._bench = bench
        self._engine = engine
        self._folder = folder / FOLDER
        self._max_new_tokens = max_new_tokens
        self._stop_strings = (*stop_strings, *config.stop)
        self._problems = held_out_prompts(recipe, config, bench, max_new_tokens, say)
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
        return self._evaluate(problems, config, self._folder / name)

    def _evaluate(self, problems: Sequence[Problem], config: EvaluationConfig, folder: Path) -> Evaluation:
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
            policy=bench.weights_hash(),
            folder=folder,
            replace=True,
        )
