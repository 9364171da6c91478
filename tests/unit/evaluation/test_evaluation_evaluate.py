import threading
from dataclasses import replace

import pytest

from ponder.config import EvaluationConfig
from ponder.errors import DataError, PonderError
from ponder.evaluation import evaluate_policy, load_evaluation, select_problems, summarise
from ponder.grading import grade
from ponder.prompting import TEMPLATES
from ponder.types import Finish, Grade, Problem, Verdict

CONFIG = EvaluationConfig(samples=3, max_new_tokens=50)


def sum_problem(number: int, task: str = "arithmetic", language: str = "en") -> Problem:
    question = {"role": "user", "content": f"What is {number}+1?"}
    return Problem(f"{task}-{language}-{number}", task, (question,), "integer", str(number + 1), language)


PROBLEMS = [sum_problem(number) for number in range(4)]


def answers(problem: Problem, member: int, seed: int) -> object:
    """Member 0 is right, member 1 wrong, member 2 cut before it answers."""
    if member == 2:
        return "<think>hm", Finish.LENGTH
    return f"<think>.</think><answer>{problem.reference if member == 0 else 99}</answer>"


def run(engine, problems=PROBLEMS, config=CONFIG, **options):
    settings = {"encode": lambda text: list(text.encode()), "stop_token_ids": (0,), "seed": 7} | options
    return evaluate_policy(engine, problems, TEMPLATES["plain"], config, **settings)


def test_outcomes_stand_in_the_order_of_the_problems(scripted_engine):
    engine = scripted_engine(answers)
    evaluation = run(engine)
    assert [problem.problem_id for problem in evaluation.problems] == [problem.id for problem in PROBLEMS]
    right, wrong, cut = evaluation.problems[2].outcomes
    assert (right.verdict, right.extracted, right.finish) == (Verdict.CORRECT, "3", Finish.STOP)
    assert (wrong.verdict, wrong.extracted, wrong.vote) == (Verdict.WRONG, "99", 1)
    assert (cut.verdict, cut.truncated, cut.vote, cut.well_formed) == (Verdict.WRONG, True, -1, False)
    assert right.well_formed
    assert right.num_tokens == len(right.text)
    assert evaluation.problems[2].pass_at_1 == pytest.approx(1 / 3)


def test_a_prompt_is_one_group_and_its_seeds_depend_on_the_problem_alone(scripted_engine):
    engine, alone = scripted_engine(answers), scripted_engine(answers)
    run(engine)
    run(alone, [PROBLEMS[2]])
    assert len(engine.requests) == len(PROBLEMS)
    assert engine.requests[2].seeds == alone.requests[0].seeds
    assert len({seed for request in engine.requests for seed in request.seeds}) == 12
    other = scripted_engine(answers)
    run(other, seed=8)
    assert other.requests[2].seeds != engine.requests[2].seeds
    assert bytes(engine.requests[0].prompt.token_ids) == b"User: What is 0+1?\nAssistant:"


def test_sampling_is_the_configuration_s_and_the_cap_the_stage_s_where_it_has_none(scripted_engine):
    engine = scripted_engine(answers)
    run(engine, stop_strings=("###",))
    assert (engine.sampling.temperature, engine.sampling.top_p) == (0.6, 0.95)
    assert (engine.sampling.max_new_tokens, engine.sampling.stop_token_ids) == (50, (0,))
    assert engine.sampling.stop_strings == ("###",)
    run(engine, config=EvaluationConfig(samples=3), max_new_tokens=77)
    assert engine.sampling.max_new_tokens == 77
    with pytest.raises(DataError, match="max_new_tokens"):
        run(engine, config=EvaluationConfig(samples=3))


def test_our_own_failures_are_left_out_and_counted_never_wrong(scripted_engine):
    def script(problem, member, seed):
        return ("", Finish.ABORT) if member == 1 else answers(problem, 0, seed)

    def failing(problem: Problem, answer: str) -> Grade:
        if problem.id == PROBLEMS[0].id:
            return Grade(Verdict.UNGRADABLE, 0.0, "", "the sandbox is gone")
        return grade(problem, answer)

    evaluation = run(scripted_engine(script), grade=failing)
    assert evaluation.problems[0].pass_at_1 is None
    assert [outcome.verdict for outcome in evaluation.problems[1].outcomes] == [
        Verdict.CORRECT,
        Verdict.UNGRADABLE,
        Verdict.CORRECT,
    ]
    (row, _) = summarise(evaluation, ks=(2,))
    assert row.pass_at_1.value == 1.0
    assert row.pass_at_1.num_problems == 3
    assert row.num_ungradable == 3 + 3
    assert row.num_left_out == 1
    assert row.well_formed.value == 1.0  # an aborted row has no format


def test_grading_runs_beside_the_generation(scripted_engine):
    graded_first = threading.Event()
    met = []

    def slow_script(problem, member, seed):
        if problem is PROBLEMS[0]:  # the last group: earlier ones are graded while it is generated
            met.append(graded_first.wait(20))
        return answers(problem, member, seed)

    def signalling(problem: Problem, answer: str) -> Grade:
        assert threading.current_thread() is not threading.main_thread()
        graded_first.set()
        return grade(problem, answer)

    run(scripted_engine(slow_script), grade=signalling)
    assert met == [True] * 3


