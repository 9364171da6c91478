"""When a completion ends: a stop token, a stop string (also across token borders), or the cap.

Stop strings are matched on bytes, so a character cut in two by a token border is no obstacle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ponder.errors import ModelError, UserError
from ponder.types import SamplingParams


class EngineTokenizer(Protocol):
    """What an engine needs to know of a tokenizer."""

    @property
    def vocab_size(self) -> int: ...
    @property
    def eos_id(self) -> int | None: ...
    def decode(self, token_ids: Sequence[int], /) -> str: ...
    def token_bytes(self, token_id: int, /) -> bytes: ...


class StopRule:
    """The stop tokens and stop strings of one call of `generate`, as tables over the vocabulary."""

    def __init__(
        self,
        sampling: SamplingParams,
        tokenizer: EngineTokenizer,
        vocab_size: int,
        eos_ids: Iterable[int] = (),
    ) -> None:
        """`vocab_size` is the network's (it may exceed the tokenizer's); `eos_ids` stop as stop tokens do."""
        for token in sampling.stop_token_ids:
            if not 0 <= token < vocab_size:
                raise UserError(
                    f"stop_token_ids: {token} is not a token of this model; allowed: 0 to {vocab_size - 1}"
                )
        if "" in sampling.stop_strings:
            raise UserError("stop_strings: an empty string would stop before the first token; remove it")
        self._tokenizer = tokenizer
        self._strings = tuple(text.encode() for text in sampling.stop_strings)
        self._longest = max((len(text) for text in self._strings), default=0)
        self.stop_tokens_V: NDArray[np.bool_] = np.zeros(vocab_size, dtype=bool)
        self.stop_tokens_V[
            [*sampling.stop_token_ids, *(token for token in eos_ids if token < vocab_size)]
        ] = True
        self.may_end_string_V: NDArray[np.bool_] = np.zeros(vocab_size, dtype=bool)
        if self._strings:
            for token in range(min(vocab_size, tokenizer.vocab_size)):
                self.may_end_string_V[token] = self._may_end(self._piece(token))

    def _piece(self, token: int) -> bytes:
        """What a token writes; nothing for an id that only pads the network's vocabulary."""
        try:
            return self._tokenizer.token_bytes(token)
        except ModelError:
            return b""

    def _may_end(self, piece: bytes) -> bool:
        """Whether a stop string can end inside this piece; all others need no look at the text."""
        if not piece:
            return False
        for text in self._strings:
            if text in piece:
                return True
            if any(text.endswith(piece[:end]) for end in range(1, min(len(piece), len(text)) + 1)):
                return True
        return False

    @property
    def has_strings(self) -> bool:
        return bool(self._strings)

    def ends_string(self, token_ids: Sequence[int]) -> bool:
        """Whether a stop string ends inside the last of these tokens."""
        tail = last = self._piece(token_ids[-1])
        for token in reversed(token_ids[:-1]):
            if len(tail) - len(last) >= self._longest:
                break
            tail = self._piece(token) + tail
        # A match that ended earlier would have stopped the row earlier.
        first_end = len(tail) - len(last) + 1
        return any(tail.find(text, max(0, first_end - len(text))) >= 0 for text in self._strings)
