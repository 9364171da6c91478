# ruff: noqa: B905
"""Functions after the examples in TRL's documentation of custom rewards for GRPO."""

import re


def boxed_matches(completions, ground_truth, **kwargs):
    found = [re.search(r"\\boxed\{(.*?)\}", completion) for completion in completions]
    contents = [match.group(1) if match else "" for match in found]
    return [1.0 if content == truth else 0.0 for content, truth in zip(contents, ground_truth)]


def coding_only(prompts, completions, subject, **kwargs):
    """Several tasks in one data set: None where the reward does not apply."""
    assert len(prompts) == len(completions)
    return [
        0.5 * ("def " in completion) if each == "coding" else None
        for completion, each in zip(completions, subject)
    ]


async def shaped(completions, completion_ids, trainer_state, log_metric, log_extra, **kwargs):
    """Logs a column and a scalar, and grows stricter as training goes on."""
    lengths = [len(ids) for ids in completion_ids]
    log_extra("length", lengths)
    log_extra("first_word", [completion.split()[0] for completion in completions])
    log_metric("mean_length", sum(lengths) / len(lengths))
    factor = 1.0 if trainer_state.global_step < 100 else 2.0
    return [-factor * length / 10 for length in lengths]