def test_progress_counts_problems(scripted_engine):
    seen = []
    run(scripted_engine(answers), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_grader_without_extraction_votes_with_the_answer_text(scripted_engine):
    evaluation = run(
        scripted_engine(answers), grade=lambda problem, answer: Grade(Verdict.CORRECT, 1.0, "", "looks fine")
    )
    assert [outcome.extracted for outcome in evaluation.problems[1].outcomes[:2]] == ["2", "99"]
    assert [outcome.vote for outcome in evaluation.problems[1].outcomes[:2]] == [0, 1]


def test_texts_can_be_left_out(scripted_engine):
    evaluation = run(scripted_engine(answers), keep_texts=False)
    assert {outcome.text for problem in evaluation.problems for outcome in problem.outcomes} == {""}
    assert evaluation.problems[0].outcomes[0].well_formed


@pytest.mark.parametrize(
    ("problems", "says"),
    [([], "no problems"), ([PROBLEMS[0], PROBLEMS[0]], "duplicate problem id 'arithmetic-en-0'")],
    ids=["none", "twice"],
)
def test_problems_must_be_there_once(scripted_engine, problems, says):
    with pytest.raises(DataError, match=says):
        run(scripted_engine(answers), problems)


@pytest.mark.parametrize("fault", ["leave out", "repeat", "cut short"])
def test_an_engine_that_breaks_its_promise_is_named(scripted_engine, fault):
    class Faulty(scripted_engine):
        def generate(self, requests, sampling):
            groups = list(super().generate(requests, sampling))
            if fault == "leave out":
                groups.pop()
            elif fault == "repeat":
                groups.append(groups[0])
            else:
                index, group = groups[0]
                groups[0] = (index, replace(group, completions=group.completions[:-1]))
            yield from groups

    with pytest.raises(PonderError, match="the engine"):
        run(Faulty(answers))


# --- kept and read back --------------------------------------------------------------------------


class Refusing:
    """An engine that must not be asked."""

    version = 0

    def generate(self, requests, sampling):
        raise AssertionError("sampled again")

    def update_weights(self, version):
        raise AssertionError("updated")


def test_a_finished_evaluation_is_read_back_not_made_again(scripted_engine, tmp_path):
    folder = tmp_path / "evaluations" / "iteration-0"
    made = run(scripted_engine(answers), folder=folder, policy="abc", chance={"arithmetic": 0.05})
    assert run(Refusing(), folder=folder, policy="abc", chance={"arithmetic": 0.05}) == made
    assert load_evaluation(folder) == made


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "other"},
        {"seed": 8},
        {"stop_token_ids": (1,)},
        {"config": EvaluationConfig(samples=2, max_new_tokens=50)},
        {"config": EvaluationConfig(samples=3, max_new_tokens=51)},
        {"config": EvaluationConfig(samples=3, max_new_tokens=50, temperature=0.7)},
        {"problems": PROBLEMS[:3]},
        {"problems": [replace(PROBLEMS[0], reference="5"), *PROBLEMS[1:]]},
        {"encode": lambda text: [1, *text.encode()]},
        {"chance": {"arithmetic": 0.5}},
        {"keep_texts": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_weights_problems_or_settings_are_another_evaluation(scripted_engine, tmp_path, change):
    run(scripted_engine(answers), folder=tmp_path / "kept", policy="abc")
    with pytest.raises(DataError, match="holds another evaluation"):
        run(Refusing(), **{"folder": tmp_path / "kept", "policy": "abc"} | change)


def test_a_damaged_evaluation_is_made_again(scripted_engine, tmp_path):
    folder = tmp_path / "kept"
    made = run(scripted_engine(answers), folder=folder, policy="abc")
    table = folder / "transcripts.parquet"
    table.write_bytes(table.read_bytes()[:-1])
    assert run(scripted_engine(answers), folder=folder, policy="abc") == made
    assert load_evaluation(folder) == made


def test_a_crash_leaves_nothing_that_passes_for_finished(scripted_engine, tmp_path):
    def crashing(problem, member, seed):
        if problem is PROBLEMS[0]:
            raise KeyboardInterrupt
        return answers(problem, member, seed)

    folder = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        run(scripted_engine(crashing), folder=folder, policy="abc")
    assert not folder.exists()
    run(scripted_engine(answers), folder=folder, policy="abc")
    assert load_evaluation(folder).settings.policy == "abc"


def test_keeping_an_evaluation_needs_to_know_the_weights(scripted_engine, tmp_path):
    with pytest.raises(DataError, match="`policy`"):
        run(scripted_engine(answers), folder=tmp_path / "kept")


def test_select_problems_takes_the_first_of_each_task_and_language():
    problems = [
        sum_problem(number, task, language)
        for number in range(3)
        for task in ("arithmetic", "parity")
        for language in ("en", "zh")
    ]
    selected = select_problems(problems, 2)
    assert len(selected) == 8
    assert [problem.id for problem in selected] == [
        problem.id for problem in problems if not problem.id.endswith("2")
    ]
