"""open-r1's thirteen names give its numbers, worked by hand from its src/open_r1/rewards.py; presets."""

import math

import pytest
from one_group import LOST, RIGHT, WRONG, rewards_of

from ponder.config import RewardConfig
from ponder.errors import RecipeError
from ponder.rewards import REWARD_PRESETS, REWARDS, ScoringSpec, check_reward, load_reward
from ponder.rewards.aliases import OPEN_R1
from ponder.types import Grade, Verdict

THIRTEEN = [
    "accuracy", "format", "reasoning_steps", "cosine", "repetition_penalty", "length", "code", "binary_code",
    "ioi_code", "cf_code", "code_format", "tag_count", "soft_overlong_punishment",
]  # fmt: skip
LINES = "<think>\n40+32=72\n</think>\n<answer>\n72\n</answer>"


def test_all_thirteen_are_known_and_two_are_refused():
    assert sorted(OPEN_R1) == sorted(THIRTEEN)
    for name in set(THIRTEEN) - {"ioi_code", "cf_code"}:
        check_reward(RewardConfig(name=f"open_r1_{name}"))
    for name in ("ioi_code", "open_r1_ioi_code", "cf_code", "open_r1_cf_code"):
        with pytest.raises(RecipeError, match=r'Piston.*Use the reward "accuracy" with problems of grader'):
            check_reward(RewardConfig(name=name))


def test_names_that_are_nobodys_else_need_no_prefix():
    for name in set(THIRTEEN) - set(REWARDS) - {"ioi_code", "cf_code"}:
        check_reward(RewardConfig(name=name))
    assert rewards_of("tag_count", LINES) == rewards_of("open_r1_tag_count", LINES) == [1.0]
    assert rewards_of("length", "72") != rewards_of("open_r1_length", "72")


def test_the_name_in_the_recipe_is_the_name_in_the_records():
    spec = ScoringSpec((RewardConfig(name="accuracy"), RewardConfig(name="open_r1_code")))
    spec.check()
    assert spec.names() == ("accuracy", "open_r1_code")


def test_format_and_tag_count():
    texts = [LINES, LINES + "\nmore", LINES.replace("\n", ""), LINES.replace("<answer>\n", "<answer>")]
    assert rewards_of("open_r1_format", *texts) == [1.0, 1.0, 0.0, 0.0]
    # the last: "<think>\n", "\n</think>\n" and "\n</answer>" are there, "\n<answer>\n" is not
    assert rewards_of("open_r1_tag_count", *texts) == [1.0, 1.0, 0.0, 0.75]
    assert rewards_of("open_r1_tag_count", LINES + "\n</answer>", "</think>\n<think>\n") == [0.75, 0.25]


def test_cosine_with_the_defaults_of_the_script():
    """Wrong 0.0 to -0.5, right 1.0 to 0.5 at 1,000 characters, and not clipped."""
    lengths = (0, 500, 1000, 2000)
    texts = ["x" * length for length in lengths]
    assert rewards_of("open_r1_cosine", *texts) == pytest.approx([1.0, 0.75, 0.5, 1.0])
    found = rewards_of("open_r1_cosine", *texts, grades=[WRONG] * 4)
    assert found == pytest.approx([0.0, -0.25, -0.5, 0.0])
    # cos(pi / 3) = 1/2: 0.5 + 0.5 x 0.5 x 1.5
    assert rewards_of("open_r1_cosine", "x" * 100, max_len=300) == [pytest.approx(0.875)]


def test_length_counts_characters_within_the_group():
    texts = ["x" * 10, "x" * 30, "x" * 10, "x" * 50]
    found = rewards_of("open_r1_length", *texts, num_tokens=[9, 1, 1, 1], grades=[RIGHT, WRONG, WRONG, RIGHT])
    assert found == [0.5, 0.0, 0.0, -0.5]


def test_repetition_penalty_of_trigrams():
    assert rewards_of("open_r1_repetition_penalty", "a b c a b c", "a b") == [-(1 - 3 / 4), 0.0]
    assert rewards_of("open_r1_repetition_penalty", "a b a b", ngram_size=2, max_penalty=-0.5) == [
        -0.5 * (1 - 2 / 3)
    ]


