"""Reward `reasoning_steps`: the reasoning names its steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import PositiveInt

from ponder.prompting import ParsedCompletion

_OPEN_R1 = re.compile(r"Step \d+:|^\d+\.|\n-|\n\*|First,|Second,|Next,|Finally,")
"""open-r1's list. Without re.MULTILINE, so that a numbered item counts only where the text begins."""
_ALL = re.compile(
    r"\bStep \d{1,4}\b|^[ \t]{0,8}(?:\d{1,3}[.)、](?!\d)|[-*•][ \t])"
    r"|\b(?:First|Second|Third|Next|Then|Finally),"
    r"|第[一二三四五六七八九十\d]{1,3}步|步骤[ ]?[一二三四五六七八九十\d]|首先|其次|然后|接着|最后",
    re.MULTILINE,
)


def reasoning_steps(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    parsed: Sequence[ParsedCompletion],
    wanted: PositiveInt = 3,
    markers: Literal["all", "open_r1"] = "all",
    **columns: Any,
) -> list[float | None]:
    """min(1, marks of steps / wanted): "Step 2", numbered and bulleted lines, "First,", "首先".

    `all` looks at the reasoning (the whole text when none is marked), in English and Chinese, at the
    beginning of every line. `open_r1` is the list of open-r1's reward of this name, on the whole text.
    Nothing says that the steps are steps: a policy can learn the words alone.
    """
    if markers == "open_r1":
        counts = [len(_OPEN_R1.findall(str(text))) for text in completions]
    else:
        counts = [len(_ALL.findall(part.reasoning or part.text)) for part in parsed]
    return [min(1.0, count / wanted) for count in counts]
