"""Formulas and what they form: reading them, and telling whether two are the same, without sympy.

Tokens, trees (`tree`, `parser`), their values (`exact`, `approximate`, `equality`), the objects that answers
are (`objects`, `structure`, `reading`), and their comparison (`relations`, `comparison`).
"""

from ponder.grading.formulas.comparison import same_text
from ponder.grading.formulas.reading import read

__all__ = ["read", "same_text"]
