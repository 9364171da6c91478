"""Users' functions as their files have them: the numbers that their own frameworks would get from them."""

import asyncio
import importlib.util
import inspect
import json
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from ponder.config import RewardConfig
from ponder.errors import RecipeError, RewardError
from ponder.rewards import CONVENTIONS, RewardWorkers, Scorer, ScoringSpec, load_reward
from ponder.rewards.conventions import convention_of
from ponder.rewards.scoring import make_job
from ponder.rewards.user_call import Callee
from ponder.types import Completion, Finish, Problem, Prompt, RolloutGroup

FILES = Path(__file__).parent / "user_files"
TEXTS = (
    "<think>\n40 + 32\n</think>\n<answer>\n\\boxed{72}\n</answer>",
    "<think>40+32=72</think><answer>40+32</answer> #### 72",
    "def f(): <think>no</think><answer>72</answer>",
    "I do not know. #### 1,073 \\boxed{73}",
)
META = {
    "ground_truth": "72",
    "subject": "coding",
    "target": 72,
    "nums": [40, 32],
    "data_source": "openai/gsm8k",
    "extra_info": {"index": 7, "split": "train"},
    "info": json.dumps({"weight": 0.5}),
    "level": "hard",
}
PROBLEM = Problem("p1", "sums", ({"role": "user", "content": "40 + 32?"},), "integer", "72", meta=META)
IDS = tuple(tuple(range(5 + 3 * number)) for number in range(len(TEXTS)))
STEP = 120


def group(texts: tuple[str, ...] = TEXTS, problem: Problem = PROBLEM) -> RolloutGroup:
    members = tuple(
        Completion(ids, (True,) * len(ids), (0.0,) * len(ids), text, Finish.STOP, ((0, len(ids)),))
        for ids, text in zip(IDS, texts, strict=False)
    )
    return RolloutGroup(Prompt(problem, (1,)), members)


# --- what each framework does, by its own source --------------------------------------------------


