"""Problems come in exact mixtures and reproducible orders, and the cursor is enough to continue."""

from collections import Counter

import pytest

from ponder.config import DataConfig
from ponder.errors import DataError, RecipeError
from ponder.tasks.sources import ListSource
from ponder.training.draws import ProblemDraws
from ponder.types import Problem


def problem(task: str, number: int, **meta: object) -> Problem:
    return Problem(
        id=f"{task}-{number}",
        task=task,
        messages=({"role": "user", "content": "?"},),
        grader="exact",
        reference="1",
        meta=meta,
    )


def source(*problems: Problem, weight: float = 1.0) -> ListSource:
    return ListSource(problems[0].task, weight, problems, ())


A = source(*(problem("a", n) for n in range(7)))
B = source(*(problem("b", n) for n in range(5)))


class Endless:
    """Number n is the problem n of the seed."""

    name, weight, size = "endless", 1.0, None

    def problem(self, seed: int, index: int) -> Problem:
        return problem("endless", index)


def ids(draws: ProblemDraws, count: int) -> list[str]:
    return [drawn.id for drawn in draws.take(count)]


def test_every_problem_comes_once_per_epoch_and_epochs_differ():
    draws = ProblemDraws([A], DataConfig(), (3, "rl"))
    first, second = ids(draws, 7), ids(draws, 7)
    assert sorted(first) == sorted(second) == sorted(p.id for p in A.problems)
    assert first != second


def test_order_depends_on_seed_and_stage_only():
    one = ids(ProblemDraws([A, B], DataConfig(), (3, "rl")), 30)
    assert one == ids(ProblemDraws([A, B], DataConfig(), (3, "rl")), 30)
    assert one != ids(ProblemDraws([A, B], DataConfig(), (4, "rl")), 30)
    assert one != ids(ProblemDraws([A, B], DataConfig(), (3, "rl2")), 30)


def test_sequential_keeps_the_given_order_and_wraps():
    draws = ProblemDraws([source(*A.problems[:3])], DataConfig(order="sequential"), (0, "rl"))
    assert ids(draws, 5) == ["a-0", "a-1", "a-2", "a-0", "a-1"]


def test_mixture_is_exact_in_every_prefix():
    draws = ProblemDraws([A, B], DataConfig(mixture={"a": 3, "b": 1}), (0, "rl"))
    seen: Counter[str] = Counter()
    for drawn, problem_drawn in enumerate(draws.take(400), start=1):
        seen[problem_drawn.task] += 1
        assert abs(seen["a"] - 0.75 * drawn) <= 1
    assert seen == {"a": 300, "b": 100}


def test_task_weights_serve_where_there_is_no_mixture():
    draws = ProblemDraws([A, source(*B.problems, weight=3.0)], DataConfig(), (0, "rl"))
    assert Counter(drawn.task for drawn in draws.take(40)) == {"a": 10, "b": 30}


def test_restored_cursor_continues_the_sequence():
    config = DataConfig(mixture={"a": 2, "b": 1})
    whole = ids(ProblemDraws([A, B], config, (5, "rl")), 60)
    first = ProblemDraws([A, B], config, (5, "rl"))
    start = ids(first, 23)
    resumed = ProblemDraws([A, B], config, (5, "rl"))
    resumed.restore(first.cursor())
    assert start + ids(resumed, 37) == whole


def test_cursor_of_other_data_is_refused():
    draws = ProblemDraws([A, B], DataConfig(), (5, "rl"))
    with pytest.raises(DataError, match="'c'"):
        draws.restore({"a": 1, "c": 2})


def test_easy_first_goes_by_pass_rate_then_difficulty():
    rated = [problem("a", 0, pass_rate=0.2), problem("a", 1, pass_rate=0.9), problem("a", 2, pass_rate=0.5)]
    assert ids(ProblemDraws([source(*rated)], DataConfig(order="easy_first"), (0, "rl")), 3) == [
        "a-1",
        "a-2",
        "a-0",
    ]
    hard = [problem("a", 0, difficulty=3), problem("a", 1, difficulty=1)]
    assert ids(ProblemDraws([source(*hard)], DataConfig(order="easy_first"), (0, "rl")), 2) == ["a-1", "a-0"]
    with pytest.raises(DataError, match="ponder filter"):
        ProblemDraws([A, B], DataConfig(order="easy_first"), (0, "rl"))


def test_pass_rate_keeps_both_bounds_and_needs_the_column():
    rated = [problem("a", n, pass_rate=n / 4) for n in range(5)]
    draws = ProblemDraws([source(*rated)], DataConfig(pass_rate=(0.25, 0.75)), (0, "rl"))
    assert sorted(ids(draws, 3)) == ["a-1", "a-2", "a-3"]
    with pytest.raises(DataError, match="ponder filter"):
        ProblemDraws([A, B], DataConfig(pass_rate=(0.1, 0.9)), (0, "rl"))
    with pytest.raises(DataError, match="No problem"):
        ProblemDraws([source(*rated)], DataConfig(pass_rate=(0.3, 0.4)), (0, "rl"))


def test_a_source_without_end_goes_on_and_mixes():
    draws = ProblemDraws([Endless(), A], DataConfig(order="sequential"), (0, "rl"))
    assert ids(draws, 5) == ["endless-0", "a-0", "endless-1", "a-1", "endless-2"]
    assert [p.id for p in draws.preview(2)][:2] == ["endless-0", "endless-1"]
    with pytest.raises(DataError, match="without end"):
        ProblemDraws([Endless()], DataConfig(pass_rate=(0.1, 0.9)), (0, "rl"))


def test_unusable_problems_are_passed_over_and_counted_by_the_cursor():
    odd = ProblemDraws(
        [Endless()], DataConfig(), (0, "rl"), usable=lambda p: int(p.id.split("-")[1]) % 2 == 1
    )
    assert ids(odd, 3) == ["endless-1", "endless-3", "endless-5"]
    assert odd.cursor() == {"endless": 6}
    with pytest.raises(DataError, match="max_prompt_tokens"):
        ProblemDraws([Endless()], DataConfig(), (0, "rl"), usable=lambda p: False).take(1)


def test_empty_duplicate_and_unknown_are_refused():
    with pytest.raises(DataError, match="no problems"):
        ProblemDraws([], DataConfig(), (0, "rl"))
    with pytest.raises(DataError, match="a-0"):
        ProblemDraws([source(A.problems[0], A.problems[0])], DataConfig(), (0, "rl"))
    with pytest.raises(RecipeError, match='"a"'):
        ProblemDraws([A], DataConfig(mixture={"aa": 1.0}), (0, "rl"))
