"""The local engine on trained networks: greedy tokens as `transformers` gives them, bits without company."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from ponder.config import TaskConfig
from ponder.models.folder import load_policy
from ponder.models.registry import resolve_model, shipped_models
from ponder.models.tokenizer import load_tokenizer
from ponder.rollout import LocalEngine
from ponder.tasks import LANGUAGES, TASKS
from ponder.tasks.sources import load_problems
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


def check_greedy(folder: Path, prompts: list[list[int]]) -> None:
    """At least 100 prompts, 32 tokens each: as `transformers` has them, but for near ties in 1% of rows."""
    assert len(prompts) >= 100
    policy, tokenizer = load_policy(folder), load_tokenizer(folder)
    network = AutoModelForCausalLM.from_pretrained(folder).eval()
    problem = Problem("q", "text", ({"role": "user", "content": ""},), "exact", "")
    requests = [RolloutRequest(Prompt(problem, tuple(prompt)), (0,)) for prompt in prompts]
    engine = LocalEngine(policy, tokenizer, stop_at_eos=False)
    groups = dict(engine.generate(requests, SamplingParams(32, temperature=0)))
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    with torch.no_grad():
        output = network.generate(
            ids, attention_mask=mask, max_new_tokens=32, do_sample=False, eos_token_id=None, pad_token_id=0
        )
    ties = 0
    for index, prompt in enumerate(prompts):
        ours, theirs = groups[index].completions[0].token_ids, tuple(output[index, longest:].tolist())
        if ours != theirs:
            ties += 1
            assert first_difference_is_a_near_tie(network, prompt, ours, theirs)
    assert ties <= len(prompts) // 100


@pytest.mark.parametrize("name", shipped_models())
def test_greedy_tokens_on_the_shipped_bases_equal_transformers(name: str) -> None:
    tokenizer = load_tokenizer(resolve_model(name))
    tasks = [TaskConfig(name=task, languages=LANGUAGES) for task in sorted(TASKS)]
    texts = [problem.text for problem in load_problems(tasks, seed=0, count=10)]
    prompts = [tokenizer.encode(f"User: {text}\nAssistant:") for text in texts]
    check_greedy(resolve_model(name), prompts + [tokenizer.encode(text) for text in QUESTIONS])


def test_greedy_tokens_on_a_published_model_equal_transformers(tmp_path: Path) -> None:
    source = find_stories()
    if source is None:
        pytest.skip("stories260K is not at hand; set PONDER_STORIES260K to its folder")
    folder = convert_stories(source, tmp_path / "stories")
    tokens = [BOS_ID, *load_tokenizer(folder).encode(published_text(source))]
    check_greedy(folder, [tokens[:length] for length in range(1, 101)])


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
