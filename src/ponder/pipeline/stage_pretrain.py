"""Stage `pretrain`: a new model, trained to predict the next token of a corpus."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch

from ponder.config import PretrainStage
from ponder.errors import ModelError
from ponder.models.architecture import ModelConfig
from ponder.models.folder import load_policy, save_policy
from ponder.models.policy import Policy
from ponder.models.registry import resolve_model
from ponder.models.tokenizer import Tokenizer, load_tokenizer
from ponder.models.transformer import Transformer
from ponder.pipeline.machine import pick_device, set_threads
from ponder.pipeline.stage_context import StageContext, StageResult
from ponder.pipeline.stage_rl import POLICY_FOLDER
from ponder.seeding import derive_rng, derive_seed
from ponder.storage.crashpoints import crash_point
from ponder.storage.files import publish_directory
from ponder.storage.manifest import verify_directory
from ponder.tasks.corpus import documents, text_documents
from ponder.tasks.tiny_tokenizer import byte_tokenizer_files, tiny_tokenizer_files
from ponder.training.pretraining import Document, PretrainJob, num_steps, pretrain
from ponder.types import Artifact, ArtifactKind

SHARD_DOCUMENTS = 2_000
"""Documents of the generated corpus that are made and encoded at once."""


def run_pretrain(context: StageContext) -> StageResult:
    """Trains, and leaves the model as a Hugging Face folder; or stops where a limit is reached."""
    stage, recipe = context.stage, context.recipe
    assert isinstance(stage, PretrainStage)
    set_threads(recipe.hardware)
    device = pick_device(recipe.hardware)
    tokenizer = make_tokenizer(stage.tokenizer)
    policy = make_policy(stage, tokenizer, recipe.seed, device)
    policy.gradient_checkpointing = recipe.hardware.gradient_checkpointing
    policy.compute_dtype = torch.bfloat16 if recipe.hardware.dtype == "bfloat16" else torch.float32

    def write_model(folder: Path) -> None:
        save_policy(policy, folder, tokenizer)

    def load_weights(folder: Path) -> None:
        policy.load_state_dict(load_policy(folder, device=device).state_dict())

    job = PretrainJob(
        stage=stage,
        folder=context.directory.path,
        policy=policy,
        shard=corpus_shards(stage, tokenizer, recipe.seed),
        write_model=write_model,
        load_weights=load_weights,
        limits=context.limits,
        device=device,
        micro_batch_tokens=recipe.hardware.micro_batch_tokens,
    )
    done = pretrain(job)
    cost = {"tokens_trained": float(done.tokens)}
    if done.step < num_steps(stage):
        return StageResult(False, cost=cost)
    folder = context.directory.path / POLICY_FOLDER
    crash_point("stage/before-publish")
    digest = verify_directory(folder) if folder.exists() else publish_directory(write_model, folder)
    return StageResult(True, {"policy": Artifact(ArtifactKind.CHECKPOINT, folder, digest)}, cost)


def make_tokenizer(name: str) -> Tokenizer:
    """The tokenizer called `tiny` (the small world's) or `bytes`, or that of a model's name or folder."""
    made: dict[str, Callable[[], dict[str, str]]] = {
        "tiny": tiny_tokenizer_files,
        "bytes": byte_tokenizer_files,
    }
    if name not in made:
        return load_tokenizer(resolve_model(name))
    with tempfile.TemporaryDirectory() as folder:
        for file, content in made[name]().items():
            Path(folder, file).write_text(content, encoding="utf-8")
        return load_tokenizer(folder)


def make_policy(stage: PretrainStage, tokenizer: Tokenizer, seed: int, device: torch.device) -> Policy:
    """A network with random weights, decided by the seed; head and embeddings are one matrix.

    Raises ModelError when the width does not divide into the heads.
    """
    if stage.hidden_size % stage.num_heads or stage.num_heads % stage.num_kv_heads:
        raise ModelError(
            f"stages.{stage.name}: hidden_size {stage.hidden_size} must be a multiple of num_heads "
            f"{stage.num_heads}, and that of num_kv_heads {stage.num_kv_heads}."
        )
    config = ModelConfig(
        family=stage.architecture,
        vocab_size=-(-tokenizer.vocab_size // 16) * 16,
        hidden_size=stage.hidden_size,
        intermediate_size=stage.intermediate_size,
        num_layers=stage.num_layers,
        num_heads=stage.num_heads,
        num_kv_heads=stage.num_kv_heads,
        head_dim=stage.hidden_size // stage.num_heads,
        max_positions=stage.max_positions,
        tie_embeddings=True,
        qkv_bias=stage.architecture == "qwen2",
        qk_norm=stage.architecture == "qwen3",
        eos_token_ids=(tokenizer.eos_id,),
        pad_token_id=tokenizer.pad_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, stage.name, "weights"))
        return Transformer(config).to(device)


def corpus_shards(stage: PretrainStage, tokenizer: Tokenizer, seed: int) -> Callable[[int], list[Document]]:
    """Number -> the documents of that shard, encoded, each with the end-of-sequence token.

    The generated corpus has no end. A shard of a file is one epoch over it, in an order of its own.
    Documents longer than the model's context are cut there.
    """
    longest = stage.max_positions

    def encode(texts: list[str]) -> list[Document]:
        return [[*ids, tokenizer.eos_id][:longest] for ids in tokenizer.encode_batch(texts) if ids]

    @lru_cache(maxsize=1)
    def world(number: int) -> list[Document]:
        return encode(list(documents(derive_seed(seed, stage.name), number, SHARD_DOCUMENTS)))

    if stage.corpus == "world":
        return world
    encoded = encode(list(text_documents(Path(stage.corpus), stage.text_column)))

    @lru_cache(maxsize=1)
    def epoch(number: int) -> list[Document]:
        order = list(range(len(encoded)))
        derive_rng(seed, stage.name, "epoch", number).shuffle(order)
        return [encoded[index] for index in order]

    return epoch
