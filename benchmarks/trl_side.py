"""One step of TRL's GRPOTrainer, stopped and started from outside between two steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from benchmarks.forced_lengths import ForcedLengths
from benchmarks.free_reward import free_reward
from benchmarks.settings import COMPLETIONS, CONTINUOUS, continuous_cache
from benchmarks.shapes import Shape, Spec
from datasets import Dataset
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast, TrainerCallback
from transformers.generation import ContinuousBatchingConfig
from trl import GRPOConfig, GRPOTrainer


class TrlSide:
    """Model and trainer, ready for step 0."""

    def __init__(self, spec: Spec, output_folder: Path) -> None:
        self._spec, self._shape = spec, spec.shape
        self._settings = spec.settings
        self._number = 0
        self._tokenizer = load_tokenizer(spec.folder)
        self._model = load_model(spec, self._settings)
        self._model.train()
        self._trainer = make_trainer(
            self._model, self._tokenizer, self._config(output_folder), _prompts(self._shape, spec.num_steps)
        )
        self._forced = ForcedLengths(
            self._model, self._tokenizer.eos_token_id, lambda: self._shape.lengths(self._number)
        )
        self._trained = _Trained(self._trainer)

    def run(self, wait: Callable[[], bool], done: Callable[[dict[str, Any]], None]) -> None:
        """Trains. Before each step `wait` is called; when it returns False, training ends.

        A step lasts from there to the end of the optimizer's step: data, completions, rewards, losses,
        gradients, clipping, and the trainer's own bookkeeping from the step before.
        """
        if wait():
            self._trainer.add_callback(_Gate(self, wait, done))
            self._trainer.train()

    def finish_step(self, seconds: float) -> dict[str, Any]:
        rollout_s = self._forced.take_seconds()
        row = {"seconds": seconds, "rollout_s": rollout_s, "update_s": seconds - rollout_s}
        row |= self._trained.take()
        self._number += 1
        return row

    def rollout(self, number: int) -> dict[str, Any]:
        """The completions of one step by `transformers` alone, as TRL calls it."""
        self._number = number
        prompts = [text for text in self._shape.prompts(number) for _ in range(self._shape.group_size)]
        self._model.eval()
        start = time.perf_counter()
        encoded = self._tokenizer(prompts, return_tensors="pt", padding=True).to(self._spec.device)
        with torch.no_grad():
            if self._settings["completions"] in CONTINUOUS:
                results = self._model.generate_batch(
                    encoded["input_ids"].tolist(),
                    generation_config=self._generation_config(),
                    continuous_batching_config=ContinuousBatchingConfig(**self._cache()),
                    progress_bar=False,
                )
                lengths = [len(result.generated_tokens) for result in results.values()]
                seconds = time.perf_counter() - start
            else:
                ids = self._model.generate(
                    input_ids=encoded["input_ids"],
                    attention_mask=encoded["attention_mask"],
                    generation_config=self._generation_config(),
                )
                ends = ids[:, encoded["input_ids"].shape[1] :] == self._tokenizer.eos_token_id
                lengths = (ends.int().argmax(1) + 1).tolist()
                seconds = time.perf_counter() - start
        return {"seconds": seconds, "lengths": sorted(lengths)}

    def describe(self) -> dict[str, Any]:
        return {"attention": self._model.config._attn_implementation}

    def close(self) -> None:
        """Nothing is left open."""

    def _cache(self) -> dict[str, int]:
        return continuous_cache(self._shape, self._settings["completions"])

    def _generation_config(self) -> GenerationConfig:
        return GenerationConfig(
            max_new_tokens=self._shape.max_tokens,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            pad_token_id=self._tokenizer.pad_token_id,
            eos_token_id=self._tokenizer.eos_token_id,
            cache_implementation=COMPLETIONS[self._settings["completions"]].get("cache_implementation"),
            disable_compile=True,
        )

    def _config(self, output_folder: Path) -> GRPOConfig:
        rows = self._shape.num_completions
        wanted = self._settings["rows_per_pass"]
        per_pass = rows if wanted == "all" else min(rows, int(wanted))
        if rows % per_pass:
            raise ValueError(f"rows_per_pass {per_pass} does not divide the {rows} completions of a step")
        return GRPOConfig(
            **plain_options(output_folder, self._spec.device, self._spec.dtype),
            torch_compile=self._settings["torch_compile"],
            **COMPLETIONS[self._settings["completions"]],
            transformers_continuous_batching_config=self._cache(),
            per_device_train_batch_size=per_pass,
            gradient_accumulation_steps=rows // per_pass,
            num_generations=self._shape.group_size,
            max_completion_length=self._shape.max_tokens,
            max_steps=self._spec.num_steps,
            dataloader_num_workers=self._settings["dataloader_num_workers"],
        )


def plain_options(output_folder: Path, device: str, dtype: str) -> dict[str, Any]:
    """Options of every trainer here: everything off that is not the step itself."""
    return {
        "output_dir": str(output_folder),
        "use_cpu": device == "cpu",
        "bf16": device == "cuda" and dtype == "bfloat16",
        "fp16": False,
        "gradient_checkpointing": False,
        "beta": 0.0,
        "loss_type": "dapo",
        "scale_rewards": "group",
        "num_iterations": 1,
        "epsilon": 0.2,
        "temperature": 1.0,
        "learning_rate": 1e-6,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 1.0,
        "logging_strategy": "no",
        "eval_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "log_completions": False,
        "shuffle_dataset": False,
        "dataloader_pin_memory": device == "cuda",
        "seed": 0,
    }


def load_model(spec: Spec, settings: dict[str, Any]) -> Any:
    """The folder as `transformers` opens it. With bf16 on CUDA float32 weights compute under autocast."""
    model = AutoModelForCausalLM.from_pretrained(
        spec.folder,
        dtype=getattr(torch, settings["weights"]),
        attn_implementation=settings["attn_implementation"],
    )
    return model.to(spec.device)


def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer. `AutoTokenizer` would exchange its rules for those of Qwen2."""
    return PreTrainedTokenizerFast.from_pretrained(folder, padding_side="left")


