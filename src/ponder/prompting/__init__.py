"""Templates and the parsing of completions; no tensors."""

from ponder.prompting.lint import lint_template
from ponder.prompting.parsing import (
    REASONING_TAGS,
    SUMMARY_TAGS,
    THINK_TAGS,
    ParsedCompletion,
    Tags,
    is_blank,
    parse_completion,
)
from ponder.prompting.reflection import (
    REFLECTIVE_WORDS_EN,
    REFLECTIVE_WORDS_ZH,
    count_reflective_words,
    num_reflective_words,
)
from ponder.prompting.templates import TEMPLATES, Template, load_template

__all__ = [
    "REASONING_TAGS",
    "REFLECTIVE_WORDS_EN",
    "REFLECTIVE_WORDS_ZH",
    "SUMMARY_TAGS",
    "TEMPLATES",
    "THINK_TAGS",
    "ParsedCompletion",
    "Tags",
    "Template",
    "count_reflective_words",
    "is_blank",
    "lint_template",
    "load_template",
    "num_reflective_words",
    "parse_completion",
]
