"""What running tests gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """What the tests found."""

    passed: int
    total: int
    reason: str
    """Of the first failure; "" when all passed."""
    feedback: str = ""
    """What the solution printed to stderr, for the transcript."""

    @property
    def all_passed(self) -> bool:
        return self.passed == self.total > 0


class BrokenTestsError(Exception):
    """The tests themselves fail before they test anything: the reference's fault."""
