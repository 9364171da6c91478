"""Stage `rl`: what the reinforcement-learning loop is handed, and what becomes of its policy."""

from __future__ import annotations

from pathlib import Path

from ponder.config import Recipe, RLStage, StageConfig
from ponder.pipeline.bench import Bench, open_bench
from ponder.pipeline.held_out import HeldOut, held_out_prompts
from ponder.pipeline.machine import set_threads
from ponder.pipeline.preflight import Preflight, check_stage, refuse_if_strict
from ponder.pipeline.probe import probe_groups
from ponder.pipeline.problems import sources_of
from ponder.pipeline.stage_context import Say, StageContext, StageResult
from ponder.rewards import RewardWorkers, ScoringSpec
from ponder.seeding import derive_seed
from ponder.storage.checkpoints import checkpoint_numbers
from ponder.storage.crashpoints import crash_point
from ponder.storage.files import publish_directory
from ponder.storage.manifest import verify_directory
from ponder.storage.records import read_timing
from ponder.training.draws import ProblemDraws
from ponder.training.limits import StoppableEngine
from ponder.training.rl import RLJob, train_rl
from ponder.training.rollouts import RolloutPlan
from ponder.training.schedule import conditions_of
from ponder.training.state import Progress
from ponder.training.updates import Updater
from ponder.types import Artifact, ArtifactKind, RolloutEngine

POLICY_FOLDER = "policy"
PREVIEWED = 64
"""Problems of a task without end that the preflight looks at."""


def run_rl(context: StageContext) -> StageResult:
    """Trains, and leaves the policy as a Hugging Face folder; or stops where a limit is reached."""
    stage, recipe = context.stage, context.recipe
    assert isinstance(stage, RLStage)
    set_threads(recipe.hardware)
    bench = open_bench(context.init, recipe.template, recipe.hardware, stage.lora, recipe.seed)
    draws = draws_of(recipe, stage, bench)
    checked = _preflight(recipe, stage, bench, draws, context.strict, context.say)
    engine = StoppableEngine(bench.engine(recipe.engine), context.limits)
    spec = ScoringSpec(
        rewards=stage.rewards,
        tags=bench.template.tags,
        conversational=bench.template.conversational,
        seed=derive_seed(recipe.seed, stage.name, "rewards"),
        isolation=recipe.isolation,
        num_steps=conditions_of(stage, 0).num_steps,
    )
    with RewardWorkers(spec, recipe.hardware.reward_workers, stage.reward_deadline_s) as scorer:
        if not checkpoint_numbers(context.directory.checkpoints):
            _probe(context, stage, bench, checked, engine, scorer)
        job = _job(context, stage, bench, draws, engine, scorer)
        done = train_rl(job)
    if done.iteration < stage.num_iterations:
        return StageResult(False, cost=_cost(context.directory.path, done))
    policy = publish_policy(bench, context.directory.path / POLICY_FOLDER)
    artifact = Artifact(
        ArtifactKind.CHECKPOINT, context.directory.path / POLICY_FOLDER, policy, (context.init_sha256,)
    )
    return StageResult(True, {"policy": artifact}, _cost(context.directory.path, done))


def check_rl(recipe: Recipe, stage: StageConfig, init: Path, strict: bool, say: Say) -> None:
    """What the preflight and the held-out problems say before anything is sampled. Errors as theirs."""
    assert isinstance(stage, RLStage)
    bench = open_bench(init, recipe.template, recipe.hardware)
    _preflight(recipe, stage, bench, draws_of(recipe, stage, bench), strict, say)
    if stage.evaluate is not None:
        held_out_prompts(recipe, stage.evaluate, bench, _cap(stage), say)


def draws_of(recipe: Recipe, stage: RLStage, bench: Bench) -> ProblemDraws:
    """The stage's problems in the order in which they come; prompts that are too long are passed over."""
    limit = recipe.engine.max_prompt_tokens
    return ProblemDraws(
        sources_of(recipe),
        stage.data,
        (recipe.seed, stage.name),
        usable=lambda problem: len(bench.render(problem).token_ids) <= limit,
    )


