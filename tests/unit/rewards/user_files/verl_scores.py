# ruff: noqa: B905
"""Custom scores for verl: one sample at a time, as a number or a dictionary, and a whole batch."""

import re


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """After verl's scores of GSM8K: the number behind #### decides."""
    if data_source != "openai/gsm8k":
        raise NotImplementedError(f"Reward function is not implemented for {data_source=}")
    found = re.search(r"#### (-?[0-9.,]+)", solution_str)
    if found is None:
        return 0
    answer = found.group(1).replace(",", "").replace("$", "")
    return 1.0 if answer == ground_truth else 0.1


async def compute_score_with_details(data_source, solution_str, ground_truth, extra_info=None, bonus=0.0):
    """After verl's DAPO score: a dictionary, of which `score` is the reward."""
    given = (re.findall(r"\\boxed\{([^}]*)\}", solution_str[-300:]) or ["[INVALID]"])[-1]
    right = given == ground_truth
    return {
        "score": (1.0 + bonus if right else -1.0) + extra_info["index"] / 1000,
        "acc": right,
        "pred": given,
    }


def compute_scores(data_sources, solution_strs, ground_truths, extra_infos):
    """For verl's batch reward manager: relative to the longest of the batch."""
    longest = max(len(text) for text in solution_strs)
    return [
        float(truth in text) - 0.5 * len(text) / longest for text, truth in zip(solution_strs, ground_truths)
    ]
