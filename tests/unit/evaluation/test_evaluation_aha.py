import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.evaluation import find_aha, first_aha, reevaluations
from ponder.evaluation.aha import vocabularies
from ponder.tasks.arithmetic import Arithmetic
from ponder.tasks.countdown import Countdown
from ponder.tasks.family import TraceStyle
from ponder.tasks.knights import Knights
from ponder.tasks.parity import Parity

PARITY = ("odd", "even", "奇", "偶")


def completion(reasoning: str, answer: str) -> str:
    return f"<think>{reasoning}</think><answer>{answer}</answer>"


@pytest.mark.parametrize(
    ("reasoning", "answer", "before", "marker", "after"),
    [
        # A slip in a chain, noticed at once, and the step done again.
        ("3+4-2+8=6-2+8 wait=7-2+8=5+8=13", "13", "6-2+8", "wait", "7-2+8"),
        ("3+4-2+8=6-2+8 等等=7-2+8=5+8=13", "13", "6-2+8", "等等", "7-2+8"),
        # A check that fails, and the chain done again.
        ("3+4-2=7-2=4 check 4+2=6-4=2 wait 3+4-2=7-2=5", "5", "4", "wait", "5"),
        # Names and labels.
        ("D=1 D:A=0 A=1 wait A=0\nB:C=0", "A=0 D=1", "1", "wait", "0"),
        ("a1=1 b1=1 wait b1=0 c0=0", "even", "1", "wait", "0"),
        # An attempt that fails, and one that is the answer.
        ("9-3+2=6+2=8 no 9+3-2=12-2=10 yes", "9+3-2", "9-3+2", "no", "9+3-2"),
        ("9-3+2=6+2=8 不对 9+3-2=12-2=10 对了", "9+3-2", "9-3+2", "不对", "9+3-2"),
        # Prose.
        ("So the answer is 12. Wait, I forgot the 3. So the answer is 15.", "15", "12", "Wait", "15"),
        ("答案是12。等等，不对，答案是15。", "15", "12", "等等", "15"),
        ("The total = 12. Hmm, wait: the total = 15", "15", "12", "Hmm", "15"),
        ("12, wait, 15", "15", "12", "wait", "15"),
        ("A is a knight. Wait, that contradicts B. A is a knave", "A=0", "knight", "Wait", "knave"),
        ("17 + 5 = 23. Let me check that: 17 + 5 = 22.", "22", "23", "check", "22"),
    ],
)
def test_an_aha_is_found_where_it_stands(reasoning, answer, before, marker, after):
    text = completion(reasoning, answer)
    found = find_aha(text, answer, vocabulary=PARITY)
    assert found is not None
    assert (found.before, found.marker, found.after) == (before, marker, after)
    assert text[slice(*found.before_span)].replace(" ", "") == before
    assert text[slice(*found.marker_span)] == marker
    assert text[slice(*found.after_span)].replace(" ", "") == after
    assert found.before_span[1] <= found.marker_span[0] < found.marker_span[1] <= found.after_span[0]


@pytest.mark.parametrize(
    ("reasoning", "answer"),
    [
        ("3+4-2+8=7-2+8=5+8=13", "13"),  # no marker
        ("3+4-2=7-2=5 check 5+2=7-4=3 ok", "5"),  # a check that passes
        ("3+4=7. Wait, let me go on: 7+8=15.", "15"),  # the next step, not the same one again
        ("So it is 15. Wait, is it? Yes: it is 15.", "15"),  # looked at again, the same
        ("So it is 7+8. Wait: 7+8=15", "15"),
        ("Wait, wait. Hmm.", "15"),
        ("x=15 but y=12", "15"),  # "but" joins clauses
        ("await=3 waiting=4", "4"),  # the word inside other words
        ("", "15"),
        # A step of a rejected attempt, done otherwise in a later attempt at something else.
        ("9-3+2=7+2=9 no 5+4=8 no 9-3+2=6+2=8", "8+1"),
        # The same subject again, but long ago: another x.
        ("x=1 " + " ".join(f"a{i}={i}" for i in range(9)) + " wait x=2", "7"),
        ("5+2=7 check 5+2=7-4=3 ok", "9"),  # running notation: 5+2 is 7 here, too
    ],
)
def test_no_aha_where_nothing_changes(reasoning, answer):
    assert find_aha(completion(reasoning, answer), answer) is None


def test_a_right_result_given_up_and_taken_back_is_no_aha():
    text = completion("So it is 15. Wait, so it is 12. Hmm, so it is 15.", "15")
    found = find_aha(text, "15")
    assert found is not None
    assert (found.before, found.after) == ("12", "15")  # the second change, not the first
    assert [(r.before, r.after) for r in reevaluations(text)] == [("15", "12"), ("12", "15")]