def _preflight(
    recipe: Recipe, stage: RLStage, bench: Bench, draws: ProblemDraws, strict: bool, say: Say
) -> Preflight:
    """The findings that need no sampling; warnings are said, or refused with --strict."""
    checked = check_stage(
        stage,
        draws.preview(PREVIEWED),
        bench.template,
        bench.tokenizer,
        bench.render,
        bench.policy.config.max_positions,
        recipe.engine,
        bench.stop_token_ids,
    )
    refuse_if_strict(checked.warnings, strict, say)
    return checked


def _probe(
    context: StageContext,
    stage: RLStage,
    bench: Bench,
    checked: Preflight,
    engine: RolloutEngine,
    scorer: RewardWorkers,
) -> None:
    probe = probe_groups(
        stage, checked.problems, bench.render, engine, scorer, bench.stop_token_ids, context.recipe.seed
    )
    refuse_if_strict(probe.warnings(stage.name), context.strict, context.say)


def _job(
    context: StageContext,
    stage: RLStage,
    bench: Bench,
    draws: ProblemDraws,
    engine: RolloutEngine,
    scorer: RewardWorkers,
) -> RLJob:
    recipe = context.recipe
    seed_parts = (recipe.seed, stage.name)
    algorithm = stage.algorithm
    names = ScoringSpec(stage.rewards).names()
    return RLJob(
        stage=stage,
        folder=context.directory.path,
        draws=draws,
        plan=RolloutPlan(
            seed_parts=seed_parts,
            problems_per_iteration=stage.problems_per_iteration,
            group_size=stage.group_size,
            # With a value head a group without variance has a signal, too: it stays, and nothing replaces it.
            max_refills=algorithm.max_refills
            if algorithm.zero_variance == "refill" and algorithm.advantage.estimator != "gae"
            else 0,
            render=bench.render,
        ),
        engine=engine,
        scorer=scorer,
        updater=Updater(bench.policy, stage, seed_parts, bench.device, recipe.hardware.micro_batch_tokens),
        stop_token_ids=bench.stop_token_ids,
        tags=bench.template.tags,
        decode=bench.tokenizer.decode,
        write_model=bench.write_model,
        load_weights=bench.load_weights,
        evaluate=_Evaluations(context, stage, bench, engine),
        reward_weights=dict(zip(names, [reward.weight for reward in stage.rewards], strict=True)),
        limits=context.limits,
    )


class _Evaluations:
    """Called with the number of iterations done; evaluates when the recipe wants it."""

    def __init__(self, context: StageContext, stage: RLStage, bench: Bench, engine: RolloutEngine):
        self._stage = stage
        self._say = context.say
        self._held_out = (
            HeldOut(
                context.recipe,
                stage.evaluate,
                bench,
                engine,
                context.directory.path,
                _cap(stage),
                context.say,
                stage.sampling.stop,
            )
            if stage.evaluate is not None
            else None
        )

    def __call__(self, iteration: int) -> None:
        config = self._stage.evaluate
        if config is None or self._held_out is None:
            return
        if iteration in (0, self._stage.num_iterations):
            self._held_out.at(iteration, full=True)
        if config.every and iteration % config.every == 0:
            self._held_out.at(iteration, full=False)


def _cap(stage: RLStage) -> int:
    """The cap on a completion that is in force at the stage's end; evaluations use it throughout."""
    return conditions_of(stage, stage.num_iterations - 1).length_cap


def publish_policy(bench: Bench, folder: Path) -> str:
    """The content hash of the finished policy's folder; one that is there already is verified."""
    crash_point("stage/before-publish")
    if folder.exists():
        return verify_directory(folder)
    return publish_directory(bench.write_model, folder)


def _cost(folder: Path, done: Progress) -> dict[str, float]:
    """Tokens and groups so far; seconds over every process that worked on the stage."""
    timing = read_timing(folder)
    return {
        "tokens_sampled": float(done.tokens_sampled),
        "groups_issued": float(done.groups_issued),
        "train_s": sum(float(row.get("step_time", 0.0)) for row in timing),
        "rollout_s": sum(float(row.get("rollout_s", 0.0)) for row in timing),
        "update_s": sum(float(row.get("update_s", 0.0)) for row in timing),
    }
