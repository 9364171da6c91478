"""Token ids and text, both ways, without anything added or lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from ponder.errors import ModelError
from ponder.models.tokenizer import Tokenizer, load_tokenizer

TEXTS = ["What is 7 + 12?", "甲是骑士 and café\n\n  end", "<think>\nno</think><|end|>", "\U0001f600!", ""]


@pytest.fixture(scope="module")
def byte_level() -> Tokenizer:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(TEXTS * 3, trainer)
    backend.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
    backend.add_special_tokens(["<|end|>", "<|pad|>"])
    return Tokenizer(backend, {"eos_token": {"content": "<|end|>"}, "pad_token": "<|pad|>"})


@pytest.mark.parametrize("text", TEXTS)
def test_round_trip_and_bytes(byte_level: Tokenizer, text: str) -> None:
    token_ids = byte_level.encode(text)
    assert byte_level.decode(token_ids) == text
    assert b"".join(byte_level.token_bytes(token) for token in token_ids) == text.encode()
    assert byte_level.encode_batch([text, "x"])[0] == token_ids


def test_special_tokens_are_single_and_kept(byte_level: Tokenizer) -> None:
    token_ids = byte_level.encode("<think>a</think><|end|>")
    assert len(token_ids) == 4
    assert token_ids[-1] == byte_level.eos_id == byte_level.id_of("<|end|>")
    assert byte_level.pad_id == byte_level.id_of("<|pad|>") != byte_level.eos_id
    assert byte_level.id_of("<nothing>") is None
    assert max(token_ids) < byte_level.vocab_size


def test_require_names_every_missing_token(byte_level: Tokenizer) -> None:
    assert byte_level.require(["<think>", "</think>"], "the template") == tuple(
        byte_level.encode("<think></think>")
    )
    with pytest.raises(ModelError, match=r"the template needs the tokens '<answer>', '<x>'"):
        byte_level.require(["<think>", "<answer>", "<x>"], "the template")


def test_save_and_load(byte_level: Tokenizer, tmp_path: Path) -> None:
    byte_level.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert [again.encode(text) for text in TEXTS] == [byte_level.encode(text) for text in TEXTS]
    assert (again.eos_id, again.pad_id, again.vocab_size) == (
        byte_level.eos_id,
        byte_level.pad_id,
        byte_level.vocab_size,
    )


def test_transformers_reads_what_is_saved(byte_level: Tokenizer, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    byte_level.companions["chat_template.jinja"] = "{% for m in messages %}{{ m.content }}{% endfor %}"
    byte_level.save(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert theirs.eos_token == "<|end|>"
    assert theirs.pad_token == "<|pad|>"
    assert theirs.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) == "hi"
    for text in TEXTS:
        assert theirs.encode(text, add_special_tokens=False) == byte_level.encode(text)


def test_byte_fallback_bytes() -> None:
    vocabulary = {"<s>": 0, "\u2581a": 1, "b": 2, "<0xC3>": 3, "<0xA9>": 4}
    backend = Backend(models.BPE(vocabulary, [], byte_fallback=True))
    backend.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer = Tokenizer(backend, {"eos_token": "<s>"})
    token_ids = [1, 2, 3, 4]
    assert b"".join(map(tokenizer.token_bytes, token_ids)).decode() == " abé" == tokenizer.decode(token_ids)
    with pytest.raises(ModelError, match="no token 9"):
        tokenizer.token_bytes(9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({}, "no eos_token"), ({"eos_token": "<gone>"}, "'<gone>', which is not in the vocabulary")],
)
def test_an_end_token_is_required(
    byte_level: Tokenizer, tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    byte_level.save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=message):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("tokenizer.json", "{", "cannot be read"),
        ("tokenizer_config.json", "[]", "must hold a JSON object"),
        ("tokenizer_config.json", "{", "not valid JSON"),
    ],
)
def test_damaged_files_are_named(
    byte_level: Tokenizer, tmp_path: Path, file: str, content: str, message: str
) -> None:
    byte_level.save(tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(ModelError, match=message):
        load_tokenizer(tmp_path)


def test_no_tokenizer_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing to make one from"):
        load_tokenizer(tmp_path)
    with pytest.raises(ModelError, match="not a folder"):
        load_tokenizer(tmp_path / "absent")


def test_chat_template_by_name(byte_level: Tokenizer) -> None:
    entries = [{"name": "tool", "template": "T"}, {"name": "default", "template": "D"}]
    tokenizer = Tokenizer(byte_level.backend, {"eos_token": "<|end|>", "chat_template": entries})
    assert tokenizer.chat_template == "D"