def test_soft_overlong_punishment_takes_its_own_words():
    found = rewards_of(
        "soft_overlong_punishment",
        *"abc",
        num_tokens=[50, 90, 110],
        max_completion_len=100,
        soft_punish_cache=20,
    )
    assert found == [0.0, -0.5, -1.0]
    assert rewards_of("soft_overlong_punishment", "a", num_tokens=[16_384 - 2_048]) == [-0.5]


def test_reasoning_steps_of_its_regex():
    texts = [
        "Step 1: a\nStep 2: b\nStep 3: c",
        "1. a\n2. b",
        "\n- a\n* b",
        "First, a. Second, b.",
        "首先",
        "",
    ]
    assert rewards_of("open_r1_reasoning_steps", *texts) == [1.0, 1 / 3, 2 / 3, 2 / 3, 0.0, 0.0]


def test_code_rewards():
    half = Grade(Verdict.WRONG, 0.5, "", "")
    grades = [RIGHT, half, WRONG, LOST]
    assert rewards_of("open_r1_code", *"abcd", grades=grades) == [1.0, 0.5, 0.0, None]
    assert rewards_of("binary_code", *"abcd", grades=grades) == [1.0, 0.0, 0.0, None]
    text = "<think>\na\n</think>\n<answer>\n```python\nprint(72)\n```\n</answer>"
    assert rewards_of("code_format", text) == [1.0]
    assert rewards_of("code_format", text, language="javascript") == [0.0]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tag_cuont", {}, 'Did you mean "tag_count"'),
        ("open_r1_cosin", {}, 'Did you mean "open_r1_cosine"'),
        ("open_r1_cosine", {"max_length": 5}, '"cosine" has no option "max_length"'),
        ("cosine", {"max_len": 0}, "max_len is 0: Input should be greater than 0"),
        ("cosine", {"unit": "words"}, "unit is 'words': Input should be 'tokens' or 'characters'"),
        ("cosine", {"clip": "no"}, "clip is 'no': Input should be a valid boolean"),
        ("repetition_penalty", {"max_penalty": 1.0}, "max_penalty is 1.0: .*less than or equal to 0"),
        ("repetition_penalty", {"ngram_size": "3"}, "ngram_size is '3': .*valid integer"),
        ("longest_run", {"penalty": -1}, "penalty is -1: .*greater than or equal to 0"),
        ("solved", {"threshold": 1.0}, "threshold is 1.0: .*less than 1"),
        ("structure", {"parts": {"tial": 1}}, 'no part "tial".*"tail"'),
        ("structure", {"parts": {"tail": -1}}, 'part "tail" of "structure" is -1'),
        ("readability", {"parts": {}}, "add up to 0"),
        ("readability", {"parts": ["markup"]}, "parts is .*valid dictionary"),
    ],
)
def test_bad_names_options_and_values_are_refused_before_the_run(name, options, message):
    with pytest.raises(RecipeError, match=message):
        check_reward(RewardConfig(name=name, options=options))


def test_every_preset_can_be_loaded():
    for preset in REWARD_PRESETS.values():
        ScoringSpec(preset).check()
        assert all(load_reward(config) for config in preset)


def test_the_presets_are_those_of_the_sources():
    def of(name: str) -> dict[str, float]:
        return {config.name: config.weight for config in REWARD_PRESETS[name]}

    assert of("r1") == {"accuracy": 1, "format": 1}  # Nature 2025, Methods: equal weights
    assert of("r1_language") == {"accuracy": 1, "format": 1, "language": 1}  # directly added
    assert of("accuracy_language") == {"accuracy": 1, "language": 1}
    assert of("notes_0.7_0.3") == {"accuracy": 0.7, "format": 0.3}
    assert of("open_r1") == {"open_r1_accuracy": 1, "open_r1_format": 1, "open_r1_tag_count": 1}
    # its weights, 2.0 and 0.5, are in the values
    assert of("community_2.0_0.5") == {"gsm8k_correctness": 1, "gsm8k_strict_format": 1}
    assert not any(math.isclose(weight, 0.2) for name in REWARD_PRESETS for weight in of(name).values())
