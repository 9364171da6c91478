"""Seconds of each text reward for a megabyte of what a degenerate policy repeats, and for one of prose.

python tests/figures/reward_speed.py [REWARD ...]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "rewards"))
from one_group import rewards_of
from test_rewards_any_text import LONG, TEXT_REWARDS

SIZE = 1_000_000
WANTED_S = 1.0
PROSE = (
    "First, we add $40 + 32 = 72$ and check it: is (40 + 32) the same? Yes, it is.\n"
    "1. **Add** the tens, 40 + 30.\n- 然后再加上个位数，得到七十二。\n\n"
)
WORDS = " ".join(f"word{number}" for number in range(SIZE // 8))


def main(names: list[str]) -> int:
    """0 when every text takes every reward less than a second of processor time."""
    texts = {kind: piece * (SIZE // len(piece)) for kind, piece in {**LONG, "prose": PROSE}.items()}
    texts["distinct words"] = WORDS[:SIZE]
    worst = 0.0
    print(f"{'reward':<20} {'slowest':>8} {'median':>8}  text that takes longest")
    for name in names or TEXT_REWARDS:
        seconds = {kind: measured(name, text) for kind, text in texts.items()}
        slowest = max(seconds, key=lambda kind: seconds[kind])
        median = sorted(seconds.values())[len(seconds) // 2]
        print(f"{name:<20} {seconds[slowest]:>7.3f}s {median:>7.3f}s  {slowest}")
        worst = max(worst, seconds[slowest])
    print(f"slowest of all: {worst:.3f} s for 1 MB (wanted: less than {WANTED_S:g} s)")
    return int(worst >= WANTED_S)


def measured(name: str, text: str) -> float:
    """Processor time of one completion, the parsing of its tags included; the better of two."""
    return min(once(name, text) for _ in range(2))


def once(name: str, text: str) -> float:
    start = time.process_time()
    rewards_of(name, f"<think>{text}</think><answer>72</answer>")
    return time.process_time() - start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
