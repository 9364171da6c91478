"""The rule rewards, their presets, and the attacks on them that are known."""

import statistics

import pytest

from ponder.config import RewardConfig
from ponder.errors import RecipeError
from ponder.prompting import REASONING_TAGS, THINK_TAGS, Tags
from ponder.rewards import REWARD_PRESETS, REWARDS, Scorer, ScoringSpec, load_reward
from ponder.rewards.repetition import repeated_share
from ponder.rewards.scoring import make_job
from ponder.types import Completion, Finish, Problem, Prompt, RolloutGroup

QUESTION = "Add 40 and 32."


def group(
    *texts: str, grader: str = "math", reference: str = "72", prefill: str = "", finish=Finish.STOP
) -> RolloutGroup:
    problem = Problem("p7", "t", ({"role": "user", "content": QUESTION},), grader, reference)
    members = tuple(
        Completion(
            tuple(range(len(text))), (True,) * len(text), (0.0,) * len(text), text, finish, ((0, len(text)),)
        )
        for text in texts
    )
    return RolloutGroup(Prompt(problem, (1, 2), prefill), members)


def parts(rewards, *texts: str, tags: Tags = THINK_TAGS, **options) -> list[dict]:
    spec = ScoringSpec(tuple(rewards), tags=tags)
    scores = Scorer(spec).score(make_job(group(*texts, **options), 0, with_ids=False))
    return [dict(reward.parts) | {"total": reward.total} for reward in scores.rewards]


def values(name: str, *texts: str, tags: Tags = THINK_TAGS, options: dict | None = None, **about) -> list:
    config = RewardConfig(name=name, options=options or {})
    return [found[name] for found in parts([config], *texts, tags=tags, **about)]


GOOD = "<think>40+32=72</think><answer>72</answer>"


def test_r1_rewards_add_up():
    wrong_but_formatted = "<think>40+32=71</think><answer>71</answer>"
    right_but_unformatted = "<answer>72</answer>"
    found = parts(REWARD_PRESETS["r1"], GOOD, wrong_but_formatted, right_but_unformatted, "72")
    assert [(f["accuracy"], f["format"], f["total"]) for f in found] == [
        (1, 1, 2),
        (0, 1, 1),
        (1, 0, 1),
        (0, 0, 0),
    ]


ATTACKS = {
    "skipped thinking": "<answer>72</answer>",
    "empty thinking": "<think></think><answer>72</answer>",
    "invisible thinking": "<think>\u200b \u200b</think><answer>72</answer>",
    "placeholder copied": "<think> reasoning process here </think><answer>72</answer>",
    "question copied": f"<think>{QUESTION}\n{QUESTION}</think><answer>72</answer>",
    "second guess": "<think>a</think><answer>71</answer><answer>72</answer>",
    "thinking re-opened": "<think>a</think><answer>72</answer><think>b</think>",
    "answer while thinking": "<think>a <answer>72</answer></think>",
    "padding outside": "<think>a</think><answer>72</answer>" + " and so on" * 50,
    "padding between": "<think>a</think> hmm <answer>72</answer>",
    "unclosed": "<think>a<answer>72</answer>",
}


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_attacks_earn_no_format_reward(name):
    assert values("format", ATTACKS[name]) == [0.0]


@pytest.mark.parametrize(
    "answer",
    [
        "71 or 72",
        "70, 71, 72",
        "72 or 71",
        "not 72",
        "72 is what I add. " * 20 + "40 or 72",
        "7 2",
        "<think>72",
        "72.5",
        "72!",
        "\\boxed{71}, \\boxed{72}",
        "answer here",
        "User: 72 Assistant: 73",
    ],
)
def test_attacks_earn_no_accuracy_reward(answer):
    assert values("accuracy", f"<think>a</think><answer>{answer}</answer>") == [0.0]


def test_guessing_again_replaces_the_guess():
    assert values(
        "accuracy", GOOD + "<answer>71</answer>", "<think>a</think><answer>71</answer><answer>72</answer>"
    ) == [0, 1]


def test_an_answer_in_the_reasoning_is_none():
    assert values("accuracy", "<think><answer>72</answer></think>") == [0.0]


def test_a_prefilled_tag_earns_the_same():
    rest = GOOD.removeprefix("<think>")
    assert parts(REWARD_PRESETS["r1"], rest, prefill="<think>") == parts(REWARD_PRESETS["r1"], GOOD)
    assert values("format", rest) == [0.0]


def test_our_failures_are_none_and_leave_the_total_out():
    found = parts(REWARD_PRESETS["r1"], GOOD, reference="not {countdown}", grader="countdown")
    assert found == [{"accuracy": None, "format": 1.0, "total": None}]
    assert parts(REWARD_PRESETS["r1"], GOOD, finish=Finish.ABORT)[0]["total"] is None


SCRIPT = "<reasoning>\n40+32\n=72\n</reasoning>\n<answer>\n72\n</answer>\n"


def test_the_three_defects_of_the_printed_regex_are_mended():
    assert values("gsm8k_strict_format", SCRIPT, tags=REASONING_TAGS) == [0.5]  # 1: two lines of reasoning
    assert values("gsm8k_strict_format", SCRIPT.rstrip("\n"), tags=REASONING_TAGS) == [
        0.5
    ]  # 2: no final newline
    twice = SCRIPT + "<answer>\n73\n</answer>\n"
    assert values("gsm8k_strict_format", twice, tags=REASONING_TAGS) == [0.0]  # 3: two answer blocks


