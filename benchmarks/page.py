"""docs/benchmarks.md, made from the JSON of one run and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.settings import PONDER, TRL, differences

MEMORY_TARGET = 0.6
"""Peak memory of ponder as a fraction of TRL's."""


def write_page(results: dict[str, Any], file: Path) -> list[str]:
    """Writes the page and returns what was promised and missed, one line each."""
    missed: list[str] = []
    lines = _head(results)
    for table in results["tables"]:
        lines += _table(table, missed)
    if "cuda" in results:
        lines += ["", "## On a GPU", "", f"Not measured: {results['cuda']}."]
    lines += _method(results)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return missed


def _head(results: dict[str, Any]) -> list[str]:
    machine, versions = results["machine"], results["versions"]
    names = ", ".join(f"{name} {number}" for name, number in versions.items())
    lines = [
        "# Benchmarks",
        "",
        "ponder against TRL's `GRPOTrainer` and `transformers.generate`, side by side in one run.",
        "Written by `make bench` from `benchmarks.json`, which holds every sample and setting.",
        "",
        f"- {results['date']}, {results.get('minutes', '?')} minutes; {machine['processor']},"
        f" {machine['cores']} cores, {machine['threads']} threads used,"
        f" {machine['memory_bytes'] / 2**30:.0f} GiB;"
        f" load average at the start {machine['load_at_start']:.1f}",
        f"- {names}",
    ]
    if results["quick"]:
        lines += [
            "",
            "**A quick run on tiny shapes: it shows that everything runs. Its ratios mean nothing.**",
        ]
    return lines


def _table(table: dict[str, Any], missed: list[str]) -> list[str]:
    model = table["model"]
    lines = [
        "",
        f"## {'CPU' if table['device'] == 'cpu' else 'GPU'}, {model['dtype']}",
        "",
        f"Qwen2 layout, {model['num_layers']} layers, width {model['hidden_size']},"
        f" {model['num_heads']} heads, {model['num_kv_heads']} key heads, feed-forward"
        f" {model['intermediate_size']}, vocabulary"
        f" {model['vocab_size']:,}, tied, random weights.",
    ]
    if "equality" in table:
        lines += ["", *_equality(table["equality"])]
    lines += ["", *_shape_list(table), "", *_steps(table, missed), "", *_memory(table, missed)]
    lines += ["", *_rollouts(table), "", *_limit(table), "", *_settings(table)]
    for name, why in table.get("failed", {}).items():
        lines += ["", f"**({name}) could not be measured**: {why}"]
        missed.append(f"({name}) could not be measured: {why}")
    return lines


def _equality(equality: dict[str, Any]) -> list[str]:
    rows = equality["rows"]
    loss = max(abs(row["ponder_loss"] / row["trl_loss"] - 1) for row in rows)
    cosine = min(row["gradient_cosine"] for row in rows)
    return [
        "Before anything was timed, loss and gradient of the two were compared on a shared batch:"
        f" {len(rows)}"
        " comparisons (losses dapo, grpo, dr_grpo; temperatures 1 and 0.7; whole and in micro-batches; ratios"
        f" clipped). Largest relative difference of the loss {loss:.1e}, smallest cosine between"
        " the gradients"
        f" {cosine:.9f}.",
    ]


def _shape_list(table: dict[str, Any]) -> list[str]:
    return [f"- **({row['shape']['name']})** {row['shape']['title']}" for row in table["shapes"]]


