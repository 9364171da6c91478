"""Text to token ids and back, from the tokenizer.json of a Hugging Face folder.

Read with `tokenizers` directly: milliseconds, where `transformers` takes seconds to import.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from ponder.errors import ModelError

_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_COMPANIONS = ("special_tokens_map.json", "added_tokens.json", "chat_template.jinja")


class Tokenizer:
    """Encodes with nothing added and decodes with nothing taken away."""

    def __init__(
        self,
        backend: Backend,
        settings: Mapping[str, Any] | None = None,
        companions: Mapping[str, str] | None = None,
        source: str = "tokenizer",
    ) -> None:
        """`settings` is tokenizer_config.json, `companions` further files by name, `source` for errors.

        Raises ModelError when the end-of-sequence token is missing.
        """
        self.backend = backend
        self.settings = dict(settings or {})
        self.companions = dict(companions or {})
        self.source = source
        backend.no_padding()
        backend.no_truncation()
        eos = self._named_token("eos_token")
        if eos is None:
            raise ModelError(
                f"{source}: no eos_token, so nothing says where a completion ends. "
                'Add "eos_token" to tokenizer_config.json, naming a token of the vocabulary.'
            )
        self.eos_id: int = eos
        self.pad_id: int | None = self._named_token("pad_token")

    def _named_token(self, key: str) -> int | None:
        """The id of a token that tokenizer_config.json or special_tokens_map.json names."""
        value = self.settings.get(key)
        if value is None and "special_tokens_map.json" in self.companions:
            value = json.loads(self.companions["special_tokens_map.json"]).get(key)
        text = value.get("content") if isinstance(value, Mapping) else value
        if text is None:
            return None
        token_id = self.id_of(str(text))
        if token_id is None:
            raise ModelError(f"{self.source}: {key} is {text!r}, which is not in the vocabulary")
        return token_id

    @property
    def vocab_size(self) -> int:
        """Number of token ids, added tokens included."""
        return int(self.backend.get_vocab_size(with_added_tokens=True))

    @property
    def chat_template(self) -> str | None:
        """The Jinja source of the chat template, None if the folder has none."""
        template = self.companions.get("chat_template.jinja") or self.settings.get("chat_template")
        if isinstance(template, list):
            named = {entry["name"]: entry["template"] for entry in template}
            template = named.get("default")
        return str(template) if template else None

    def encode(self, text: str) -> list[int]:
        """Token ids of the text; special tokens written in it are recognised, none is added."""
        return list(self.backend.encode(text, add_special_tokens=False).ids)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of many texts at once, in parallel when the process allows threads."""
        return [list(item.ids) for item in self.backend.encode_batch(texts, add_special_tokens=False)]

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of the ids, special tokens kept; bytes that are no UTF-8 become U+FFFD."""
        return str(self.backend.decode(list(token_ids), skip_special_tokens=False))

    def id_of(self, token: str) -> int | None:
        """The id of a token given by its text, None if the vocabulary has no such token."""
        token_id = self.backend.token_to_id(token)
        return None if token_id is None else int(token_id)

    def require(self, tokens: Iterable[str], purpose: str) -> tuple[int, ...]:
        """The ids of tokens that must exist. Raises ModelError naming all that do not."""
        wanted = tuple(tokens)
        missing = [token for token in wanted if self.id_of(token) is None]
        if missing:
            raise ModelError(
                f"{self.source}: {purpose} needs the tokens {', '.join(map(repr, missing))}, which the "
                "vocabulary does not have. Add them, or choose a template that writes them as text."
            )
        return tuple(token_id for token in wanted if (token_id := self.id_of(token)) is not None)

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token adds to the text, however the vocabulary spells them.

        Concatenated over a completion they give its text, also where a character is split over
        tokens. Raises ModelError for an id that does not exist.
        """
        if token_id in self._added:
            return self._added[token_id].encode()
        piece = self.backend.id_to_token(token_id)
        if piece is None:
            raise ModelError(f"{self.source}: there is no token {token_id}")
        if self._byte_level:
            return b"".join(_BYTE_OF.get(character) or character.encode() for character in piece)
        match = _BYTE_PIECE.fullmatch(piece)
        if match and self._byte_fallback:
            return bytes([int(match[1], 16)])
        return str(piece).replace(self._space, " ").encode()

    @cached_property
    def _added(self) -> dict[int, str]:
        return {
            int(key): str(token.content) for key, token in self.backend.get_added_tokens_decoder().items()
        }

    @cached_property
    def _parts(self) -> set[str]:
        """Names of the decoder's parts; they say how pieces spell bytes and spaces."""
        description = json.loads(self.backend.to_str())
        decoder = description.get("decoder") or {}
        steps = decoder.get("decoders", [decoder])
        names = {str(step.get("type")) for step in steps}
        if (description.get("model") or {}).get("byte_fallback"):
            names.add("ByteFallback")
        return names

    @cached_property
    def _byte_level(self) -> bool:
        return "ByteLevel" in self._parts

    @cached_property
    def _byte_fallback(self) -> bool:
        return "ByteFallback" in self._parts

    @cached_property
    def _space(self) -> str:
        return "\u2581" if self._parts & {"Metaspace", "Replace"} else " "

    def save(self, folder: str | Path) -> None:
        """Writes tokenizer.json, tokenizer_config.json and what else the tokenizer came with."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(self.backend.to_str(pretty=True), encoding="utf-8")
        # A token may be written as an object; without its "__type" `transformers` takes only text.
        settings: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast"}
        for key, value in self.settings.items():
            plain = isinstance(value, Mapping) and key.endswith("_token") and "__type" not in value
            settings[key] = value["content"] if plain else value
        text = json.dumps(settings, indent=2, ensure_ascii=False)
        (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
        for name, content in self.companions.items():
            (folder / name).write_text(content, encoding="utf-8")


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer of a model folder.

    Without a tokenizer.json, `transformers` converts what is there. Raises ModelError when there is
    no tokenizer, it cannot be read, or it lacks an end-of-sequence token.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder, so it holds no tokenizer")
    settings = _read_json(folder / "tokenizer_config.json")
    companions = {
        name: (folder / name).read_text(encoding="utf-8") for name in _COMPANIONS if (folder / name).is_file()
    }
    file = folder / "tokenizer.json"
    backend = _read_backend(file) if file.is_file() else _convert(folder)
    return Tokenizer(backend, settings, companions, source=str(folder))


def _read_backend(file: Path) -> Backend:
    try:
        backend: Backend = Backend.from_str(file.read_text(encoding="utf-8"))
    except Exception as error:  # the Rust side raises bare Exception
        raise ModelError(f"{file} cannot be read: {error}") from error
    return backend


def _convert(folder: Path) -> Backend:
    from transformers import AutoTokenizer

    try:
        converted = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError, TypeError) as error:
        raise ModelError(f"{folder} has no tokenizer.json and nothing to make one from: {error}") from error
    backend = getattr(converted, "backend_tokenizer", None)
    if not isinstance(backend, Backend):
        raise ModelError(f"{folder}: its tokenizer has no fast form; save it with a tokenizer.json")
    return backend


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{file} must hold a JSON object")
    return value


def _byte_alphabet() -> dict[str, bytes]:
    """Character -> byte of byte-level vocabularies (GPT-2's table): printable bytes stand for themselves."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): bytes([byte]) for byte in printable}
    table.update({chr(256 + index): bytes([byte]) for index, byte in enumerate(hidden)})
    return table


_BYTE_OF = _byte_alphabet()
