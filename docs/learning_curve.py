"""Draws docs/learning-curve.png from a run directory: python docs/learning_curve.py runs/zero-tiny."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def main(run: Path) -> None:
    (metrics,) = run.glob("stages/*-zero/metrics.jsonl")
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    steps = [row["iteration"] + 1 for row in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), dpi=110)
    left.plot(steps, [100 * row["completion/correct/frac"] for row in rows], label="right, %")
    left.plot(steps, [100 * row["completion/format/frac"] for row in rows], label="format, %")
    right.plot(steps, [row["length/all/mean"] for row in rows], label="all")
    right.plot(steps, [row.get("length/right/mean") for row in rows], label="right")
    left.set(title="rollouts at temperature 1", xlabel="iteration", ylim=(0, 100))
    right.set(title="tokens per completion", xlabel="iteration", ylim=(0, None))
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(Path(__file__).parent / "learning-curve.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
