"""`python -m benchmarks`: everything measured in one run, one JSON file, one page made from it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.duel import ROOT, Samples, Setting, WorkerError, ask, take_turns
from benchmarks.machine_limit import work_of
from benchmarks.page import write_page
from benchmarks.search import completion_search, find_fastest, ponder_search, trl_search
from benchmarks.settings import PONDER, TRL, differences
from benchmarks.shapes import LARGE, QUICK, SHAPES, SMALL, ModelShape, Shape

PACKAGES = ("torch", "trl", "transformers", "accelerate", "tokenizers", "datasets", "numpy", "ponder-rl")
MAX_POSITIONS = 2048


def main() -> int:
    """Runs what the command line asks for. A promise that is missed is said, on the page too."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        "quick": options.quick,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": _machine(options.threads),
        "versions": {package: version(package) for package in PACKAGES}
        | {"python": platform.python_version()},
        "steps": options.steps,
        "tables": [],
    }
    start = time.monotonic()
    _measure_table(results, options, "cpu", SMALL)
    if _has_cuda():
        _measure_table(results, options, "cuda", LARGE)
    else:
        _say("No CUDA device: the table of a 1.5B-shaped model in bfloat16 is left out.")
        results["cuda"] = "no CUDA device on this machine; the table in bfloat16 was left out"
    results["minutes"] = round((time.monotonic() - start) / 60, 1)
    _save(results, options.out)
    missed = write_page(results, options.out / "benchmarks.md")
    _say(f"Wrote {options.out / 'benchmarks.md'} and {options.out / 'benchmarks.json'}.")
    for line in missed:
        _say(f"missed: {line}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run.sh", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="tiny shapes: see that it runs; ratios mean nothing"
    )
    parser.add_argument("--shapes", default="abc", help="which of a, b, c (default: all)")
    parser.add_argument("--steps", type=int, help="timed steps per side (default: 5, quick: 2)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-search", action="store_true", help="take default settings on both sides")
    parser.add_argument("--out", type=Path, help="folder (default: docs, quick: runs/benchmarks-quick)")
    options = parser.parse_args()
    if options.steps is None:
        options.steps = 2 if options.quick else 5
    if options.out is None:
        options.out = ROOT / ("runs/benchmarks-quick" if options.quick else "docs")
    if not set(options.shapes) <= set(SHAPES):
        parser.error(f"--shapes {options.shapes}: allowed are letters of {''.join(SHAPES)}")
    return options


def _measure_table(
    results: dict[str, Any], options: argparse.Namespace, device: str, model: ModelShape
) -> None:
    """One model on one device: the check of the loss, the machine's rates, and every shape."""
    table: dict[str, Any] = {
        "device": device,
        "model": asdict(model),
        "threads": options.threads,
        "shapes": [],
    }
    results["tables"].append(table)
    with tempfile.TemporaryDirectory(prefix="benchmark-model-") as folder:
        setting = Setting(Path(folder), model, device, options.threads, _log(device))
        _say(f"{device}: writing a model of {model.num_layers} layers, width {model.hidden_size}")
        ask(setting, "model", max_positions=MAX_POSITIONS)
        if device == "cpu":
            _say("same loss and gradient on a shared batch ...")
            table["equality"] = ask(setting, "equality")
            worst = min(row["gradient_cosine"] for row in table["equality"]["rows"])
            _say(f"  {len(table['equality']['rows'])} comparisons, worst gradient cosine {worst:.9f}")
        rates = [ask(setting, "rates", quick=options.quick)]
        chosen = QUICK if options.quick else SHAPES
        found: dict[str, Any] = {}
        for name in options.shapes:
            try:
                row = _measure_shape(setting, chosen[name], options, found)
            except (WorkerError, AssertionError) as error:
                # What the other shapes gave is not lost with this one; the page says that it is missing.
                _say(f"({name}) could not be measured: {error}")
                table.setdefault("failed", {})[name] = str(error)
                continue
            table["shapes"].append(row)
            _save(results, options.out)
        rates.append(ask(setting, "rates", quick=options.quick))
        table["rates"] = rates
        _add_limits(table, model, chosen)


