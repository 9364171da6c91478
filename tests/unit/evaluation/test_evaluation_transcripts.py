import pytest

from ponder.evaluation import most_telling
from ponder.types import Finish


def completion(reasoning, answer):
    return f"<think>{reasoning}</think><answer>{answer}</answer>"


@pytest.fixture
def said(outcome):
    """An outcome that says something."""

    def make(reasoning, answer, correct=True, **changes):
        return outcome(answer, correct, text=completion(reasoning, answer), **changes)

    return make


def marked(transcript):
    return [(mark.label, transcript.outcome.text[slice(*mark.span)]) for mark in transcript.highlights]


def test_three_kinds_of_three_problems(evaluation, problem, said):
    made = evaluation(
        [
            problem("plain", [said("3+4=7", "7"), said("3+4=7", "7")]),
            problem("aha", [said("3+4=8 wait 3+4=7", "7"), said("3+4=7", "7")]),
            problem("hard", [said("long", "7", num_tokens=90), said("?", "1", False)]),
            problem("slip", [said("3+4=7", "7"), said("3+4=7=9-2=6", "6", False)]),
        ]
    )
    base = evaluation([problem(name, [said("?", "7", name == "plain")]) for name in ("plain", "hard")])
    shown = most_telling(made, base)
    assert [(one.kind, one.problem.problem_id, one.member) for one in shown] == [
        ("aha", "aha", 0),
        ("hard", "hard", 0),
        ("failure", "slip", 1),
    ]
    assert marked(shown[0]) == [("before", "8"), ("marker", "wait"), ("after", "7")]
    assert '"wait": 8 for 3+4 gives way to 7' in shown[0].why
    assert "90 tokens" in shown[1].why
    assert "0% of the time" in shown[1].why
    assert marked(shown[2]) == [("slip", "6")]
    assert "9-2=6" in shown[2].why


def test_the_plainest_aha_is_taken(evaluation, problem, said):
    made = evaluation(
        [
            problem("no", [said("9-3+2=8 no 9+3-2=10", "9+3-2")], grader="countdown"),
            problem("wait", [said("3+4=8 wait 3+4=7", "7")]),
        ]
    )
    assert most_telling(made)[0].problem.problem_id == "wait"


def test_between_equal_steps_the_one_that_only_interrupts_is_plainer(evaluation, problem, said):
    made = evaluation(
        [
            # Rejected and worked out again at once; and on the harder problem.
            problem("no", [said("3+4=8 no 3+4=7", "7"), said("?", "1", False)]),
            problem("wait", [said("3+4=8 wait 3+4=7", "7"), said("?", "7")]),
        ]
    )
    assert most_telling(made)[0].problem.problem_id == "wait"


def test_hardness_is_the_base_s_where_there_is_one(evaluation, problem, said):
    made = evaluation(
        [
            problem("learned", [said("x", "7", num_tokens=20), said("x", "7")]),
            problem("forgotten", [said("x", "7", num_tokens=99), said("x", "8", False)]),
        ]
    )
    base = evaluation([problem("learned", [said("?", "1", False)]), problem("forgotten", [said("?", "7")])])
    hard = next(one for one in most_telling(made, base) if one.kind == "hard")
    assert hard.problem.problem_id == "learned"


def test_hardness_without_a_base_is_the_policy_s_own(evaluation, problem, said):
    made = evaluation(
        [
            problem("easy", [said("x", "7", num_tokens=99), said("x", "7")]),
            problem("hard", [said("x", "7", num_tokens=20), said("x", "8", False)]),
        ]
    )
    hard = next(one for one in most_telling(made) if one.kind == "hard")
    assert (hard.problem.problem_id, hard.member) == ("hard", 0)


def test_a_rambling_text_cut_at_the_cap_is_no_hard_problem_solved(evaluation, problem, said):
    made = evaluation([problem("a", [said("x", "7", num_tokens=99, finish=Finish.LENGTH), said("x", "7")])])
    (hard,) = most_telling(made)
    assert hard.member == 1


