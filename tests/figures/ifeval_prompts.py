"""IFEval: all prompts load and grade; where lm-eval's port is installed, how often both graders agree.

    PONDER_DATA=... python tests/figures/ifeval_prompts.py

The agreement is on generated responses: real sentences, edited so that each instruction is followed about two
times in three. The port needs `lm_eval` (its folder tasks/ifeval is enough), nltk with punkt_tab, langdetect
and immutabledict.
"""

from __future__ import annotations

import importlib.util
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ponder.grading import grade
from ponder.grading.instructions import follow, read_instructions
from ponder.tasks.benchmark_loading import load_benchmark
from ponder.tasks.benchmarks import data_folder
from ponder.tasks.files import read_rows
from ponder.types import Problem, Verdict

RESPONSES_EACH = 4
SEED = 1


def main() -> None:
    folder = data_folder()
    if folder is None:
        print("skipped: PONDER_DATA names no folder of data")
        return
    problems = list(load_benchmark("ifeval"))
    rows = [{"prompt": problem.text, **json.loads(problem.reference)} for problem in problems]
    print(f"{len(problems)} prompts")
    types = Counter(name for row in rows for name in row["instruction_id_list"])
    print(f"{len(types)} types, {types.total()} instructions:")
    for name, count in types.most_common():
        print(f"  {count:>3} {name}")
    sentences = _sentences(folder)
    long = " ".join(sentences["en"][:60])
    print("response            strict: prompts instructions   loose: prompts instructions   ungradable")
    for label, respond in {
        "empty": lambda row: "",
        "the prompt itself": lambda row: str(row["prompt"]),
        "60 sentences": lambda row: long,
    }.items():
        print(f"{label:<20}" + _score(problems, [respond(row) for row in rows]))
    _compare(rows, problems, sentences)


def _sentences(folder: Path) -> dict[str, list[str]]:
    """Sentences by language, from the file of language identification and the questions of mgsm."""
    found: dict[str, list[str]] = {"en": []}
    if (folder / "langid_lingua.jsonl.gz").is_file():
        for row in read_rows(folder / "langid_lingua.jsonl.gz"):
            if row["kind"] == "sentences":
                found.setdefault(row["lang"], []).append(row["text"])
    if (folder / "mgsm.jsonl").is_file():
        for row in read_rows(folder / "mgsm.jsonl"):
            found.setdefault(row["lang"], []).append(row["question"])
    return found


def _score(problems: list[Problem], responses: list[str]) -> str:
    parts = []
    for loose in (False, True):
        followed = [
            follow(response, _instructions(problem), loose=loose)
            for problem, response in zip(problems, responses, strict=True)
        ]
        whole = sum(all(each) for each in followed) / len(followed)
        single = sum(map(sum, followed)) / sum(map(len, followed))
        parts.append(f"{whole:>16.1%} {single:>12.1%}")
    verdicts = [grade(problem, text).verdict for problem, text in zip(problems, responses, strict=True)]
    return "   ".join(parts) + f"   {verdicts.count(Verdict.UNGRADABLE):>10}"


def _instructions(problem: Problem) -> Any:
    read = read_instructions(problem.reference)
    if isinstance(read, str):
        raise SystemExit(f"{problem.id}: {read}")
    return read


# --- responses that follow some of the instructions -----------------------------------------------------

Edit = Callable[[str, dict[str, Any], random.Random], str]


def _amount(arguments: dict[str, Any], key: str, relation: str, rng: random.Random) -> int:
    wanted = int(arguments[key]) + rng.choice((-1, 0, 1))
    return max(0, wanted if arguments.get(relation) != "less than" else wanted - 1)


def _trim(words: str, count: int) -> str:
    return " ".join(words.split()[:count])


