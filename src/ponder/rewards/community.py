r"""The reward pair of the community's GSM8K script for GRPO (2025), with its defects mended.

The printed regex `^<reasoning>\n.*?\n</reasoning>\n<answer>\n.*?\n</answer>\n$` lacks re.DOTALL, so that
reasoning of two lines earns 0; it wants a final newline, which a completion that ends at the stop token
does not have; and with DOTALL it would accept two answer blocks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
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
    return [0.5 if _strict_pattern(part.tags).fullmatch(part.text) else 0.0 for part in parsed]


def _after_hashes(reference: str) -> str:
    return reference.rpartition("####")[2].strip().replace(",", "").removeprefix("$")


@lru_cache(maxsize=8)
def _strict_pattern(tags: Tags) -> re.Pattern[str]:
    names = [re.escape(name) for name in (tags.reasoning, tags.answer or "answer")]
    inside = rf"(?:(?!</?(?:{'|'.join(names)})>).)*"
    blocks = rf"\n{inside}\n".join((rf"<{names[0]}>", rf"</{names[0]}>\n<{names[1]}>", rf"</{names[1]}>"))
    return re.compile(blocks + r"\n?", re.DOTALL)
