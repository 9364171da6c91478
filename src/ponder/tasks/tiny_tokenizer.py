"""The tokenizer of the small world, trained on its own corpus.

Byte-level BPE: any text tokenises. Digits and punctuation marks are single tokens, so a step of
a trace has one tokenisation; words become single tokens because the corpus has few of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ponder.tasks.corpus import documents

END, PAD = "<|end|>", "<|pad|>"
SPECIAL_TOKENS: tuple[str, ...] = (
    END,
    PAD,
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "<reasoning>",
    "</reasoning>",
    "|special_token|",
    "|special_token_2|",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    *(f"<|spare_{i}|>" for i in range(32)),
)
VOCAB_SIZE = 768

_PIECES = r"\p{N}| ?\p{Han}+| ?[\p{L}&&[^\p{Han}]]+|\n|[^\s\p{L}\p{N}]| +"


def train_tokenizer(texts: Iterable[str], vocab_size: int = VOCAB_SIZE) -> Any:
    """A `tokenizers.Tokenizer` trained on `texts`: 256 bytes, the special tokens, then merges."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


TRAINED_ON = 20_000
"""Documents of shard -1, which pre-training never reads."""

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tiny_tokenizer_files() -> dict[str, str]:
    """File name -> content of the shipped tokenizer, trained on the corpus anew."""
    tokenizer = train_tokenizer(documents(0, -1, TRAINED_ON))
    return _files(tokenizer)


def byte_tokenizer_files() -> dict[str, str]:
    """A tokenizer of the 256 bytes and the special tokens alone: any text, nothing learned."""
    return _files(train_tokenizer((), vocab_size=256 + len(SPECIAL_TOKENS)))


def _files(tokenizer: Any) -> dict[str, str]:
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
    }
    return {
        "tokenizer.json": tokenizer.to_str(pretty=True),
        "tokenizer_config.json": json.dumps(settings, indent=2) + "\n",
        "chat_template.jinja": CHAT_TEMPLATE,
    }
