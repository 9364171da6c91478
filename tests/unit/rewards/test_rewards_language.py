"""The language reward: exact shares counted by hand."""

import pytest

from ponder.config import RewardConfig
from ponder.errors import RecipeError
from ponder.rewards import Scorer, ScoringSpec, language_share
from ponder.rewards.scoring import make_job
from ponder.types import Completion, Finish, Problem, Prompt, RolloutGroup


@pytest.mark.parametrize(
    ("text", "language", "share"),
    [
        ("First add the two numbers", "en", 1.0),
        ("First add the two numbers", "zh", 0.0),
        ("先加两数", "zh", 1.0),
        ("先加 then add", "zh", 2 / 4),
        ("先加 then add", "en", 2 / 4),
        ("so 我们 get 3+4=7", "en", 2 / 4),
        ("3+4=7", "en", 1.0),
        ("3+4=7", "zh", 1.0),
        ("", "en", 0.0),
        (" \n", "zh", 0.0),
        ("x 是 y 的和", "zh", 1.0),
        ("设 `total = add(numbers)` 为和", "zh", 1.0),
        ("```python\nfor number in numbers: pass\n```\n然后", "zh", 1.0),
        ("```unclosed code with words 中文", "zh", 1.0),
        ("由 $\\frac{numerator}{denominator}$ 与 \\(sum\\) 得 \\[total\\]", "zh", 1.0),
        ("\\begin{align} words \\end{align} 得", "zh", 1.0),
        ("\\boxed{7} 是 answer", "zh", 1 / 2),
        ("<think>想</think>", "zh", 1.0),
        ("Ainsi la somme vaut sept", "fr", 1.0),
        ("Сначала сложим числа then", "ru", 3 / 4),
        ("まず足す first", "ja", 4 / 5),
        ("먼저 더한다", "ko", 1.0),
        ("먼저 더한다", "ko-KR", 1.0),
    ],
)
def test_share(text, language, share):
    assert language_share(text, language) == pytest.approx(share)


def test_an_unknown_language_is_named():
    with pytest.raises(RecipeError, match='"xx"'):
        language_share("text", "xx")


def test_the_reasoning_counts_and_the_answer_does_not():
    def rewards(language: str, options: dict, text: str) -> list:
        problem = Problem("p", "t", ({"role": "user", "content": "?"},), "exact", "x", language)
        member = Completion((1,), (True,), (0.0,), text, Finish.STOP, ((0, 1),))
        scorer = Scorer(ScoringSpec((RewardConfig(name="language", options=options),)))
        scores = scorer.score(make_job(RolloutGroup(Prompt(problem, (1,)), (member,)), 0, with_ids=False))
        return [reward.parts["language"] for reward in scores.rewards]

    text = "<think>先加两数</think><answer>seventy two</answer>"
    assert rewards("zh", {}, text) == [1.0]
    assert rewards("en", {}, text) == [0.0]
    assert rewards("en", {"target": "zh"}, text) == [1.0]
    assert rewards("zh", {}, "没有 tags") == [2 / 3]