def _steps(table: dict[str, Any], missed: list[str]) -> list[str]:
    lines = [
        "### A step: completions, rewards, loss, gradient, optimizer",
        "",
        "Seconds, medians (smallest to largest) of the timed steps. *Of the limit*: the machine's"
        " limit, below,"
        " divided by the median.",
        "",
        "| | ponder | of which completions | TRL | of which completions | ratio | promised | |"
        " ponder of the limit | TRL of the limit |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table["shapes"]:
        own, theirs, ratio, target = (
            row["step"]["ponder"],
            row["step"]["trl"],
            row["step"]["ratio"],
            row["shape"],
        )
        met = ratio >= target["target"]
        if table["device"] == "cpu" and not met:
            missed.append(f"({target['name']}) {ratio:.2f}x TRL per step; promised {target['target']}x")
        verdict = ("met" if met else "**missed**") if table["device"] == "cpu" else ""
        lines.append(
            f"| ({target['name']}) | {_spread(own)} | {own['median_rollout_s']:.2f} | {_spread(theirs)} |"
            f" {theirs['median_rollout_s']:.2f} | **{ratio:.2f}x** | {target['target']}x | {verdict} |"
            f" {own['limit_frac']:.0%} | {theirs['limit_frac']:.0%} |"
        )
    return lines


def _memory(table: dict[str, Any], missed: list[str]) -> list[str]:
    lines = [
        "### Peak memory",
        "",
        "Of a fresh process over all its steps, above what it held after imports and loading.",
        "",
        "| | ponder, MiB | TRL, MiB | ponder of TRL | promised | | TRL's leanest setting tried, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in table["shapes"]:
        name, ratio = row["shape"]["name"], row["memory_ratio"]
        met = ratio <= MEMORY_TARGET
        if table["device"] == "cpu" and not met:
            missed.append(f"({name}) peak memory {ratio:.0%} of TRL's; promised {MEMORY_TARGET:.0%}")
        verdict = ("met" if met else "**missed**") if table["device"] == "cpu" else ""
        own, theirs = (row["step"][side]["about"]["peak_bytes"] / 2**20 for side in ("ponder", "trl"))
        lines.append(
            f"| ({name}) | {own:,.0f} | {theirs:,.0f} | **{ratio:.0%}** | {MEMORY_TARGET:.0%} | {verdict} |"
            f" {_leanest(row)} |"
        )
    return lines


def _leanest(row: dict[str, Any]) -> str:
    """Of the trials of TRL's step on the whole shape: the smallest peak and what a step took with it."""
    whole = row["shape"]["num_prompts"]
    trials = [t for t in row["search"]["trl"]["trials"] if t["prompts"] == whole and t["seconds"]]
    if not trials:
        return ""
    trial = min(trials, key=lambda trial: trial["peak_bytes"])
    return f"{trial['peak_bytes'] / 2**20:,.0f} at {min(trial['seconds']):.2f} s"


def _rollouts(table: dict[str, Any]) -> list[str]:
    lines = [
        "### Completions alone",
        "",
        "ponder's engine against `transformers` in its fastest setting, the same lengths forced on both.",
        "",
        "| | ponder, s | tokens/s | transformers, s | tokens/s | ratio | ponder of the limit | theirs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table["shapes"]:
        own, theirs, shape = row["rollout"]["ponder"], row["rollout"]["trl"], row["shape"]
        tokens = shape["num_prompts"] * shape["group_size"] * shape["mean_tokens"]
        lines.append(
            f"| ({shape['name']}) | {_spread(own)} | {tokens / own['median_s']:,.0f} | {_spread(theirs)} |"
            f" {tokens / theirs['median_s']:,.0f} | **{row['rollout']['ratio']:.2f}x** |"
            f" {own['limit_frac']:.0%} |"
            f" {theirs['limit_frac']:.0%} |"
        )
    return lines


def _limit(table: dict[str, Any]) -> list[str]:
    lines = [
        "### The machine's limit",
        "",
        "Measured in the same run, with the same threads: matrix products"
        f" {table['flops_per_s'] / 1e9:,.0f} GFLOP/s"
        f" in {table['model']['dtype']} (the best of several sizes), memory reads"
        f" {table['bytes_per_s'] / 1e9:.1f} GB/s.",
        "An estimate of what a step must take: the floating-point work of sampling and of one "
        "forward and backward pass, each group's prompt once in both, and reading the keys and "
        "values of every token it decodes. Norms, softmax, sampling, optimizer, rewards and "
        "Python are not in it.",
        "",
        "| | GFLOP | keys and values, GB | limit, s | of which completions, s |",
        "|---|---|---|---|---|",
    ]
    for row in table["shapes"]:
        limit = row["limit"]
        lines.append(
            f"| ({row['shape']['name']}) | {limit['flops'] / 1e9:,.0f} | {limit['cache_bytes'] / 1e9:.1f} |"
            f" {limit['step_s']:.2f} | {limit['rollout_s']:.2f} |"
        )
    return lines


def _settings(table: dict[str, Any]) -> list[str]:
    lines = [
        "### Settings",
        "",
        "Each side ran in the fastest of the settings listed here, searched for every shape. "
        "`transformers` and ponder: one axis after the other, on the whole shape. TRL's step: "
        "with the way of sampling that won, one axis after the other on a quarter of the prompts "
        "(marked with their number), then what won, all rows in one pass, and freed memory kept, "
        "on the whole shape. Of settings within 5% of the fastest the one with the smallest peak "
        "of memory is taken. Seconds of one step after one that is not timed; a setting whose "
        "first step took over 5 s and 1.15 times the best of its axis was given up.",
        "",
        "Not tried: vLLM, which is another program (both sides sample in their own process); "
        "other allocators; kernels fetched from the hub; generation windows smaller than a step "
        "(in (b) they would weigh tokens differently). On a CPU TRL 1.16 computes the head at "
        "prompt positions, too; that is its own cost.",
    ]
    titles = {"trl": "TRL", "ponder": "ponder", "transformers": "transformers, completions alone"}
    for who, title in titles.items():
        defaults = PONDER if who == "ponder" else TRL
        lines += ["", f"**{title}** (defaults: {_listed(defaults)})", ""]
        for row in table["shapes"]:
            search = row["search"][who]
            lines.append(f"- ({row['shape']['name']}) taken: {differences(search['fastest'], defaults)}.")
            for trial in search["trials"]:
                lines.append(f"  - {_trial(trial, row['shape'], defaults)}")
    return lines


def _trial(trial: dict[str, Any], shape: dict[str, Any], defaults: dict[str, Any]) -> str:
    fewer = "" if trial["prompts"] == shape["num_prompts"] else f" ({trial['prompts']} prompts)"
    if trial["error"]:
        outcome = "did not run"
    elif trial["seconds"]:
        outcome = f"{min(trial['seconds']):.2f} s, peak {trial['peak_bytes'] / 2**20:,.0f} MiB"
    else:
        outcome = f"given up after a first step of {trial['warm_up_s']:.2f} s"
    return f"{differences(trial['settings'], defaults)}{fewer}: {outcome}"


def _listed(defaults: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in defaults.items() if value != {})


def _method(results: dict[str, Any]) -> list[str]:
    return [
        "",
        "## How it is measured",
        "",
        "- Both sides run in fresh processes of one virtual environment and take turns, a step"
        " each; a process"
        f" that waits uses no processor. One step of warm-up and {results['steps']} timed steps each.",
        "- TRL: gradient checkpointing off, bf16 off (on a GPU: on), beta 0, no logging,"
        " evaluation or saving. A step lasts from the end of one optimizer step to the end of the next.",
        "- ponder: the calls of its own loop, in a recipe's default settings but for those above:"
        " sampling with"
        " rewards in a worker process beside it, advantages, loss, gradient, optimizer, new weights for the"
        " engine; without records, evaluation and checkpoints.",
        "- One reward, which costs nothing and wins for every other completion. One list of"
        " completion lengths"
        " per step, forced on both: TRL's rows get the end-of-sequence token at their last place and never"
        " before (with continuous batching a cap per request), ponder's engine a limit per"
        " completion. That both"
        " trained on these lengths, with the same advantages, is checked at every step.",
        "- Everything follows from a fixed seed; sampled tokens differ, as the two draw differently.",
        "",
        "To repeat: `make bench`. To see that it runs, in minutes: `bash benchmarks/run.sh --quick`.",
    ]


def _spread(summary: dict[str, Any]) -> str:
    seconds = [row["seconds"] for row in summary["rows"][summary["warm_up"] :]]
    return f"{summary['median_s']:.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
