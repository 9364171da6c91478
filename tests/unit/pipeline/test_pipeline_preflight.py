"""The preflight: what cannot learn is refused or said before step 0."""

from __future__ import annotations

import pytest

from ponder.config import EngineConfig, RLStage
from ponder.errors import ModelError, PreflightError
from ponder.pipeline.preflight import check_coder, check_stage, refuse_if_strict
from ponder.pipeline.probe import Probe, _count
from ponder.pipeline.stage_pretrain import make_tokenizer
from ponder.prompting import load_template
from ponder.types import (
    Completion,
    Finish,
    Grade,
    Problem,
    Prompt,
    Reward,
    RolloutGroup,
    ScoredGroup,
    Verdict,
)


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer("bytes")


def problem(number: int, reference: str = "1", question: str = "?", grader: str = "integer") -> Problem:
    return Problem(f"p{number}", "t", ({"role": "user", "content": question},), grader, reference)


def stage(**options: object) -> RLStage:
    return RLStage.model_validate(
        {"name": "rl", "num_iterations": 1, "sampling": {"max_new_tokens": 8}, **options}
    )


def check(tokenizer, problems, *, of=None, template="r1_zero", positions=4096, longest=1000, stops=(0,)):
    chosen = load_template(template)
    return check_stage(
        of or stage(),
        problems,
        chosen,
        tokenizer,
        lambda each: chosen.render(each, tokenizer.encode),
        positions,
        EngineConfig(max_prompt_tokens=longest),
        stops,
    )


def test_a_sound_stage_passes_without_a_word(tokenizer):
    assert check(tokenizer, [problem(n) for n in range(9)]).warnings == ()


def test_references_that_no_grader_reads_are_refused_by_id(tokenizer):
    rows = [problem(0), problem(1, "seven"), problem(2, "many", grader="integer")]
    with pytest.raises(PreflightError) as caught:
        check(tokenizer, rows)
    assert "2 of 3" in str(caught.value)
    assert "Ids: p1, p2" in str(caught.value)


@pytest.mark.parametrize(("key", "value"), [("top_p", 0.9), ("top_k", 20), ("min_p", 0.1)])
def test_sampling_below_full_support_is_refused(tokenizer, key: str, value: float):
    cut = stage(sampling={"max_new_tokens": 8, key: value})
    with pytest.raises(PreflightError, match=rf"sampling\.{key} is {value}.*biased"):
        check(tokenizer, [problem(0)], of=cut)


def test_groups_of_one_learn_nothing(tokenizer):
    (warning,) = check(tokenizer, [problem(0)], of=stage(group_size=1)).warnings
    assert "group_size is 1" in warning
    ppo = {"preset": "ppo", "advantage": {"estimator": "gae", "scale": "batch"}}
    assert check(tokenizer, [problem(0)], of=stage(group_size=1, algorithm=ppo)).warnings == ()


def test_a_cap_under_the_references_is_said(tokenizer):
    rows = [problem(n, "1234567890123") for n in range(4)]
    (warning,) = check(tokenizer, rows).warnings
    assert "max_new_tokens is 8" in warning
    assert "4 of 4" in warning


def test_long_prompts_are_left_out_and_counted(tokenizer):
    rows = [problem(0), problem(1, question="long " * 200)]
    checked = check(tokenizer, rows)
    assert [each.id for each in checked.problems] == ["p0"]
    assert "1 of 2 prompts" in checked.warnings[0]
    with pytest.raises(PreflightError, match="Every prompt"):
        check(tokenizer, rows[1:])


def test_prompt_and_completion_must_fit_the_context(tokenizer):
    with pytest.raises(ModelError, match="context of 64"):
        check(tokenizer, [problem(0)], positions=64)


def test_unreachable_formats_and_endless_completions_are_said(tokenizer):
    found = check(tokenizer, [problem(0)], template="Q: {prompt}")
    assert any("the template" in warning for warning in found.warnings)
    assert "end-of-sequence" in check(tokenizer, [problem(0)], stops=()).warnings[0]


def test_a_tokenizer_that_loses_the_template_is_refused():
    class Lossy:
        def encode(self, text: str) -> list[int]:
            return [ord(character) for character in text if character != "<"]

        def decode(self, ids) -> str:
            return "".join(map(chr, ids))

    with pytest.raises(ModelError, match="r1_zero"):
        check_coder(load_template("r1_zero"), Lossy())


def test_strict_turns_warnings_into_a_refusal():
    said: list[str] = []
    refuse_if_strict(["a.", "b."], False, said.append)
    assert said == ["Preflight: a.", "Preflight: b."]
    with pytest.raises(PreflightError, match=r"--strict.*a\. b\."):
        refuse_if_strict(["a.", "b."], True, said.append)
    refuse_if_strict([], True, said.append)


def probe(**counts: int) -> Probe:
    return Probe(
        **{
            "num_groups": 8,
            "num_flat": 2,
            "num_completions": 64,
            "num_correct": 9,
            "num_truncated": 3,
            "num_ungradable": 0,
            **counts,
        }
    )


def test_probe_says_what_would_not_learn():
    assert probe().warnings("rl") == []
    assert "easier" in probe(num_flat=8, num_correct=0).warnings("rl")[0]
    assert "harder" in probe(num_flat=8, num_correct=64).warnings("rl")[0]
    assert "cut at sampling.max_new_tokens" in probe(num_truncated=40).warnings("rl")[0]
    assert "could not be graded" in probe(num_ungradable=1).warnings("rl")[0]


def test_with_a_value_head_groups_of_one_are_no_reason_to_stop():
    def scored(reward: float) -> ScoredGroup:
        completion = Completion((1,), (True,), (0.0,), "", Finish.STOP, ((0, 1),))
        group = RolloutGroup(Prompt(problem(0), (1,)), (completion,))
        return ScoredGroup(group, (Grade(Verdict.WRONG, 0.0, "", ""),), (Reward(reward, {}),))

    differing = [scored(0.0), scored(1.0)]
    assert _count(differing, in_groups=True).num_flat == 2
    assert _count(differing, in_groups=False).warnings("ppo") == []
    assert "nothing could be learned" in _count([scored(0.0)] * 2, in_groups=False).warnings("ppo")[0]
