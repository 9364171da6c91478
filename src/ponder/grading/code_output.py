"""Whether what a program printed is what it should have printed."""

from __future__ import annotations

import math


def same_output(printed: str, expected: str, tolerance: float = 0.0) -> bool:
    """Equal lines, up to space at the ends of lines and empty lines at the end of the text.

    With a tolerance, tokens that are both numbers may differ by it, absolutely or relative to the expected
    one; then the rest of the white space does not count either.
    """
    given, wanted = _lines(printed), _lines(expected)
    if given == wanted:
        return True
    if tolerance <= 0:
        return False
    tokens, references = printed.split(), expected.split()
    return len(tokens) == len(references) and all(
        token == reference or _near(token, reference, tolerance)
        for token, reference in zip(tokens, references, strict=True)
    )


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _near(token: str, reference: str, tolerance: float) -> bool:
    try:
        given, wanted = float(token), float(reference)
    except ValueError:
        return False
    if not (math.isfinite(given) and math.isfinite(wanted)):
        return False
    return abs(given - wanted) <= tolerance * max(1.0, abs(wanted))
