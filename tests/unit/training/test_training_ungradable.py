"""When completions that cannot be graded stop a run, and what it then says."""

import pytest

from ponder.errors import RewardError
from ponder.training.ungradable import MAX_SHOWN, UngradableGuard
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

G = 4


def scored(failing: int, name: str = "p", reason: str = "it raised.", finish: Finish = Finish.STOP):
    """A group of G of which so many have no reward."""
    problem = Problem(name, "t", ({"role": "user", "content": "?"},), "integer", "2")
    members = (Completion((1,), (True,), (0.0,), "", finish, ((0, 1),)),) * G
    rewards = tuple(Reward(None, {}, reason) if n < failing else Reward(1.0, {}) for n in range(G))
    grades = (Grade(Verdict.WRONG, 0.0, "", "not equal"),) * G
    return ScoredGroup(RolloutGroup(Prompt(problem, (1,)), members), grades, rewards)


def guard(limit: float = 0.05) -> UngradableGuard:
    return UngradableGuard(limit, G, "rl")


def groups_until_it_stops(watched: UngradableGuard, iterations: int, *failing: int) -> int | None:
    """How many groups were counted, the one that stopped it included; None when nothing stopped it."""
    counted = 0
    for _ in range(iterations):
        watched.begin_iteration()
        watched.expect(len(failing) * G)
        for number in failing:
            counted += 1
            try:
                watched.count(scored(number))
            except RewardError:
                return counted
    return None


@pytest.mark.parametrize(
    ("failing", "stops_at"),
    [
        ((*[0] * 39, 8 // 2), None),  # 4 of 160
        ((*[0] * 38, 4, 4), None),  # 8 of 160: 5% and not more
        ((*[0] * 37, 4, 4, 1), 40),  # 9 of 160
        ((0, *[1] * 8, *[0] * 31), None),
        ((0, *[1] * 9, *[0] * 30), 10),
    ],
)
def test_in_a_step_of_twenty_groups_or_more_it_is_more_than_five_percent(failing, stops_at):
    assert groups_until_it_stops(guard(), 1, *failing) == stops_at


def test_a_large_step_is_judged_by_itself():
    watched = guard()
    few = [4, *[0] * 29]  # 4 of 120 in every step: 3.3%, for ever
    assert groups_until_it_stops(watched, 50, *few) is None


def test_one_completion_of_sixteen_stops_nothing():
    assert groups_until_it_stops(guard(), 1, 1, 0, 0, 0) is None


def test_one_group_of_a_tiny_run_stops_nothing_and_a_second_one_soon_after_does():
    assert groups_until_it_stops(guard(), 1, 4, 0, 0, 0) is None
    watched = guard()
    assert groups_until_it_stops(watched, 1, 4, 0, 0, 0) is None
    assert groups_until_it_stops(watched, 4, 0, 0, 0, 0) is None
    assert groups_until_it_stops(watched, 1, 4, 0, 0, 0) is None  # the first is twenty groups ago
    assert groups_until_it_stops(watched, 1, 0, 0, 0, 4) == 4


@pytest.mark.parametrize("problems", [1, 2, 4, 32])
def test_what_always_fails_stops_any_run_with_its_second_group_or_its_twentieth_part(problems):
    stops_at = groups_until_it_stops(guard(), 3, *[G] * problems)
    assert stops_at == 2  # 8 of 128 are more than 5%, too


def test_the_limit_is_the_users():
    assert groups_until_it_stops(guard(0.0), 1, 0, 1) == 2
    assert groups_until_it_stops(guard(1.0), 5, 4, 4) is None
    assert groups_until_it_stops(guard(0.5), 1, 4, 4, 0, 0) is None
    assert groups_until_it_stops(guard(0.5), 1, 4, 4, 1, 0) == 3


def test_what_was_refilled_counts_in_the_whole():
    watched = guard()
    watched.begin_iteration()
    for _ in range(2):
        watched.expect(10 * G)
        for failing in (2, *[0] * 9):
            watched.count(scored(failing))
    watched.expect(10 * G)
    with pytest.raises(RewardError, match="7 of the 120"):
        watched.count(scored(3))


def test_aborted_completions_and_rewards_that_do_not_apply_are_not_counted():
    watched = guard(0.0)
    watched.expect(2 * G)
    watched.count(scored(4, finish=Finish.ABORT))
    watched.count(scored(4, reason=""))
    assert watched.take_news() == []


def test_an_ungradable_grade_counts_with_its_own_reason():
    one = scored(0)
    lost = (Grade(Verdict.UNGRADABLE, 0.0, "", "the grader failed"), *one.grades[1:])
    watched = guard(0.0)
    watched.expect(G)
    with pytest.raises(RewardError, match="the grader failed"):
        watched.count(ScoredGroup(one.group, lost, one.rewards))


def test_the_error_names_the_most_frequent_reason_where_it_was_first_met_and_the_fix():
    watched = guard()
    watched.begin_iteration()
    watched.expect(2 * G)
    watched.count(scored(1, "p1", "one that is rare."))
    watched.count(scored(3, "p2", "reward function \"mine\" raised KeyError: 'x'."))
    watched.begin_iteration()
    watched.expect(2 * G)
    with pytest.raises(RewardError) as stopped:
        watched.count(scored(2, "p3", "reward function \"mine\" raised KeyError: 'x'."))
    assert str(stopped.value) == (
        "6 of the 16 completions of the last 2 iterations have no grade or reward, for a reason that is not "
        "theirs: more than stages.rl.max_ungradable = 0.05 allows. 5 of them, first on problem "
        """"p2": reward function "mine" raised KeyError: 'x'. Mend the cause and give the same command """
        "again: nothing that was finished is lost."
    )


def test_each_reason_is_told_once_and_not_without_end():
    watched = guard(1.0)
    watched.expect(20 * G)
    watched.count(scored(2, "p1", "first."))
    watched.count(scored(2, "p2", "first."))
    assert watched.take_news() == ['Left out of training, problem "p1": first.']
    assert watched.take_news() == []
    for number in range(2 * MAX_SHOWN):
        watched.count(scored(1, reason=f"reason {number}."))
    assert len(watched.take_news()) == MAX_SHOWN - 1
