# ruff: noqa: B905
"""Functions for verifiers' Rubric: arguments by name, one rollout at a time or a group."""


async def exact_match(completion, answer) -> float:
    response = completion[-1]["content"]
    return 1.0 if answer in response else 0.0


def parsed_answer(parser, completion, answer, info, state, **kwargs):
    """Leaves its finding in the state for those that come after it."""
    given = parser.parse_answer(completion) or ""
    state["given"] = given
    return float(given == answer) * info["weight"] + 0.01 * len(kwargs["level"])


def reads_the_state(state) -> float:
    """A function of the state alone; the one before it left its finding there."""
    return 0.25 if state["given"].isdigit() and state["prompt"][-1]["role"] == "user" else 0.0


async def relative_length(completions, answers, states) -> list[float]:
    """A group reward: the shortest right one earns 1."""
    lengths = [len(completion[-1]["content"]) for completion in completions]
    right = [
        answer in c[-1]["content"] and "given" in s for c, answer, s in zip(completions, answers, states)
    ]
    shortest = min((n for n, ok in zip(lengths, right) if ok), default=0)
    return [shortest / n if ok else 0.0 for n, ok in zip(lengths, right)]
