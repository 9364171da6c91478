"""Stop tokens and stop strings, also across token borders and within characters."""

from __future__ import annotations

import pytest

from ponder.errors import ModelError, UserError
from ponder.rollout.stopping import StopRule
from ponder.types import SamplingParams


class Pieces:
    """A tokenizer of whole pieces."""

    eos_id = 0

    def __init__(self, *pieces: str | bytes) -> None:
        self.pieces = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
        self.vocab_size = len(pieces)

    def decode(self, token_ids: list[int]) -> str:
        return b"".join(self.pieces[token] for token in token_ids).decode(errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        return self.pieces[token_id]


def rule(tokenizer: Pieces, *strings: str, ids: tuple[int, ...] = ()) -> StopRule:
    sampling = SamplingParams(9, stop_strings=strings, stop_token_ids=ids)
    return StopRule(sampling, tokenizer, tokenizer.vocab_size, eos_ids=(0,))


def stops_at(tokenizer: Pieces, token_ids: list[int], *strings: str) -> int | None:
    """How many tokens there are when a stop string ends, asked as the engine asks."""
    stop = rule(tokenizer, *strings)
    for count in range(1, len(token_ids) + 1):
        if stop.may_end_string_V[token_ids[count - 1]] and stop.ends_string(token_ids[:count]):
            return count
    return None


def test_a_string_within_one_token_and_across_borders() -> None:
    pieces = Pieces("<e>", "an", "swer", "</an", "er", ">", " end. ok", "x")
    assert stops_at(pieces, [7, 3, 2, 5, 7], "</answer>") == 4
    assert stops_at(pieces, [7, 6, 7], "end.") == 2
    assert stops_at(pieces, [1, 2, 1], "answer") == 2
    assert stops_at(pieces, [3, 4, 5], "</answer>") is None
    assert stops_at(pieces, [7, 7, 7], "xxx", "yy") == 3


def test_a_string_that_ends_before_the_last_token_is_not_found_again() -> None:
    pieces = Pieces("<e>", "stop", "now", "st", "op!")
    stop = rule(pieces, "stop")
    assert stop.ends_string([1])
    assert not stop.ends_string([1, 2])
    assert stop.ends_string([2, 3, 4])
    assert not stop.may_end_string_V[2]


def test_a_character_cut_by_a_token_border() -> None:
    raw = "好。".encode()
    pieces = Pieces("<e>", raw[:2], raw[2:4], raw[4:], "a")
    assert stops_at(pieces, [4, 1, 2, 3, 4], "。") == 4
    assert stops_at(pieces, [4, 1, 2, 3, 4], "好") == 3


def test_repetition_that_overlaps_itself() -> None:
    pieces = Pieces("<e>", "a", "ab", "b")
    # "aab" inside "a a ab": a match may begin anywhere in the tail.
    assert stops_at(pieces, [1, 1, 2], "aab") == 3
    assert stops_at(pieces, [1, 1, 1, 3], "aab") == 4


def test_every_token_that_completes_a_string_is_flagged() -> None:
    pieces = Pieces("<e>", "x</a", "nswer>y", ">z", "nswer", "q")
    stop = rule(pieces, "</answer>")
    flagged = {token for token in range(pieces.vocab_size) if stop.may_end_string_V[token]}
    assert {2, 3} <= flagged
    assert 5 not in flagged
    assert 1 not in flagged


def test_stop_tokens_and_end_of_sequence() -> None:
    pieces = Pieces("<e>", "a", "b")
    stop = rule(pieces, ids=(2,))
    assert stop.stop_tokens_V.tolist() == [True, False, True]
    assert not stop.has_strings


def test_bad_stops_are_refused() -> None:
    pieces = Pieces("<e>", "a")
    with pytest.raises(UserError, match="stop_token_ids: 7"):
        rule(pieces, ids=(7,))
    with pytest.raises(UserError, match="stop_strings"):
        rule(pieces, "")


class Holes(Pieces):
    """Some ids write nothing, as those that pad a network's vocabulary to a round number."""

    def token_bytes(self, token_id: int) -> bytes:
        if token_id >= len(self.pieces) or self.pieces[token_id] == b"hole":
            raise ModelError(f"there is no token {token_id}")
        return self.pieces[token_id]


def test_ids_that_write_nothing_are_no_obstacle() -> None:
    pieces = Holes("<e>", "hole", "</a", ">")
    stop = StopRule(SamplingParams(9, stop_strings=("</a>",)), pieces, 16)
    assert stop.ends_string([2, 1, 15, 3])
    assert not stop.ends_string([2, 15])
    assert not stop.may_end_string_V[[1, 15]].any()
