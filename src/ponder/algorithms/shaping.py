"""What the length cap does to rewards."""

from __future__ import annotations

from torch import Tensor

from ponder.errors import RecipeError


def soft_overlong_penalty(lengths: Tensor, length_cap: int, band: int) -> Tensor:
    """Returns what is added to the rewards of completions of `lengths` tokens (DAPO eq. 13), float64.

    0 up to length_cap - band; (length_cap - band - length) / band within the band, down to -1 at the
    cap; -1 beyond. Raises RecipeError when the band is not narrower than the cap: every completion
    would be penalised for being there.
    """
    if not 0 < band < length_cap:
        raise RecipeError(
            f"algorithm.overlong_band is {band}, the length cap {length_cap} tokens; allowed: 1 to "
            f"{length_cap - 1}. Set overlong_band to {max(1, length_cap // 5)} (a fifth of the cap, as DAPO) "
            'or algorithm.truncated to "keep"'
        )
    return ((length_cap - band - lengths.double()) / band).clamp(-1.0, 0.0)
