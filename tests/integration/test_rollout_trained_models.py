"""The local engine on trained networks: greedy tokens as `transformers` gives them, bits without company."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from ponder.models.folder import load_policy
from ponder.models.registry import resolve_model, shipped_models
from ponder.models.tokenizer import load_tokenizer
from ponder.rollout import LocalEngine
from ponder.types import Problem, Prompt, RolloutRequest, SamplingParams
from stories260k import BOS_ID, PUBLISHED_STEPS, convert_stories, find_stories, published_text

QUESTIONS = (
    "3 + 4 - 2 + 5 =",
    "Question: is the number of ones in 1 0 1 1 0 even or odd?",
    "7 + 8 - 6",
    "使用 3 4 5 得到 12",
    "A says that B is a knave.",
    "甲说乙是骑士。",
    "What is 9 - 4 + 2?",
    "<think>",
)
NEAR_TIE = 1e-4


def ask(tokenizer, texts, members: int = 1) -> list[RolloutRequest]:
    requests = []
    for index, text in enumerate(texts):
        problem = Problem(f"q{index}", "text", ({"role": "user", "content": text},), "exact", "")
        seeds = tuple(1000 * index + member for member in range(members))
        requests.append(RolloutRequest(Prompt(problem, tuple(tokenizer.encode(text))), seeds))
    return requests


def first_difference_is_a_near_tie(network, prompt, ours, theirs) -> bool:
    """Whether the two continuations part at a step whose best two logits are nearly equal."""
    step = next(i for i, (one, two) in enumerate(zip(ours, theirs, strict=False)) if one != two)
    with torch.no_grad():
        logits = network(torch.tensor([[*prompt, *ours[:step]]])).logits[0, -1]
    best, second = logits.topk(2).values.tolist()
    return best - second < NEAR_TIE


@pytest.mark.parametrize("name", shipped_models())
def test_greedy_tokens_on_the_shipped_bases_equal_transformers(name: str) -> None:
    folder = resolve_model(name)
    policy, tokenizer = load_policy(folder), load_tokenizer(folder)
    network = AutoModelForCausalLM.from_pretrained(folder).eval()
    requests = ask(tokenizer, QUESTIONS)
    engine = LocalEngine(policy, tokenizer, stop_at_eos=False)
    groups = dict(engine.generate(requests, SamplingParams(48, temperature=0)))
    ties = 0
    for index, request in enumerate(requests):
        prompt, ours = request.prompt.token_ids, groups[index].completions[0].token_ids
        ids = torch.tensor([prompt])
        with torch.no_grad():
            output = network.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=48,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )
        theirs = tuple(output[0, len(prompt) :].tolist())
        if ours != theirs:
            ties += 1
            assert first_difference_is_a_near_tie(network, prompt, ours, theirs)
    assert ties <= 1


@pytest.mark.parametrize("name", shipped_models())
def test_bits_of_64_completions_on_the_shipped_bases_do_not_depend_on_company(name: str) -> None:
    folder = resolve_model(name)
    policy, tokenizer = load_policy(folder), load_tokenizer(folder)
    requests, sampling = ask(tokenizer, QUESTIONS, members=8), SamplingParams(24)
    together = dict(LocalEngine(policy, tokenizer).generate(requests, sampling))
    shuffled = dict(LocalEngine(policy, tokenizer, num_slots=24).generate(requests[::-1], sampling))
    alone = LocalEngine(policy, tokenizer, num_slots=8)
    for index, request in enumerate(requests):
        assert shuffled[7 - index].completions == together[index].completions
        for member in (0, 5):
            single = RolloutRequest(request.prompt, (request.seeds[member],))
            group = dict(alone.generate([single], sampling))[0]
            assert group.completions[0] == together[index].completions[member]


def test_a_published_model_gives_its_published_text(tmp_path: Path) -> None:
    source = find_stories()
    if source is None:
        pytest.skip("stories260K is not at hand; set PONDER_STORIES260K to its folder")
    folder = convert_stories(source, tmp_path / "stories")
    policy, tokenizer = load_policy(folder), load_tokenizer(folder)
    problem = Problem("story", "text", ({"role": "user", "content": ""},), "exact", "")
    request = RolloutRequest(Prompt(problem, (BOS_ID,)), (0,))
    engine = LocalEngine(policy, tokenizer)
    group = dict(engine.generate([request], SamplingParams(PUBLISHED_STEPS, temperature=0)))[0]
    # The page shows the text cut at the end of its last line.
    assert group.completions[0].text.strip().startswith(published_text(source))
