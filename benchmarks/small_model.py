"""The network both sides load: a Hugging Face folder with random weights and a tokenizer of its own."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from benchmarks.shapes import NUM_SPECIAL, SEED, ModelShape, word
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from ponder.models.architecture import ModelConfig, RopeConfig
from ponder.models.folder import save_policy
from ponder.models.tokenizer import load_tokenizer
from ponder.models.transformer import Transformer

END, PAD, UNKNOWN = "<|end|>", "<|pad|>", "<|unknown|>"


def write_model(folder: Path, shape: ModelShape, max_positions: int) -> None:
    """Writes the folder: seeded weights of standard deviation 0.02, one word per token."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder, shape.vocab_size)
    config = ModelConfig(
        family="qwen2",
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_layers=shape.num_layers,
        num_heads=shape.num_heads,
        num_kv_heads=shape.num_kv_heads,
        head_dim=shape.head_dim,
        max_positions=max_positions,
        rope=RopeConfig(10_000.0),
        tie_embeddings=True,
        qkv_bias=True,
        eos_token_ids=(0,),
        pad_token_id=1,
    )
    torch.manual_seed(SEED)
    policy = Transformer(config)
    # Sampling options of the folder would reach only one of the two sides.
    settings = {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "top_k": 0}
    save_policy(policy, folder, load_tokenizer(folder), settings)


def _write_tokenizer(folder: Path, vocab_size: int) -> None:
    specials = (END, PAD, UNKNOWN)
    assert len(specials) == NUM_SPECIAL
    vocab = {token: index for index, token in enumerate(specials)}
    vocab |= {word(index): index for index in range(NUM_SPECIAL, vocab_size)}
    backend = Tokenizer(models.WordLevel(vocab, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens([AddedToken(token, special=True) for token in specials])
    backend.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": UNKNOWN,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1_000_000,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