@pytest.mark.parametrize(
    "text",
    [
        SCRIPT + "\n",
        " " + SCRIPT,
        SCRIPT.replace("</reasoning>\n<answer>", "</reasoning><answer>"),
        SCRIPT.replace("<answer>\n72", "<answer>72"),
        SCRIPT.replace("<reasoning>\n", "<reasoning>\n<reasoning>\n"),
        SCRIPT.replace("reasoning", "think"),
        "<reasoning>\n</reasoning>\n<answer>\n72\n</answer>\n",
        "<reasoning>\n40\n</reasoning>\n<answer>\n</answer>\n",
        SCRIPT.replace("</answer>", ""),
        "",
    ],
)
def test_the_strict_format_stays_strict(text):
    assert values("gsm8k_strict_format", text, tags=REASONING_TAGS) == [0.0]


def test_the_strict_format_follows_the_tags_of_the_run_and_its_prefill():
    lines = SCRIPT.replace("reasoning", "think")
    assert values("gsm8k_strict_format", lines) == [0.5]
    rest = SCRIPT.removeprefix("<reasoning>\n")
    assert values("gsm8k_strict_format", rest, tags=REASONING_TAGS, prefill="<reasoning>\n") == [0.5]


def test_the_community_pair_pays_two_and_a_half():
    wrong = SCRIPT.replace("\n72\n</answer>", "\n71\n</answer>")
    found = parts(REWARD_PRESETS["community_2.0_0.5"], SCRIPT, wrong, "72", tags=REASONING_TAGS)
    assert [f["total"] for f in found] == [2.5, 0.5, 0.0]


def test_correctness_is_equality_of_texts_with_the_part_after_the_hashes():
    assert values(
        "gsm8k_correctness", "<answer> 72 </answer>", "<answer>72.0</answer>", "<answer></answer>"
    ) == [2, 0, 0]
    assert values("gsm8k_correctness", "<answer>7</answer>", "<answer>172</answer>") == [0, 0]
    assert values("gsm8k_correctness", "<answer>1000</answer>", reference="so\n#### 1,000") == [2.0]


def test_presets_by_name():
    assert [(r.name, r.weight) for r in REWARD_PRESETS["notes_0.7_0.3"]] == [
        ("accuracy", 0.7),
        ("format", 0.3),
    ]
    assert [r.weight for r in REWARD_PRESETS["r1"]] == [1.0, 1.0]
    found = parts(REWARD_PRESETS["notes_0.7_0.3"], GOOD, "<answer>72</answer>")
    assert [f["total"] for f in found] == pytest.approx([1.0, 0.7])


def test_normalised_advantages_cannot_tell_2_and_half_from_1_and_quarter():
    def normalised(totals: list[float]) -> list[float]:
        mean, spread = statistics.fmean(totals), statistics.pstdev(totals)
        return [(total - mean) / spread for total in totals]

    texts = [SCRIPT, SCRIPT.replace("72", "71"), "72"]
    full = [f["total"] for f in parts(REWARD_PRESETS["community_2.0_0.5"], *texts, tags=REASONING_TAGS)]
    halved = [r.model_copy(update={"weight": 0.5}) for r in REWARD_PRESETS["community_2.0_0.5"]]
    half = [f["total"] for f in parts(halved, *texts, tags=REASONING_TAGS)]
    assert half != full
    assert normalised(half) == pytest.approx(normalised(full), abs=1e-12)


def test_length_favours_brevity_among_right_answers_only():
    long = GOOD.replace("40+32", "40+32 " * 10)
    found = values("length", GOOD, long, "<answer>1</answer>", options={"max_tokens": 200})
    assert found == [1 - len(GOOD) / 200, 1 - len(long) / 200, 0.0]
    assert values("length", GOOD * 10, options={"max_tokens": 50}) == [0.0]
    assert values("length", "xx", options={"max_tokens": 4, "only_correct": False}) == [0.5]


def test_repetition_is_the_share_of_repeated_ngrams():
    assert repeated_share("a b c a b c", 3) == 1 - 3 / 4  # abc bca cab abc
    assert repeated_share("no two words are the same here", 3) == 0.0
    assert repeated_share("一二一二一二", 2) == 1 - 2 / 5
    assert repeated_share("", 3) == 0.0
    assert repeated_share("....", 2) == 1 - 1 / 3
    assert values("repetition", "wait " * 100, options={"ngram": 2, "penalty": 2.0}) == [-2.0 * (1 - 1 / 99)]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (RewardConfig(name="acuracy"), 'Did you mean "accuracy"'),
        (RewardConfig(name="language", options={"targt": "zh"}), 'Did you mean "target"'),
        (RewardConfig(name="accuracy", options={"x": 1}), "It has none"),
        (RewardConfig(name="nosuch/file.py:f"), "cannot be read"),
    ],
)
def test_bad_rewards_are_recipe_errors_with_the_fix(config, message):
    with pytest.raises(RecipeError, match=message):
        load_reward(config)


def test_rewards_listed_twice_or_not_at_all_are_refused():
    with pytest.raises(RecipeError, match="2 times"):
        Scorer(ScoringSpec((RewardConfig(name="format"), RewardConfig(name="format", weight=2))))
    with pytest.raises(RecipeError, match="empty"):
        Scorer(ScoringSpec(()))


@pytest.mark.parametrize("name", sorted(REWARDS))
def test_every_reward_gives_one_finite_number_for_each_completion(name):
    found = values(name, GOOD, "", "垃圾" * 50, "<think>" * 30)
    assert len(found) == 4
    assert all(isinstance(value, float) for value in found)