EDITS: dict[str, Edit] = {
    "keywords:existence": lambda text, a, rng: f"{text} {' '.join(a['keywords'])}.",
    "keywords:frequency": lambda text, a, rng: (
        text + f" {a['keyword']}" * _amount(a, "frequency", "relation", rng)
    ),
    "keywords:forbidden_words": lambda text, a, rng: (
        f"{text} {rng.choice(a['forbidden_words'])}{rng.choice(('', 's', 'ing'))}."
    ),
    "keywords:letter_frequency": lambda text, a, rng: (
        _trim(text, 12) + " " + a["letter"] * _amount(a, "let_frequency", "let_relation", rng)
    ),
    "length_constraints:number_words": lambda text, a, rng: _trim(
        text, _amount(a, "num_words", "relation", rng)
    ),
    "length_constraints:number_sentences": lambda text, a, rng: ". ".join(
        text.split(". ")[: max(1, _amount(a, "num_sentences", "relation", rng))]
    ),
    "length_constraints:number_paragraphs": lambda text, a, rng: "\n\n***\n\n".join(
        [text] * _amount(a, "num_paragraphs", "", rng)
    ),
    "length_constraints:nth_paragraph_first_word": lambda text, a, rng: "\n\n".join(
        [f"{a['first_word'].title()}, {text}"] * _amount(a, "num_paragraphs", "", rng)
    ),
    "detectable_content:number_placeholders": lambda text, a, rng: (
        text + " [name]" * _amount(a, "num_placeholders", "", rng)
    ),
    "detectable_content:postscript": lambda text, a, rng: f"{text}\n{a['postscript_marker']} {text[:40]}",
    "detectable_format:number_bullet_lists": lambda text, a, rng: (
        text + "\n" + f"{rng.choice('*-')} one point\n" * _amount(a, "num_bullets", "", rng)
    ),
    "detectable_format:number_highlighted_sections": lambda text, a, rng: (
        text + rng.choice((" *this*", " **this**")) * _amount(a, "num_highlights", "", rng)
    ),
    "detectable_format:multiple_sections": lambda text, a, rng: "\n".join(
        f"{a['section_spliter']} {n + 1}\n{text}" for n in range(_amount(a, "num_sections", "", rng))
    ),
    "detectable_format:title": lambda text, a, rng: (
        rng.choice(("<<A title>>", "<<>>", "<A title>", "x << y >>")) + f"\n{text}"
    ),
    "combination:repeat_prompt": lambda text, a, rng: f"{a['prompt_to_repeat']}\n{text}",
    "detectable_format:constrained_response": lambda text, a, rng: rng.choice(
        ("My answer is no.", "My answer is maybe", "Well. My answer is yes.")
    ),
    "combination:two_responses": lambda text, a, rng: f"{text}\n******\n{text[: rng.choice((40, 9**9))]}",
    "startend:end_checker": lambda text, a, rng: f"{text} {a['end_phrase']}{rng.choice(('', '', ' Bye'))}",
    "change_case:capital_word_frequency": lambda text, a, rng: (
        text + " NASA's" * _amount(a, "capital_frequency", "capital_relation", rng)
    ),
    "change_case:english_capital": lambda text, a, rng: text.upper(),
    "change_case:english_lowercase": lambda text, a, rng: text.lower(),
    "punctuation:no_comma": lambda text, a, rng: text.replace(",", ""),
    "detectable_format:json_format": lambda text, a, rng: rng.choice(("```json\n{}\n```", "{}")).format(
        json.dumps({"answer": text})
    ),
    "startend:quotation": lambda text, a, rng: f'"{text}"',
}
"""What makes a text follow an instruction, or nearly. In this order later edits keep earlier ones."""


def _response(row: dict[str, Any], sentences: dict[str, list[str]], rng: random.Random) -> str:
    given = dict(zip(row["instruction_id_list"], row["kwargs"], strict=True))
    asked = given.get("language:response_language", {}).get("language", "en")
    language = asked if asked in sentences and rng.random() < 0.7 else rng.choice(sorted(sentences))
    if asked == "en" and rng.random() < 0.9:
        language = "en"
    text = " ".join(rng.sample(sentences[language], rng.randint(1, 12)))
    for name, edit in EDITS.items():
        if name in given and rng.random() < 0.75:
            text = edit(text, given[name], rng)
    if rng.random() < 0.15:
        text = f"Sure, here it is:\n{text}\nI hope this helps."
    return text


# --- the comparison ------------------------------------------------------------------------------------


def _compare(rows: list[dict[str, Any]], problems: list[Problem], sentences: dict[str, list[str]]) -> None:
    if not all(importlib.util.find_spec(name) for name in ("nltk", "langdetect", "immutabledict", "lm_eval")):
        print("agreement: skipped, lm-eval's port with nltk, langdetect and immutabledict is not installed")
        return
    import langdetect
    from lm_eval.tasks.ifeval import utils as port

    langdetect.DetectorFactory.seed = 0
    rng = random.Random(SEED)
    same: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    followed: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    prompts, seconds = Counter[bool](), {"here": 0.0, "the port": 0.0}
    differing = []
    for row, problem in zip(rows, problems, strict=True):
        for _ in range(RESPONSES_EACH):
            response = _response(row, sentences, rng)
            names = row["instruction_id_list"]
            example = port.InputExample(0, names, row["prompt"], row["kwargs"])
            for loose in (False, True):
                start = time.perf_counter()
                ours = follow(response, _instructions(problem), loose=loose)
                middle = time.perf_counter()
                judge = (
                    port.test_instruction_following_loose if loose else port.test_instruction_following_strict
                )
                theirs = [bool(one) for one in judge(example, response).follow_instruction_list]
                seconds["here"] += middle - start
                seconds["the port"] += time.perf_counter() - middle
                prompts[loose] += all(ours) == all(theirs)
                for name, mine, other in zip(names, ours, theirs, strict=True):
                    same[loose][name] += mine == other
                    if not loose:
                        seen[name] += 1
                        followed[name] += other
                        if mine != other:
                            differing.append((problem.id, name, mine, other, response))
    total = RESPONSES_EACH * len(rows)
    for loose, label in ((False, "strict"), (True, "loose")):
        print(f"agreement with lm-eval's port, {label}: {prompts[loose] / total:.2%} of {total} responses, "
              f"{same[loose].total() / seen.total():.2%} of {seen.total()} instructions")  # fmt: skip
    print("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()))
    print("type: agreement strict, loose; followed, of")
    for name, count in seen.most_common():
        print(f"  {name:<48} {same[False][name] / count:>7.2%} {same[True][name] / count:>7.2%} "
              f"{followed[name]:>5} {count:>5}")  # fmt: skip
    for identity, name, mine, other, response in differing[:20]:
        print(f"  {identity} {name}: here {mine}, there {other}: {response[:120]!r} ... {response[-60:]!r}")


if __name__ == "__main__":
    main()
