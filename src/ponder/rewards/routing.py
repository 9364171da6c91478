"""Which rewards apply to a problem: by its task, its grader and its language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ponder.config import RewardConfig
from ponder.errors import RecipeError, nearest
from ponder.grading import GRADERS
from ponder.types import Problem


@dataclass(frozen=True, slots=True)
class Route:
    """What is known of some problems of a recipe before they are read. None: could be anything."""

    task: str | None
    grader: str | None
    language: str | None


def applicable(rewards: Sequence[RewardConfig], problem: Problem) -> tuple[bool, ...]:
    """For each reward whether it applies to the problem.

    A reward whose `tasks`, `graders` or `languages` leave the problem out is None for it: it "does not
    apply", and is left out of the sum. Raises RecipeError when none applies, since there would be
    nothing to learn from.
    """
    route = Route(problem.task, problem.grader, problem.language)
    found = tuple(_may_apply(reward, route) for reward in rewards)
    if not any(found):
        raise RecipeError(f'rewards: none applies to problem "{problem.id}" ({_shown(route)}). {_REMEDY}')
    return found


_REMEDY = "Add one that does, widen `tasks`, `graders` or `languages` of one, or leave these problems out."


def check_routes(rewards: Sequence[RewardConfig], routes: Sequence[Route]) -> None:
    """Raises RecipeError for tasks and languages that the recipe does not have, graders that do not exist,
    and problems to which no reward can apply."""
    tasks = [route.task for route in routes]
    languages = [route.language for route in routes]
    for reward in rewards:
        for grader in reward.graders:
            _check_known(reward.name, "graders", grader, list(GRADERS))
        for task in reward.tasks:
            _check_known(reward.name, "tasks", task, tasks)
        for language in reward.languages:
            _check_known(reward.name, "languages", language, languages)
    for route in routes:
        if not any(_may_apply(reward, route) for reward in rewards):
            raise RecipeError(f"rewards: none applies to the problems with {_shown(route)}. {_REMEDY}")


def _may_apply(reward: RewardConfig, route: Route) -> bool:
    pairs = (
        (reward.tasks, route.task),
        (reward.graders, route.grader),
        (reward.languages, route.language),
    )
    return all(not wanted or value is None or value in wanted for wanted, value in pairs)


def _check_known(reward: str, key: str, value: str, known: Sequence[str | None]) -> None:
    """A None among what is known is a file or function whose rows say it themselves."""
    if value not in known and None not in known:
        names = sorted({name for name in known if name is not None})
        raise RecipeError(
            f'rewards: {key} of "{reward}" holds "{value}", which is none that the recipe has.'
            f"{nearest(value, names)}"
        )


def _shown(route: Route) -> str:
    pairs = (("task", route.task), ("grader", route.grader), ("language", route.language))
    return ", ".join(f'{key} "{value}"' for key, value in pairs if value is not None)
