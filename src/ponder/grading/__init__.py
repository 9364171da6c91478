"""Verifiers: (answer, reference) -> Grade."""

from ponder.grading.table import GRADERS, MAX_ANSWER_CHARS, check_reference, grade, reference_answer
from ponder.grading.verdicts import Grader

__all__ = ["GRADERS", "MAX_ANSWER_CHARS", "Grader", "check_reference", "grade", "reference_answer"]
