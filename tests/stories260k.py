"""A really pretrained model for tests: stories260K, from llama2.c's format to a Hugging Face folder.

The files are looked for in $PONDER_STORIES260K, else in shared/weights/stories260K beside the
repository. Format: https://github.com/karpathy/llama2.c, `export.py` version 0 and `tokenizer.py`.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers

from ponder.models.architecture import ModelConfig
from ponder.models.folder import save_policy
from ponder.models.tokenizer import Tokenizer
from ponder.models.transformer import Transformer

BOS_ID = 1
PUBLISHED_STEPS = 256
"""`./run -t 0.0` stops after so many tokens."""


def find_stories() -> Path | None:
    """The folder with stories260K.bin, tok512.bin and stories260K.md; None if it is not there."""
    default = Path(__file__).resolve().parents[2] / "shared" / "weights" / "stories260K"
    folder = Path(os.environ.get("PONDER_STORIES260K", default))
    return folder if (folder / "stories260K.bin").is_file() else None


def published_text(source: Path) -> str:
    """What the model's page says greedy decoding gives."""
    page = (source / "stories260K.md").read_text(encoding="utf-8")
    after = page.split("-t 0.0\n", 1)[1]
    return after.split("```", 1)[0].strip()


def convert_stories(source: Path, target: Path) -> Path:
    """Writes the model and its tokenizer to `target` as a Hugging Face folder and returns it."""
    network = _read_network(source / "stories260K.bin")
    save_policy(network, target, _read_tokenizer(source / "tok512.bin"))
    return target


def _read_network(file: Path) -> Transformer:
    raw = file.read_bytes()
    width, inner, layers, heads, kv_heads, vocab, length = struct.unpack("7i", raw[:28])
    values = torch.from_numpy(np.frombuffer(raw, dtype="<f4", offset=28).copy())
    head_dim = width // heads
    config = ModelConfig(
        family="llama",
        vocab_size=vocab,
        hidden_size=width,
        intermediate_size=inner,
        num_layers=layers,
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=head_dim,
        max_positions=length,
        norm_eps=1e-5,
        tie_embeddings=True,
        bos_token_id=BOS_ID,
        eos_token_ids=(BOS_ID,),
    )
    place = 0

    def take(*shape: int) -> torch.Tensor:
        nonlocal place
        count = int(np.prod(shape))
        place += count
        return values[place - count : place].view(shape)

    def halves(weight: torch.Tensor, num_heads: int) -> torch.Tensor:
        """llama2.c rotates neighbours, Hugging Face the two halves of a head."""
        return weight.view(num_heads, head_dim // 2, 2, width).transpose(1, 2).reshape(-1, width)

    tensors = {"model.embed_tokens.weight": take(vocab, width)}
    kv_width = kv_heads * head_dim
    blocks = (
        ("input_layernorm", (width,)),
        ("self_attn.q_proj", (width, width)),
        ("self_attn.k_proj", (kv_width, width)),
        ("self_attn.v_proj", (kv_width, width)),
        ("self_attn.o_proj", (width, width)),
        ("post_attention_layernorm", (width,)),
        ("mlp.gate_proj", (inner, width)),
        ("mlp.down_proj", (width, inner)),
        ("mlp.up_proj", (inner, width)),
    )
    for name, shape in blocks:
        for layer, weight in enumerate(take(layers, *shape)):
            if name.endswith("q_proj"):
                weight = halves(weight, heads)
            elif name.endswith("k_proj"):
                weight = halves(weight, kv_heads)
            tensors[f"model.layers.{layer}.{name}.weight"] = weight
    tensors["model.norm.weight"] = take(width)
    place += length * head_dim  # tables of cos and sin
    assert place == len(values), "the file holds more or less than its header says"
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    network = Transformer(config)
    network.load_state_dict(tensors)
    return network


def _read_tokenizer(file: Path) -> Tokenizer:
    raw = file.read_bytes()
    place = 4
    pieces: list[str] = []
    scores: list[float] = []
    while place < len(raw):
        score, size = struct.unpack_from("<fi", raw, place)
        pieces.append(raw[place + 8 : place + 8 + size].decode("utf-8"))
        scores.append(score)
        place += 8 + size
    pieces[:3] = ["<unk>", "<s>", "</s>"]
    pieces[3:] = [piece.replace(" ", "\u2581") for piece in pieces[3:]]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    merges = sorted(
        (-scores[index], piece[:cut], piece[cut:])
        for piece, index in vocabulary.items()
        if index >= 259
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    )
    backend = Backend(
        models.BPE(
            vocabulary, [(a, b) for _, a, b in merges], unk_token="<unk>", byte_fallback=True, fuse_unk=True
        )
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    backend.add_special_tokens(["<unk>", "<s>", "</s>"])
    return Tokenizer(backend, {"bos_token": "<s>", "eos_token": "<s>", "unk_token": "<unk>"})