def load(name: str) -> ModuleType:
    """The user's file, imported by hand and with a module of our own in ms-swift's place."""
    names = {"ORM": type("ORM", (), {"__init__": lambda self, args=None, **k: None}), "orms": {}}
    names["AsyncORM"] = names["ORM"]
    logger = SimpleNamespace(info=lambda *arguments: None)
    stubs = {"swift": {}, "swift.plugin": names, "swift.rewards": names}
    stubs["swift.utils"] = {"get_logger": lambda: logger}
    for key, value in stubs.items():
        sys.modules[key] = ModuleType(key)
        vars(sys.modules[key]).update(value)
    try:
        spec = importlib.util.spec_from_file_location(f"direct_{name}", FILES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        for key in stubs:
            del sys.modules[key]
    return module


def finished(value):
    async def wait():
        return await value

    return asyncio.run(wait()) if inspect.isawaitable(value) else value


def by_trl(function, *, messages=False):
    """trl/trainer/grpo_trainer.py, _calculate_rewards."""
    turns = [[{"role": "assistant", "content": text}] for text in TEXTS]
    columns = {
        key: [value] * len(TEXTS) for key, value in (META | {"solution": "72", "answer": "72"}).items()
    }
    return finished(
        function(
            prompts=[[{"role": "user", "content": "40 + 32?"}] if messages else "40 + 32?"] * len(TEXTS),
            completions=turns if messages else list(TEXTS),
            completion_ids=[list(ids) for ids in IDS],
            trainer_state=SimpleNamespace(global_step=STEP),
            log_extra=lambda column, values: None,
            log_metric=lambda name, value: None,
            **columns,
        )
    )


def by_swift(kind, **arguments):
    """swift/rl_core: `orms[name](args=args)`, then `reward_func(completions, **rows_to_batched(inputs))`."""
    takes_args = "args" in inspect.signature(kind).parameters
    made = kind(args=SimpleNamespace(**arguments)) if takes_args else kind()
    columns = {key: [value] * len(TEXTS) for key, value in (META | {"solution": "72"}).items()}
    return finished(made(list(TEXTS), response_token_ids=[list(ids) for ids in IDS], **columns))


def by_verl(function, **arguments):
    """verl/workers/reward_manager/naive.py."""
    found = []
    for text in TEXTS:
        score = finished(
            function(
                data_source="openai/gsm8k",
                solution_str=text,
                ground_truth="72",
                extra_info=dict(META["extra_info"]),
                **arguments,
            )
        )
        found.append(score["score"] if isinstance(score, dict) else score)
    return found


def by_verl_batch(function):
    """verl/workers/reward_manager/batch.py."""
    count = len(TEXTS)
    return function(
        data_sources=["openai/gsm8k"] * count,
        solution_strs=list(TEXTS),
        ground_truths=["72"] * count,
        extra_infos=[dict(META["extra_info"])] * count,
    )


class XmlParser:
    """verifiers/parsers/xml_parser.py with the fields think and answer, for one turn."""

    def parse_answer(self, completion):
        found = re.findall(r"<answer>\s*(.*?)\s*</answer>", completion[-1]["content"], re.DOTALL)
        return found[-1] if found else None


def by_verifiers(*functions):
    """verifiers/rubrics/rubric.py: individual and group functions over shared states."""
    prompt = [{"role": "user", "content": "40 + 32?"}]
    states = [
        {
            "prompt": prompt,
            "completion": [{"role": "assistant", "content": text}],
            "answer": "72",
            "info": {"weight": 0.5},
            "task": "sums",
        }
        for text in TEXTS
    ]
    results = []
    for function in functions:
        names = inspect.signature(function).parameters
        takes_any = any(p.kind is p.VAR_KEYWORD for p in names.values())
        if "completions" in names:
            plural = {f"{key}s": [state[key] for state in states] for key in states[0]} | {"states": states}
            results.append(finished(function(**{k: v for k, v in plural.items() if k in names})))
            continue
        scores = []
        for state in states:
            merged = META | state | {"state": state, "parser": XmlParser()}
            scores.append(finished(function(**{k: v for k, v in merged.items() if takes_any or k in names})))
        results.append(scores)
    return results


# --- the numbers ----------------------------------------------------------------------------------


def through_workers(*entries, conversational: bool = False):
    """One group through a worker process: the parts by reward's name, and the scored group."""
    configs = tuple(
        RewardConfig(name=f"{FILES}/{spec}", options=options, convention=convention)
        for spec, options, convention in ((*entry, *({}, "")[len(entry) - 1 :]) for entry in entries)
    )
    spec = ScoringSpec(configs, conversational=conversational)
    with RewardWorkers(spec, num_workers=1) as workers:
        (scored,) = workers.score([group()], STEP)
        assert not [reward.reason for reward in scored.rewards if reward.reason]
        names = scored.rewards[0].parts
        return {name: [reward.parts[name] for reward in scored.rewards] for name in names}, scored, workers


def test_twelve_functions_of_four_families_give_the_numbers_they_give_when_called_directly():
    overlong = {"soft_max_length": 14, "soft_cache_length": 7}
    parts, scored, _ = through_workers(
        ("trl_docs.py:boxed_matches",),
        ("trl_docs.py:coding_only",),
        ("trl_docs.py:shaped",),
        ("swift_plugin.py:plugin_accuracy",),
        ("swift_plugin.py:Countdown",),
        ("swift_plugin.py:SoftOverlong", overlong),
        ("verl_scores.py:compute_score",),
        ("verl_scores.py:compute_score_with_details", {"bonus": 0.5}),
        ("verl_scores.py:compute_scores",),
        ("verifiers_rubric.py:exact_match",),
        ("verifiers_rubric.py:parsed_answer",),
        ("verifiers_rubric.py:relative_length",),
    )
    trl, swift = load("trl_docs"), load("swift_plugin")
    verl, verifiers = load("verl_scores"), load("verifiers_rubric")
    exact, parsed, relative = by_verifiers(
        verifiers.exact_match, verifiers.parsed_answer, verifiers.relative_length
    )
    assert parts == {
        "boxed_matches": by_trl(trl.boxed_matches),
        "coding_only": by_trl(trl.coding_only),
        "shaped": by_trl(trl.shaped),
        "plugin_accuracy": by_swift(swift.BoxedAccuracy),
        "Countdown": by_swift(swift.Countdown),
        "SoftOverlong": by_swift(swift.SoftOverlong, **overlong),
        "compute_score": by_verl(verl.compute_score),
        "compute_score_with_details": by_verl(verl.compute_score_with_details, bonus=0.5),
        "compute_scores": by_verl_batch(verl.compute_scores),
        "exact_match": exact,
        "parsed_answer": parsed,
        "relative_length": relative,
    }
    assert all(len(set(values)) > 1 for values in parts.values())  # none is trivial
    assert scored.rewards[0].total == pytest.approx(sum(values[0] for values in parts.values()))


def test_conversational_functions_too_whatever_the_template():
    module = load("open_r1")
    names = ("format_reward", "len_reward", "cosine")
    wanted = {name: by_trl(getattr(module, name), messages=True) for name in names}
    under_chat, _, _ = through_workers(*((f"open_r1.py:{name}",) for name in names), conversational=True)
    under_text, _, _ = through_workers(*((f"open_r1.py:{name}", {}, "trl_messages") for name in names))
    assert under_chat == under_text == wanted


def test_functions_of_one_rubric_share_their_states():
    names = ("parsed_answer", "reads_the_state")
    module = load("verifiers_rubric")
    parts, _, _ = through_workers(*((f"verifiers_rubric.py:{name}",) for name in names))
    assert list(parts.values()) == by_verifiers(*(getattr(module, name) for name in names))
    assert set(parts["reads_the_state"]) == {0.0, 0.25}


def test_what_is_logged_comes_back_by_column_and_by_name():
    _, scored, workers = through_workers(
        ("trl_docs.py:shaped",), ("verl_scores.py:compute_score_with_details",)
    )
    assert scored.extra == {
        "length": (5, 8, 11, 14),
        "first_word": ("<think>", "<think>40+32=72</think><answer>40+32</answer>", "def", "I"),
        "acc": (True, False, False, False),
        "pred": ("72", "[INVALID]", "[INVALID]", "73"),
    }
    assert workers.take_metrics()["user/mean_length/mean"] == 9.5


# --- which convention -----------------------------------------------------------------------------


def named(*names: str, any_more: bool = False):
    arguments = ", ".join([*names, *(["**columns"] if any_more else [])])
    return eval(f"lambda {arguments}: None")


@pytest.mark.parametrize(
    ("names", "convention"),
    [
        (("prompts", "completions"), "trl"),
        (("completion_ids",), "trl"),
        (("completions", "ground_truth", "data_source", "extra_info"), "trl"),
        (("completions", "answers", "log_metric"), "trl"),
        (("completions", "state"), "trl"),
        (("data_source", "solution_str", "ground_truth"), "verl"),
        (("solution_strs", "ground_truths"), "verl_batch"),
        (("completion", "answer", "solution"), "verifiers"),
        (("state",), "verifiers"),
        (("completions", "infos"), "verifiers_group"),
        (("states",), "verifiers_group"),
    ],
)
def test_names_tell_the_convention(names, convention):
    for any_more in (False, True):
        assert convention_of(Callee(named(*names, any_more=any_more)), "f") == convention


@pytest.mark.parametrize(
    ("names", "fitting"),
    [
        (("completions", "answers"), "trl, verifiers_group"),
        (("completions", "completion"), "trl, verifiers"),
        (("completions", "solution_str"), "trl, verl"),
        (("solution_str", "solution_strs"), "verl, verl_batch"),
    ],
)
def test_an_ambiguous_function_is_refused_with_the_fix(names, fitting):
    with pytest.raises(RecipeError, match=rf"{fitting}\. Say which in its entry: `convention: "):
        convention_of(Callee(named(*names)), "f")


def test_a_function_that_names_nothing_is_refused_and_takes_a_convention(tmp_path):
    path = tmp_path / "anything.py"
    path.write_text("def f(**given):\n    return [float(len(given['completions'][0]))]\n")
    with pytest.raises(RecipeError, match=r"takes no name .*`convention: trl`.*verl_batch: "):
        Scorer(ScoringSpec((RewardConfig(name=f"{path}:f"),)))
    scorer = Scorer(ScoringSpec((RewardConfig(name=f"{path}:f", convention="trl"),)))
    assert scorer.score(make_job(group(("abc",)), 0, with_ids=True)).rewards[0].total == 3.0


@pytest.mark.parametrize(("name", "convention"), [("accuracy", "trl"), ("file.py:f", "trll")])
def test_a_convention_that_does_not_exist_or_does_not_belong_is_refused(name, convention):
    with pytest.raises(RecipeError, match=f'convention is "{convention}".*{", ".join(CONVENTIONS)}'):
        ScoringSpec((RewardConfig(name=name, convention=convention),)).check()


def test_options_that_a_function_or_class_does_not_take_are_refused():
    with pytest.raises(RecipeError, match=r'no option "bonsu"\. Did you mean "bonus"'):
        load_reward(
            RewardConfig(name=f"{FILES}/verl_scores.py:compute_score_with_details", options={"bonsu": 1})
        )
    with pytest.raises(RewardError, match=r"made into an instance: AttributeError.*soft_max_length"):
        load_reward(f"{FILES}/swift_plugin.py:SoftOverlong")


def test_a_plugin_that_needs_more_of_swift_fails_on_import_and_says_so(tmp_path):
    path = tmp_path / "plugin.py"
    path.write_text("from swift.llm import Template\nclass Mine: ...\n")
    with pytest.raises(RewardError, match=r"on import: ModuleNotFoundError.*swift\.llm.*plugin\.py, line 1"):
        load_reward(f"{path}:Mine")
    assert "swift" not in sys.modules


def test_one_completion_that_raises_costs_that_one_where_each_has_a_call_of_its_own(tmp_path):
    path = tmp_path / "picky.py"
    path.write_text(
        "def f(completion):\n    return 1.0 / completion[0]['content'].count('#')\n"
        "async def g(solution_str):\n    return None if 'know' in solution_str else 0.5\n"
    )
    configs = tuple(RewardConfig(name=f"{path}:{name}") for name in "fg")
    scores = Scorer(ScoringSpec(configs)).score(make_job(group(), 0, with_ids=True))
    assert [reward.total for reward in scores.rewards] == [None, 0.75, None, None]
    assert scores.causes == ("raised", "", "raised", "returned")
    assert scores.rewards[3].parts == {"f": 0.25, "g": None}
    assert re.search(r'"f" raised ZeroDivisionError.*picky\.py, line 2', scores.rewards[0].reason)
    assert '"g" returned None; a finite number is wanted' in scores.rewards[3].reason


def test_the_rows_of_other_libraries_are_read_as_they_are(tmp_path):
    path = tmp_path / "shows.py"
    path.write_text(
        "def f(data_source, solution_str, ground_truth, extra_info):\n"
        "    return {'score': 0.0, 'seen': f'{data_source} {ground_truth} {extra_info}'}\n"
    )
    scorer = Scorer(ScoringSpec((RewardConfig(name=f"{path}:f"),)))

    def seen(**meta):
        problem = Problem("p", "our_task", PROBLEM.messages, "integer", "72", meta=meta)
        return dict(scorer.score(make_job(group(("x",), problem), 0, with_ids=True)).extra)["seen"][0]

    assert seen() == "our_task 72 {}"
    assert seen(level=3) == "our_task 72 {'level': 3}"
    nested = {"reward_model": {"style": "rule", "ground_truth": "#### 72"}, "data_source": "openai/gsm8k"}
    assert seen(**nested, extra_info={"index": 1}) == "openai/gsm8k #### 72 {'index': 1}"
