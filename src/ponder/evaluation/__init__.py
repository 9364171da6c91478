"""Scores of a policy on held-out problems: sampling, grading, estimates with intervals, transcripts."""

from ponder.evaluation.aha import Aha, Reevaluation, find_aha, find_ahas, first_aha, reevaluations
from ponder.evaluation.analysis import (
    LanguageConsistency,
    Lengths,
    Reflection,
    language_consistency,
    lengths_by_outcome,
    reflection,
    truncated_frac,
    well_formed_frac,
)
from ponder.evaluation.compare import Comparison, compare_evaluations
from ponder.evaluation.estimators import ABSTAINED, chance_corrected, cons_at_k, pass_at_1, pass_at_k
from ponder.evaluation.evaluate import evaluate_policy, select_problems
from ponder.evaluation.intervals import Estimate, bootstrap_difference, bootstrap_mean, bootstrap_strata
from ponder.evaluation.outcomes import Evaluation, EvaluationSettings, Outcome, ProblemOutcome
from ponder.evaluation.records import (
    evaluation_from_json,
    evaluation_to_json,
    load_evaluation,
    save_evaluation,
)
from ponder.evaluation.summary import ALL, Scores, metrics, overall, summarise
from ponder.evaluation.transcripts import Highlight, Transcript, most_telling
from ponder.evaluation.voting import (
    EQUIVALENCES,
    Equivalence,
    equivalence_for,
    graded_equivalence,
    same_answer,
    same_expression,
    vote_classes,
)

__all__ = [
    "ABSTAINED",
    "ALL",
    "EQUIVALENCES",
    "Aha",
    "Comparison",
    "Equivalence",
    "Estimate",
    "Evaluation",
    "EvaluationSettings",
    "Highlight",
    "LanguageConsistency",
    "Lengths",
    "Outcome",
    "ProblemOutcome",
    "Reevaluation",
    "Reflection",
    "Scores",
    "Transcript",
    "bootstrap_difference",
    "bootstrap_mean",
    "bootstrap_strata",
    "chance_corrected",
    "compare_evaluations",
    "cons_at_k",
    "equivalence_for",
    "evaluate_policy",
    "evaluation_from_json",
    "evaluation_to_json",
    "find_aha",
    "find_ahas",
    "first_aha",
    "graded_equivalence",
    "language_consistency",
    "lengths_by_outcome",
    "load_evaluation",
    "metrics",
    "most_telling",
    "overall",
    "pass_at_1",
    "pass_at_k",
    "reevaluations",
    "reflection",
    "same_answer",
    "same_expression",
    "save_evaluation",
    "select_problems",
    "summarise",
    "truncated_frac",
    "vote_classes",
    "well_formed_frac",
]
