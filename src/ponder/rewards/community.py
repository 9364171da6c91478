r"""The reward pair of the community's GSM8K script for GRPO (2025), with its defects mended.

The printed regex `^<reasoning>\n.*?\n</reasoning>\n<answer>\n.*?\n</answer>\n$` lacks re.DOTALL, so that
reasoning of two lines earns 0; it wants a final newline, which a completion that ends at the stop token
does not have; and with DOTALL it would accept two answer blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ponder.prompting import ParsedCompletion, Tags
from ponder.types import Problem


def gsm8k_correctness(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    parsed: Sequence[ParsedCompletion],
    problem: Sequence[Problem],
    **columns: Any,
) -> list[float | None]:
    """2.0 when the text of the last answer is the reference, letter by letter; otherwise 0.0.

    Of a reference with "####" the part after it counts, as in the script.
    """
    return [
        2.0 if part.answer and part.answer == _after_hashes(asked.reference) else 0.0
        for part, asked in zip(parsed, problem, strict=True)
    ]


def gsm8k_strict_format(
    prompts: Sequence[Any], completions: Sequence[Any], *, parsed: Sequence[ParsedCompletion], **columns: Any
) -> list[float | None]:
    """0.5 for the tags of the run's template each on a line of its own, once each, in order; else 0.0.

    One line break may follow the last tag or not; the blocks may have several lines.
    """
    return [0.5 if _strictly_formed(part.text, part.tags) else 0.0 for part in parsed]


def _after_hashes(reference: str) -> str:
    return reference.rpartition("####")[2].strip().replace(",", "").removeprefix("$")


def _strictly_formed(text: str, tags: Tags) -> bool:
    """Whether the text is the four tags on lines of their own, each once; linear in its length."""
    reasoning, answer = tags.reasoning, tags.answer or "answer"
    if any(text.count(tag) != 1 for name in (reasoning, answer) for tag in (f"<{name}>", f"</{name}>")):
        return False
    opening, middle, closing = f"<{reasoning}>\n", f"\n</{reasoning}>\n<{answer}>\n", f"\n</{answer}>"
    text = text.removesuffix("\n")
    turn = text.find(middle)
    # Blocks may be empty, but two tags do not share a line break.
    return (
        text.startswith(opening)
        and text.endswith(closing)
        and len(opening) <= turn
        and turn + len(middle) <= len(text) - len(closing)
    )