def make_trainer(model: Any, tokenizer: Any, config: GRPOConfig, dataset: Dataset) -> GRPOTrainer:
    return GRPOTrainer(
        model=model,
        reward_funcs=[free_reward],
        args=config,
        train_dataset=dataset,
        processing_class=tokenizer,
    )


def _prompts(shape: Shape, num_steps: int) -> Dataset:
    return Dataset.from_dict({"prompt": [text for step in range(num_steps) for text in shape.prompts(step)]})


class _Trained:
    """What the trainer's loss was given in a step."""

    def __init__(self, trainer: Any) -> None:
        self._lengths: list[Any] = []
        self._advantages: list[Any] = []
        plain = trainer._compute_loss

        def compute_loss(model: Any, inputs: Any) -> Any:
            self._lengths.append(inputs["completion_mask"])
            self._advantages.append(inputs["advantages"])
            return plain(model, inputs)

        trainer._compute_loss = compute_loss

    def take(self) -> dict[str, Any]:
        lengths = sorted(int(n) for mask in self._lengths for n in mask.sum(1).tolist())
        advantages = sorted(
            round(float(a), 4) for part in self._advantages for a in part.reshape(-1).tolist()
        )
        self._lengths, self._advantages = [], []
        return {"lengths": lengths, "advantages": advantages}


class _Gate(TrainerCallback):  # type: ignore[misc]
    """Times each step and waits between steps."""

    def __init__(
        self, side: TrlSide, wait: Callable[[], bool], done: Callable[[dict[str, Any]], None]
    ) -> None:
        self._side, self._wait, self._done = side, wait, done
        self._start = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> Any:
        if self._side._spec.device == "cuda":
            torch.cuda.synchronize()
        self._done(self._side.finish_step(time.perf_counter() - self._start))
        if state.global_step < self._side._spec.num_steps:
            control.should_training_stop = not self._wait()
        self._start = time.perf_counter()
        return control