def test_a_step_whose_first_result_was_the_answer_is_no_aha():
    text = completion("3+4=7 wait 3+4=8 wait 3+4=7", "7")
    assert [(r.before, r.after) for r in reevaluations(text)] == [("7", "8"), ("8", "7")]
    found = find_aha(text, "7")
    assert found is not None
    assert (found.before, found.after) == ("8", "7")
    assert find_aha(completion("3+4=7 wait 3+4=8, but no: 7", "7"), "7") is None


def test_an_attempt_worked_out_again_at_once_is_an_aha():
    found = find_aha(completion("9-3+2=7+2=9 no 9-3+2=6+2=8 yes", "9-3+2"), "9-3+2")
    assert found is not None
    assert (found.subject, found.before, found.after) == ("9-3+2", "7+2", "6+2")


def test_an_answer_that_changes_to_another_wrong_one_is_no_aha():
    assert find_aha(completion("So it is 12. Wait, so it is 13. Then 15", "15"), "15") is None


def test_a_prefilled_tag_and_text_without_tags_are_searched_too():
    assert find_aha("3+4=8 wait 3+4=7</think><answer>7</answer>", "7", prefill="<think>") is not None
    assert find_aha("3+4=8 wait 3+4=7, so 7", "7") is not None


def test_only_the_reasoning_is_searched():
    assert find_aha("<think>3+4=8</think> wait 3+4=7 <answer>7</answer>", "7") is None


@pytest.mark.parametrize("family", [Arithmetic(), Knights(), Parity()], ids=lambda family: family.name)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_traces_of_the_shipped_families(family, language):
    """Traces with noticed slips hold an aha (unless the slip hits the answer), careful ones none."""
    rng = random.Random(7)
    careful = TraceStyle(language=language, checks=True)
    noticing = TraceStyle(slip_frac=0.4, notices=True, language=language)
    found, slipped = 0, 0
    for _ in range(150):
        instance = family.draw(rng, {})
        trace = family.work(instance, rng, careful)
        answer = family.reference(instance, language)
        assert find_aha(completion(trace.steps, trace.answer), answer, vocabulary=PARITY) is None, trace.steps
        trace = family.work(instance, rng, noticing)
        if any(word in trace.steps for word in ("wait", "等等")):
            slipped += 1
            found += find_aha(completion(trace.steps, answer), answer, vocabulary=PARITY) is not None
    assert slipped > 50
    assert found >= 0.95 * slipped


def test_countdown_attempts_are_ahas_and_first_hits_are_not():
    rng = random.Random(3)
    family = Countdown()
    retried = hits = 0
    for _ in range(200):
        trace = family.work(family.draw(rng, {}), rng, TraceStyle())
        found = find_aha(completion(trace.steps, trace.answer), trace.answer)
        if " no" in trace.steps:
            retried += 1
            hits += found is not None
        else:
            assert found is None
    assert retried > 50
    assert hits >= 0.95 * retried


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.sampled_from(["wait", "=", "7", "+", "x", " ", "等等", "so", "是", "(", "<think>", "\n", "½"])
    )
)
def test_no_text_raises(parts):
    reevaluations("".join(parts), vocabulary=("odd",), answer="1+2")


@pytest.mark.parametrize(
    "unit", ["wait ", "1", "a=b ", "=", "so ", "( ", "1+", " ", "a", "wait 3+4=7 ", "是", "-"], ids=repr
)
def test_time_is_linear_in_hostile_text(unit):
    def seconds(num_chars: int) -> float:
        text = unit * (num_chars // len(unit))
        start = time.process_time()
        find_aha(text, "7")
        return time.process_time() - start

    # Forty times the text may take at most a hundred and sixty times as long; quadratic would be 1,600.
    assert seconds(40_000) < 160 * max(seconds(1_000), 0.002)


def test_the_first_aha_of_an_evaluation(evaluation, problem, outcome):
    plain = outcome("7", text=completion("3+4=7", "7"))
    changed = outcome("7", text=completion("3+4=8 wait 3+4=7", "7"))
    wrong = outcome("8", False, text=completion("3+4=9 wait 3+4=8", "8"))
    found = first_aha(evaluation([problem("a", [plain, wrong]), problem("b", [plain, changed])]))
    assert (found.problem.problem_id, found.member) == ("b", 1)
    assert found.outcome is found.problem.outcomes[1]
    assert found.reevaluation.subject == "3+4"
    assert first_aha(evaluation([problem("a", [plain, wrong])])) is None


def test_vocabulary_is_made_of_short_words_only(evaluation, problem, outcome):
    problems = [
        problem("a", [outcome()], task="parity", reference="odd"),
        problem("b", [outcome()], task="parity", reference="偶"),
        problem("c", [outcome()], task="knights", reference="A=1 B=0"),
        problem("d", [outcome()], task="arithmetic", reference="13"),
    ]
    assert vocabularies(evaluation(problems)) == {"parity": ("odd", "偶"), "knights": (), "arithmetic": ()}
