"""A really pretrained model, converted, must give the text its page says it gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ponder.models.folder import load_policy
from ponder.models.tokenizer import load_tokenizer
from ponder.types import Packing, Span
from stories260k import BOS_ID, PUBLISHED_STEPS, convert_stories, find_stories, published_text

SOURCE = find_stories()
pytestmark = pytest.mark.skipif(SOURCE is None, reason="stories260K is not here; set PONDER_STORIES260K")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert SOURCE is not None
    return convert_stories(SOURCE, tmp_path_factory.mktemp("stories"))


def test_greedy_text_is_the_published_one(folder: Path) -> None:
    policy, tokenizer = load_policy(folder), load_tokenizer(folder)
    token_ids = [BOS_ID]
    with torch.no_grad():
        for _ in range(PUBLISHED_STEPS):
            row = torch.tensor(token_ids)
            packing = Packing((Span(0, len(token_ids)),))
            hidden = policy.hidden(row, torch.arange(len(row)), packing)
            token_ids.append(int(policy.logits(hidden[-1:]).argmax()))
            if token_ids[-1] == BOS_ID:
                break
    assert SOURCE is not None
    # The page shows the text cut at the end of its last line.
    assert tokenizer.decode(token_ids[1:]).strip().startswith(published_text(SOURCE))


def test_tokenizer_round_trip_and_bytes(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    text = "Once upon a time, there was a café."
    token_ids = tokenizer.encode(text)
    assert tokenizer.decode(token_ids) == text
    assert b"".join(tokenizer.token_bytes(token) for token in token_ids) == b" " + text.encode()


def test_transformers_gives_the_same_logits(folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    tokenizer = load_tokenizer(folder)
    row = torch.tensor([BOS_ID, *tokenizer.encode("Lily and Tom went to the park.")])
    theirs = AutoModelForCausalLM.from_pretrained(folder)(row[None]).logits[0]
    policy = load_policy(folder)
    ours = policy.logits(policy.hidden(row, torch.arange(len(row)), Packing((Span(0, len(row)),))))
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()
