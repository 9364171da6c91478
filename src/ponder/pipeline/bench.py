"""A model on the bench: network, tokenizer and template, ready to be asked problems."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from ponder.config import EngineConfig, HardwareConfig, LoRAConfig
from ponder.models.folder import check_tokenizer, load_policy, save_policy
from ponder.models.lora import has_adapter
from ponder.models.policy import Policy
from ponder.models.registry import resolve_model
from ponder.models.tokenizer import Tokenizer, load_tokenizer
from ponder.pipeline.chat_template import chat_renderer
from ponder.pipeline.machine import pick_device
from ponder.prompting import Template, load_template
from ponder.prompting.templates import ApplyChat
from ponder.rollout import make_engine
from ponder.seeding import derive_seed
from ponder.types import Problem, Prompt, RolloutEngine

GENERATION = {"do_sample": True, "temperature": 0.6, "top_p": 0.95}
"""How the paper samples in its evaluations; written into the checkpoints' generation_config.json."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A loaded model and what is needed to ask it a problem."""

    folder: Path
    policy: Policy
    tokenizer: Tokenizer
    template: Template
    apply_chat: ApplyChat | None
    device: torch.device

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """Tokens that end a completion: the tokenizer's and those of generation_config.json."""
        return tuple(sorted({self.tokenizer.eos_id, *self.policy.config.eos_token_ids}))

    def render(self, problem: Problem) -> Prompt:
        """What the policy sees of a problem."""
        return self.template.render(problem, self.tokenizer.encode, self.apply_chat)

    def weights_hash(self) -> str:
        """SHA-256 of the policy's weights as they are now."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.policy.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def engine(self, config: EngineConfig) -> RolloutEngine:
        """An engine that samples from this policy. Raises RecipeError for an unknown kind."""
        return make_engine(config, self.policy, self.tokenizer)

    def write_model(self, folder: Path) -> None:
        """Writes the policy as a Hugging Face folder that opens in `transformers`."""
        save_policy(self.policy, folder, self.tokenizer, GENERATION)

    def load_weights(self, folder: Path) -> None:
        """Puts the weights of a checkpoint of this policy into it.

        Checkpoints of a policy with adapters hold them merged; the adapters themselves are in the
        trainer's state, and the rest is what it was.
        """
        if has_adapter(self.policy):
            return
        saved = load_policy(folder, device=str(self.device))
        self.policy.load_state_dict(saved.state_dict())


def open_bench(
    model: str | Path,
    template: str,
    hardware: HardwareConfig,
    lora: LoRAConfig | None = None,
    seed: int = 0,
) -> Bench:
    """The model of a name or folder, on the device and in the precision that `hardware` asks for.

    `seed` decides the first values of new adapters. Raises ModelError when model and tokenizer are
    missing, damaged or do not belong together.
    """
    folder = resolve_model(model)
    tokenizer = load_tokenizer(folder)
    device = pick_device(hardware)
    dtype = torch.bfloat16 if hardware.dtype == "bfloat16" else torch.float32
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "adapters"))
        policy = load_policy(folder, device=str(device), dtype=dtype, lora=lora)
    check_tokenizer(tokenizer, policy.config)
    policy.gradient_checkpointing = hardware.gradient_checkpointing
    policy.eval()
    return Bench(folder, policy, tokenizer, load_template(template), chat_renderer(tokenizer), device)
