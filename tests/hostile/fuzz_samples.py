"""A problem or more for every grader, options for every reward that needs some, and how long each may take.

A new entry in `GRADERS` needs a line in `SAMPLES`; one in `REWARDS` where it has options without a default.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from ponder.types import Problem


@dataclass(frozen=True, slots=True)
class Sample:
    """A reference of the kind a grader wants, and an answer that it must call right."""

    reference: str
    right: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    language: str = "en"

    def problem(self, grader: str) -> Problem:
        question = ({"role": "user", "content": "How much is it? 是多少？"},)
        return Problem("p", "fuzz", question, grader, self.reference, self.language, self.meta)


def _instructions(**named: dict[str, Any]) -> str:
    names = [name.replace("__", ":") for name in named]
    return json.dumps({"instruction_id_list": names, "kwargs": list(named.values())})


INSTRUCTIONS = _instructions(
    keywords__existence={"keywords": ["the", "answer"]},
    keywords__frequency={"keyword": "is", "frequency": 9000, "relation": "less than"},
    keywords__forbidden_words={"forbidden_words": ["(", "forbidden"]},
    keywords__letter_frequency={"letter": "q", "let_frequency": 9, "let_relation": "less than"},
    length_constraints__number_sentences={"num_sentences": 1, "relation": "at least"},
    length_constraints__number_words={"num_words": 1, "relation": "at least"},
    length_constraints__number_paragraphs={"num_paragraphs": 1},
    length_constraints__nth_paragraph_first_word={
        "num_paragraphs": 1, "nth_paragraph": 1, "first_word": "the",
    },
    change_case__capital_word_frequency={"capital_frequency": 9, "capital_relation": "less than"},
    punctuation__no_comma={},
    startend__end_checker={"end_phrase": "answer"},
)  # fmt: skip
LANGUAGES = tuple(
    _instructions(language__response_language={"language": code})
    for code in ("en", "de", "hi", "zh", "ar", "sw")
)
FORMATS = _instructions(
    detectable_content__number_placeholders={"num_placeholders": 1},
    detectable_content__postscript={"postscript_marker": "P.P.S"},
    detectable_format__number_bullet_lists={"num_bullets": 1},
    detectable_format__constrained_response={},
    detectable_format__number_highlighted_sections={"num_highlights": 1},
    detectable_format__multiple_sections={"section_spliter": "Section", "num_sections": 1},
    detectable_format__title={},
    combination__repeat_prompt={"prompt_to_repeat": "How much"},
    combination__two_responses={},
)
FORMATTED = "How much [it] P.P.S\n* My answer is yes.\nNow *part* Section 1 <<title>>\n******\nAnother answer"

_CASES = "".join(f"    assert candidate({a}, {b}) == {a + b}\n" for a, b in ((1, 2), (0, 0), (3, -7)))
CHECK = {"type": "check", "tests": f"def check(candidate):\n{_CASES}", "entry_point": "add", "cpu_s": 1}
ASSERTS = {"type": "asserts", "tests": ["assert add(1, 2) == 3", "assert add(2, 2) == 4"], "cpu_s": 1}
STDIO = {"type": "stdio", "cases": [{"input": "1 2\n", "output": "3\n"}], "cpu_s": 1}
COMPARE = {"type": "compare", "entry_point": "add", "reference": "def add(a, b):\n    return a + b\n",
           "inputs": [[1, 2], [3, 4]], "atol": 0, "cpu_s": 1}  # fmt: skip
_ADD = "def add(a, b):\n    return a + b\n"
_CODE = (
    Sample(json.dumps(CHECK), _ADD),
    Sample(json.dumps(ASSERTS), _ADD),
    Sample(json.dumps(STDIO), "print(sum(map(int, input().split())))\n"),
    Sample(json.dumps(COMPARE), _ADD),
)
_IFEVAL = (
    Sample(INSTRUCTIONS, "the answer is an answer"),
    Sample(FORMATS, FORMATTED),
    Sample(_instructions(detectable_format__json_format={}), '{"a": 1}'),
    Sample(_instructions(startend__quotation={}), '"a"'),
    Sample(
        _instructions(change_case__english_capital={}), "THIS IS THE ANSWER TO THE QUESTION THAT YOU ASKED ME"
    ),
    Sample(
        _instructions(change_case__english_lowercase={}),
        "this is the answer to the question that you asked me",
    ),
    *(
        Sample(reference, right)
        for reference, right in zip(
            LANGUAGES,
            (
                "This is the answer to the question that you asked me.",
                "Das ist die Antwort auf die Frage, die du mir gestern gestellt hast.",
                "यह उस प्रश्न का उत्तर है जो आपने मुझसे कल पूछा था।",
                "这是你昨天问我的那个问题的答案。",
                "هذا هو الجواب على السؤال الذي طرحته علي أمس.",
                "Hili ndilo jibu la swali ambalo uliniuliza jana nyumbani kwetu.",
            ),
            strict=True,
        )
    ),
)


def _gym(dataset: str, answer: str, **metadata: Any) -> Sample:
    entry = {"question": "?", "answer": answer, "metadata": metadata}
    return Sample(json.dumps({"dataset": dataset, "entry": entry}), answer)


_MATRIX = "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}"

SAMPLES: dict[str, tuple[Sample, ...]] = {
    "integer": (Sample("72", "72"), Sample("-5", "-5"), Sample("0", "0")),
    "exact": (
        Sample("odd", "odd"),
        Sample("足阳明胃经", "足阳明胃经"),
        Sample("Michio Sugeno", "Michio Sugeno"),
    ),
    "facts": (
        Sample("Michio Sugeno", "Michio Sugeno"),
        Sample('["April 1912", "15 April 1912"]', "15 April 1912"),
        Sample("120,000 euros", "120,000 euros"),
        Sample("足阳明胃经", "足阳明胃经", language="zh"),
    ),
    "choice": (
        Sample("C", "C"),
        Sample("B", "B", {"choices": ["Paris", "Rome", "(", "5"]}),
        Sample("丙", "丙", {"choices": ["一", "二", "三"]}, "zh"),
    ),
    "countdown": (
        Sample(json.dumps({"numbers": [3, 5, 8], "target": 16}), "3 + 5 + 8"),
        Sample(json.dumps({"numbers": [44, 19, 35, 2], "target": 49}), "(44 + 19 + 35) / 2"),
    ),
    "knights": (
        Sample("A=1 B=0 C=1", "A=1 B=0 C=1"),
        Sample("Amelia=1 Zoey=0", "Amelia is a knight, Zoey is a knave"),
    ),
    "math": (
        Sample("72", "72"),
        Sample("\\frac{3}{4}", "\\frac{3}{4}"),
        Sample("x^2+1", "x^2+1"),
        Sample("(1,2)", "(1,2)"),
        Sample("[0,1)", "[0,1)"),
        Sample("\\{1,2,3\\}", "\\{1,2,3\\}"),
        Sample(_MATRIX, _MATRIX),
        Sample("50\\%", "50\\%"),
        Sample("2\\sqrt{3}", "2\\sqrt{3}"),
        Sample("x=3", "x=3"),
        Sample("\\text{even}", "even"),
    ),
    "code": _CODE,
    "code_partial": _CODE,
    "ifeval": _IFEVAL,
    "ifeval_loose": _IFEVAL,
    "reasoning_gym": (
        _gym("chain_sum", "12"),
        _gym("decimal_arithmetic", "3.14"),
        _gym("countdown", "3 + 5 + 8", numbers=[3, 5, 8], target=16),
        _gym("spiral_matrix", "1 2 4 3"),
    ),
    "judged": (Sample("", "any"),),
}  # fmt: skip
"""Problems by grader."""

UNRULED = frozenset({"judged"})
"""Graders that call every answer UNGRADABLE, or wrong without a look: no rule decides."""

OPTIONAL = {"reasoning_gym": "reasoning_gym"}
"""Packages that graders need and that need not be there; without them they are left out, and it is said."""

SANDBOXED = frozenset({"code", "code_partial"})
"""Graders that start a sandbox for each text: they are given a sample of the texts."""

REWARD_OPTIONS: dict[str, dict[str, Any]] = {}
"""Options of rewards that cannot do without."""

DEADLINES = {"math": 6.0, "reasoning_gym": 12.0, "code": 12.0, "code_partial": 12.0}
"""Processor seconds for one answer, the grader's processes included. math: 2 for a comparison, the rest for
starting another worker after one was stopped (it imports sympy); reasoning_gym: 5, and the same. code: 1 for
the solution and 1 for the tests by the references above, and the starts of both."""
DEADLINE_S = 1.0
"""For every other grader."""
REWARD_DEADLINE_S = 2.0
"""For every reward, and for parsing; a recipe's `reward_deadline_s` is 10 for a whole group."""


def usable(graders: Iterable[str]) -> list[str]:
    """The graders whose packages are there."""
    return [name for name in graders if name not in OPTIONAL or find_spec(OPTIONAL[name]) is not None]


def missing_samples(graders: Mapping[str, Any]) -> list[str]:
    """Graders that nothing here tests."""
    return sorted(set(graders) - set(SAMPLES))
