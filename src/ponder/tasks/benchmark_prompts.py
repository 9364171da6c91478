r"""How a benchmark's question is put to a chat model that is told of no other format.

R1-Zero's templates ask for the answer in tags, and need none of these. The paper's evaluation (v2, appendix
D.1) takes its prompts from each set's own protocol. Here: the \boxed{} directive of R1's model card for
mathematics (in Chinese that of DeepSeekMath's), simple-evals' words for options in English and for functions,
our own for the rest.
"""

from __future__ import annotations

from dataclasses import replace

from ponder.types import Problem

PROMPTS: dict[str, dict[str, str]] = {
    "question": {"en": "{question}"},
    "boxed": {
        "en": "{question}\nPlease reason step by step, and put your final answer within \\boxed{}.",
        "zh": "{question}\n请通过逐步推理来解答问题，并把最终答案放置于\\boxed{}中。",
    },
    "letter": {
        "en": "Answer the following multiple choice question. The last line of your response should be of "
        "the following format: 'Answer: $LETTER' (without quotes) where LETTER is one of {letters}. Think "
        "step by step before answering.\n\n{question}",
        "zh": "请回答下面的单项选择题，先逐步思考。回答的最后一行应为“答案：$LETTER”，"
        "其中 LETTER 是 {letters} 之一。\n\n{question}",
    },
    "function": {
        "en": "Read the following function signature and docstring, and fully implement the function "
        "described. Your response should only contain the code for this function.\n\n{question}",
    },
    "code": {"en": "{question}\n\nPut the Python code into one code block."},
    "program": {
        "en": "{question}\n\nWrite a Python program that reads the input from standard input and prints the "
        "output. Put it into one code block.",
    },
}
"""By name and language; a language that is not there gets the English words."""


def prompted(problem: Problem, prompt: str) -> Problem:
    """The problem with its question inside the prompt of that name."""
    texts = PROMPTS[prompt]
    text = texts.get(problem.language, texts["en"])
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(problem.meta.get("choices") or "ABCD")]
    asked = text.replace("{letters}", letters).replace("{question}", problem.text)
    return replace(problem, messages=(*problem.messages[:-1], {"role": "user", "content": asked}))
