"""The template linter: structure is asked for, strategies are not, and the format can be reached."""

from __future__ import annotations

import re

from ponder.prompting.parsing import parse_completion
from ponder.prompting.templates import Template

_HINTS = re.compile(
    r"step[ -]by[ -]step|double[ -]check|check your|verif\w+|reflect\w*|re-?evaluat\w*|backtrack\w*"
    r"|strateg\w+|alternative\w*|careful\w*|self-correct\w*|mistake\w*|\bwait\b|think (?:hard|long|deep)\w*"
    r"|一步一步|逐步|仔细|检查|验证|反思|反省|策略|重新考虑",
    re.IGNORECASE,
)


def lint_template(template: Template) -> tuple[str, ...]:
    """What is wrong with a template, one line each; empty when nothing is.

    The paper constrains structure only, with no content-specific demand such as reflection or a
    particular strategy, so that what appears in training can be called emergent (Nature 2025, p. 634).
    """
    found = []
    text = template.text + template.prefill
    for hint in dict.fromkeys(match.group().lower() for match in _HINTS.finditer(template.text)):
        found.append(f'it asks for content, not structure: "{hint}"')
    if template.kind == "text" and template.text.count("{prompt}") != 1:
        found.append(f'it holds "{{prompt}}" {template.text.count("{prompt}")} times, not once')
    if template.kind == "text" and not template.text.split("{prompt}")[-1].strip() and not template.prefill:
        found.append("nothing after the question says that the reply begins")
    if template.text and template.name not in _TAUGHT and f"<{template.tags.reasoning}>" not in text:
        found.append(f"it never names <{template.tags.reasoning}>: the format is left to chance")
    if not _reachable(template):
        found.append(f"with the prefill {template.prefill!r} no completion can be well formed")
    return tuple(found)


_TAUGHT = frozenset({"plain", "plain_prefill"})
"""Templates of bases that know the tags from pre-training."""


def _reachable(template: Template) -> bool:
    """Whether some completion of the prefill has the right format."""
    tags = template.tags
    ideal = f"<{tags.reasoning}>\nx\n</{tags.reasoning}>\n"
    ideal += f"<{tags.answer}>\n1\n</{tags.answer}>\n" if tags.answer else "1"
    endings = [ideal[start:] for start in range(len(ideal))]
    return any(parse_completion(ending, template.prefill, tags).well_formed for ending in endings)