def test_failures_from_most_to_least_instructive(evaluation, problem, said, outcome):
    right = said("3+4=7", "7")
    false_step = problem("false", [right, said("3+4=8", "8", False)])
    given_up = problem("given up", [right, said("So it is 7. Wait, so it is 8.", "8", False)])
    cut = problem("cut", [right, outcome("", False, text="<think>hm", num_tokens=64, finish=Finish.LENGTH)])
    other = problem("other", [right, said("hm", "8", False, reason="8 is not 7")])
    expected = [
        (false_step, "a false step, 3+4=8"),
        (given_up, "the right 7 is given up for 8"),
        (cut, "cut at 64 tokens"),
        (other, "8 is not 7"),
    ]
    for index, (_, why) in enumerate(expected):
        made = evaluation([wrong for wrong, _ in reversed(expected[index:])])
        failure = next(one for one in most_telling(made) if one.kind == "failure")
        assert why in failure.why


def test_of_several_attempts_only_the_one_that_became_the_answer_is_searched(evaluation, problem, said):
    abandoned = said("9-3+2=7+2=9 no 9+3-2=12-2=10 yes", "9+3-2", False, reason="equals 10, the target is 8")
    (failure,) = most_telling(evaluation([problem("a", [abandoned], grader="countdown")]))
    assert failure.why == "the answer 9+3-2 is wrong: equals 10, the target is 8"
    believed = said("9-3+2=6+2=8 no 9+3-2=11-2=9 yes", "9+3-2", False)
    (failure,) = most_telling(evaluation([problem("a", [believed], grader="countdown")]))
    assert marked(failure) == [("slip", "11-2")]


def test_a_false_step_of_another_problem_is_not_missed_behind_a_shown_one(evaluation, problem, said):
    right = said("3+4=7", "7")
    given_up = said("So it is 7. Wait, so it is 8.", "8", False)
    made = evaluation(
        [
            problem("given up", [right, right, right, given_up]),
            problem("shown", [said("long", "7", num_tokens=99), right, given_up, given_up]),
            problem("slip", [said("3+4=8", "8", False)] * 4),
        ]
    )
    base = evaluation([problem("shown", [given_up])])
    shown = {one.kind: one.problem.problem_id for one in most_telling(made, base)}
    assert shown == {"hard": "shown", "failure": "slip"}


def test_among_equal_failures_the_best_solved_problem_is_taken(evaluation, problem, said):
    slip = said("3+4=8", "8", False)
    made = evaluation(
        [
            problem("hard", [slip, slip, said("3+4=7", "7")]),
            problem("easy", [said("3+4=7", "7"), slip, said("3+4=7", "7")]),
            problem("never", [slip, slip, slip]),
        ]
    )
    used = {one.problem.problem_id for one in most_telling(made) if one.kind == "hard"}
    failure = next(one for one in most_telling(made) if one.kind == "failure")
    assert used == {"hard"}
    assert failure.problem.problem_id == "easy"


@pytest.mark.parametrize(
    ("reasoning", "question"),
    [
        ("3+4=8 wait 3+4=7", "?"),  # taken back
        ("3+4-2=7-2=5 check 5+2=7-4=3", "?"),  # running notation
        ("9+5=2", "What is 9+5 mod 12?"),  # another arithmetic
        ("a1=1 b1=0", "?"),  # labels
    ],
)
def test_steps_that_are_not_false(evaluation, problem, said, reasoning, question):
    made = evaluation([problem("a", [said(reasoning, "9", False)], question=question)])
    (failure,) = most_telling(made)
    assert "false step" not in failure.why


def test_nothing_to_tell(evaluation, problem, outcome):
    assert most_telling(evaluation([problem("a", [outcome("", None)])])) == ()
    assert most_telling(evaluation([problem("a", [outcome(text="")])])) == ()