def _measure_shape(
    setting: Setting, shape: Shape, options: argparse.Namespace, found: dict[str, Any]
) -> dict[str, Any]:
    """Settings first, then steps, then completions alone."""
    _say(f"({shape.name}) {shape.title}")
    row: dict[str, Any] = {"shape": shape.to_dict(), "search": {}}
    for who, defaults in (("transformers", TRL), ("trl", TRL), ("ponder", PONDER)):
        # A quick run looks for settings once: it only shows that the search works.
        if options.no_search or (options.quick and who in found):
            best = found.get(who, defaults)
            trials: list[dict[str, Any]] = []
        else:
            search = {
                "transformers": lambda: completion_search(setting.device),
                "trl": lambda: trl_search(shape, setting.device, found["transformers"]["completions"]),
                "ponder": lambda: ponder_search(setting.device),
            }[who]()
            best, trials = find_fastest(setting, shape, search)
            _say(f"  {who}: {len(trials)} settings tried, fastest: {differences(best, defaults)}")
        found[who] = best if not options.no_search else defaults
        row["search"][who] = {"fastest": best, "trials": trials}
    duels = {
        "step": {"ponder": row["search"]["ponder"]["fastest"], "trl": row["search"]["trl"]["fastest"]},
        "rollout": {
            "ponder": row["search"]["ponder"]["fastest"],
            "trl": row["search"]["transformers"]["fastest"],
        },
    }
    for mode, sides in duels.items():
        samples = take_turns(setting, shape, mode, sides, options.steps, 1)
        _check_same_work(shape, samples)
        row[mode] = {name: _summary(each) for name, each in samples.items()}
        ours, theirs = (row[mode][name]["median_s"] for name in ("ponder", "trl"))
        row[mode]["ratio"] = theirs / ours
        _say(f"  {mode}: ponder {ours:.3f} s, theirs {theirs:.3f} s, {theirs / ours:.2f}x")
    peaks = {name: row["step"][name]["about"]["peak_bytes"] for name in ("ponder", "trl")}
    row["memory_ratio"] = peaks["ponder"] / max(1, peaks["trl"])
    _say(f"  peak memory: {row['memory_ratio']:.0%} of TRL's")
    return row


def _check_same_work(shape: Shape, samples: dict[str, Samples]) -> None:
    """Raises AssertionError unless both trained on the lengths that were asked for, equally weighted."""
    for number, (own, theirs) in enumerate(zip(samples["ponder"].rows, samples["trl"].rows, strict=True)):
        wanted = sorted(shape.lengths(number))
        assert own["lengths"] == wanted, f"step {number}: ponder sampled {own['lengths']}, not {wanted}"
        assert theirs["lengths"] == wanted, f"step {number}: TRL sampled {theirs['lengths']}, not {wanted}"
        pairs = zip(own.get("advantages", ()), theirs.get("advantages", ()), strict=True)
        assert all(abs(left - right) < 1e-3 for left, right in pairs), f"step {number}: advantages differ"


def _summary(samples: Samples) -> dict[str, Any]:
    row = samples.to_dict()
    row["median_s"] = statistics.median(samples.seconds())
    for key in ("rollout_s", "update_s"):
        if key in samples.rows[0]:
            row[f"median_{key}"] = statistics.median(samples.seconds(key))
    # One list of lengths per step is the same on both sides and follows from the shape: not stored.
    row["rows"] = [
        {key: value for key, value in each.items() if key not in ("lengths", "advantages")}
        for each in row["rows"]
    ]
    return row


def _add_limits(table: dict[str, Any], model: ModelShape, shapes: dict[str, Shape]) -> None:
    """The machine's limit for every shape, at the best rates measured before and after."""
    flops = max(rate["flops_per_s"] for rate in table["rates"])
    reads = max(rate["bytes_per_s"] for rate in table["rates"])
    table["flops_per_s"], table["bytes_per_s"] = flops, reads
    for row in table["shapes"]:
        shape = shapes[row["shape"]["name"]]
        numbers = range(1, 1 + len(row["step"]["ponder"]["rows"]) - 1)
        works = [work_of(shape, model, shape.lengths(number)) for number in numbers]
        row["limit"] = {
            "step_s": statistics.median(work.step_s(flops, reads) for work in works),
            "rollout_s": statistics.median(work.rollout_s(flops, reads) for work in works),
            "flops": statistics.median(work.rollout_flops + work.update_flops for work in works),
            "cache_bytes": statistics.median(work.cache_bytes for work in works),
        }
        for mode in ("step", "rollout"):
            for name in ("ponder", "trl"):
                row[mode][name]["limit_frac"] = row["limit"][f"{mode}_s"] / row[mode][name]["median_s"]


def _log(device: str) -> Path:
    """An empty file for what the processes print to standard error."""
    file = ROOT / "runs" / f"benchmarks-{device}.log"
    file.parent.mkdir(exist_ok=True)
    file.write_text("", encoding="utf-8")
    return file


def _machine(threads: int) -> dict[str, Any]:
    processor = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "threads": threads,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "load_at_start": os.getloadavg()[0],
    }


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _save(results: dict[str, Any], folder: Path) -> None:
    """After every shape, so that a run that is cut short leaves what it has."""
    text = json.dumps(results, indent=1) + "\n"
    (folder / "benchmarks.json").write_text(text, encoding="utf-8")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
