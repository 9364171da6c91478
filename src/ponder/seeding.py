"""Seeds derived from what they are for, so that no choice depends on what was drawn before it."""

from __future__ import annotations

import hashlib
import random


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from (run seed, stage, iteration, problem, member, ...).

    Equal parts give equal seeds on every machine and Python version; parts that differ
    in any position give unrelated ones. `derive_seed(1, 23)` differs from `derive_seed(12, 3)`.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    # A completion may hold half of a surrogate pair, which UTF-8 has not.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def derive_rng(*parts: int | str) -> random.Random:
    """A `random.Random` of its own for the purpose named by `parts`."""
    return random.Random(derive_seed(*parts))
