"""Completions that kill their grader's process: nothing is earned by it, and nobody else pays for it."""

from pathlib import Path

import pytest

from ponder.config import RewardConfig
from ponder.rewards import RewardWorkers, ScoringSpec, worker_slot
from ponder.types import Completion, Finish, Grade, Problem, Prompt, RolloutGroup, Verdict

FRAGILE = '''
"""Registers graders, and a reward of ours in another's place, that die of certain answers."""
import ctypes, os, signal, time
from pathlib import Path
from ponder.grading import GRADERS, Grader
from ponder.grading.verdicts import correct, wrong
from ponder.rewards import REWARDS

HERE = Path(__file__).parent

def times(word):
    """How often it was asked for, over all processes."""
    with open(HERE / word, "a+") as file:
        file.write("x")
        file.flush()
        file.seek(0)
        return len(file.read())

def die(answer):
    times("asked")
    if "segfault" in answer:
        ctypes.string_at(0)
    if "exit" in answer:
        os._exit(0)
    if "kill" in answer or ("twice" in answer and times("died") <= 2):
        os.kill(os.getpid(), signal.SIGKILL)
    if "hang" in answer:
        time.sleep(1000)

def grade(problem, answer):
    die(answer)
    return correct(answer, "equal") if answer == problem.reference else wrong(answer, "not equal")

def nothing_wrong(problem):
    return None

def register(name, reference_answer=None):
    GRADERS[name] = Grader(name, grade, nothing_wrong, reference_answer)

register("fragile", lambda problem: problem.reference)
register("without_reference")
register("dies_of_its_reference", lambda problem: "kill")
register("wrong_about_its_reference", lambda problem: "something else")

def deadly(prompts, completions, **columns):
    for completion in completions:
        die(completion)
    return [float(len(completion)) for completion in completions]

REWARDS["length"] = deadly

def zero(completions, **kwargs):
    return [0.0] * len(completions)
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fragile.py"
    path.write_text(FRAGILE)
    return path


def graded(file: Path, grader: str, *answers: str, rewards: tuple[str, ...] = ("accuracy",)):
    """A group of these answers with the reference "2", through one worker: grades, rewards and counts."""
    problem = Problem("p", "t", ({"role": "user", "content": "1+1?"},), grader, "2")
    members = tuple(
        Completion((1,), (True,), (0.0,), f"<answer>{answer}</answer>", Finish.STOP, ((0, 1),))
        for answer in answers
    )
    spec = ScoringSpec(tuple(RewardConfig(name=name) for name in (f"{file}:zero", *rewards)))
    with RewardWorkers(spec, num_workers=1) as workers:
        scored = workers.score([RolloutGroup(Prompt(problem, (1,)), members)])[0]
        return scored.grades, [reward.total for reward in scored.rewards], workers.take_metrics()


def verdicts(grades: tuple[Grade, ...]) -> str:
    """C, W or U for each."""
    return "".join(grade.verdict.value[0].upper() for grade in grades)


@pytest.mark.parametrize(
    ("way", "status"), [("segfault", "status -11"), ("exit", "status 0"), ("kill", "status -9")]
)
def test_killing_ones_grader_is_wrong_where_the_reference_passes(file, way, status):
    grades, totals, metrics = graded(file, "fragile", "2", way, "3")
    assert verdicts(grades) == "CWW"
    assert totals == [1.0, 0.0, 0.0]
    assert "kills its grader, which passes the reference" in grades[1].reason
    assert status in grades[1].reason
    assert grades[2].reason == "not equal"
    # Twice with the group, and twice alone, the second time in a fresh worker.
    assert metrics["worker/lost/sum"] == 4.0
    assert (metrics["grade/correct/sum"], metrics["grade/wrong/sum"]) == (1.0, 2.0)
    assert not [key for key in metrics if key.startswith("ungradable/")]


def test_a_grader_that_falls_silent_is_as_good_as_dead(file, monkeypatch):
    monkeypatch.setattr(worker_slot, "GRADING_S", 1.5)
    grades, totals, _ = graded(file, "fragile", "hang", "2")
    assert verdicts(grades) == "WC"
    assert "no sign of life for 1.5 s" in grades[0].reason
    assert totals == [0.0, 1.0]


def test_without_a_reference_answer_three_deaths_alone_are_proof(file):
    grades, totals, metrics = graded(file, "without_reference", "3", "kill")
    assert verdicts(grades) == "WW"
    assert "it alone kills its grader, 3 times" in grades[1].reason
    assert totals == [0.0, 0.0]
    assert metrics["worker/lost/sum"] == 2 + 3


@pytest.mark.parametrize("others", [(), ("",), ("segfault",)])
def test_without_a_reference_and_without_another_answer_nobody_knows(file, others):
    grades, totals, metrics = graded(file, "without_reference", "kill", *others)
    assert grades[0].verdict is Verdict.UNGRADABLE
    assert "died on every answer" in grades[0].reason
    assert totals[0] is None
    assert metrics["ungradable/worker/sum"] == 1 + (others == ("segfault",))


@pytest.mark.parametrize(
    ("grader", "reason"),
    [
        ("dies_of_its_reference", "dies on the reference, too"),
        ("wrong_about_its_reference", "the reference is not right: not equal"),
    ],
)
def test_where_the_grader_fails_on_the_reference_it_is_the_graders_doing(file, grader, reason):
    grades, totals, metrics = graded(file, grader, "2", "kill", "3")
    assert verdicts(grades) == "CUW"  # the others keep their grades
    assert reason in grades[1].reason
    assert totals == [1.0, None, 0.0]
    assert metrics["ungradable/worker/sum"] == metrics["grade/ungradable/sum"] == 1.0


def test_who_dies_twice_in_company_and_lives_alone_is_graded(file):
    grades, totals, metrics = graded(file, "fragile", "2", "twice")
    assert verdicts(grades) == "CW"
    assert grades[1].reason == "not equal"
    assert totals == [1.0, 0.0]
    assert metrics["worker/lost/sum"] == 2.0


def test_killing_one_of_our_rewards_earns_what_an_empty_completion_earns(file):
    """`length` is by then a reward that dies of certain texts, and gives their lengths otherwise."""
    grades, totals, metrics = graded(file, "integer", "2", "kill", "3", rewards=("accuracy", "length"))
    assert verdicts(grades) == "CWW"
    assert "kills the rewards' worker" in grades[1].reason
    tags = float(len("<answer></answer>"))
    assert totals == [1.0 + tags + 1.0, 0.0, tags + 1.0]
    # Twice with the group, twice again when the grades are known, and twice alone.
    assert metrics["worker/lost/sum"] == 6.0


def test_a_group_without_deaths_is_asked_for_once(file):
    graded(file, "fragile", "2", "3")
    assert (file.parent / "asked").read_text() == "xx"
