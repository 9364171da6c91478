"""A recipe file -> a checked `Recipe`: YAML, `key=value` overrides, presets, and errors that help.

Every violation becomes a `RecipeError` that names the key, the value, what is allowed and the
nearest name. Nothing here imports torch, except the table of presets when a stage needs one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ponder.config import PretrainStage, Recipe, merge
from ponder.errors import RecipeError, nearest
from ponder.pipeline.recipe_checks import check_names, explain

_FLOAT = re.compile(
    r"^[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$"
)
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars: `1e-6` is a number, and `no` (Norwegian) is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith((":float", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("tTfF"))


# --- finding and reading --------------------------------------------------------------------------


def recipe_folders() -> list[Path]:
    """Where recipes are found by name: those of a checkout, then those of the package."""
    package = Path(__file__).resolve().parents[1]
    return [package.parents[1] / "recipes", package / "assets" / "recipes"]


def shipped_recipes() -> dict[str, Path]:
    """Name -> file of every recipe that can be named without a path."""
    found: dict[str, Path] = {}
    for folder in recipe_folders():
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def find_recipe(name: str | Path) -> Path:
    """The file a recipe's name or path stands for. Raises RecipeError when there is none."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = shipped_recipes()
    if str(name).removesuffix(".yaml") in shipped:
        return shipped[str(name).removesuffix(".yaml")]
    raise RecipeError(
        f"Recipe {str(name)!r} is neither a file nor the name of a shipped recipe."
        f"{nearest(Path(name).stem, shipped) if shipped else ''}"
    )


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The checked recipe of a file, after `key=value` overrides and presets.

    `path`: a file, or the name of a shipped recipe. An override's value is YAML; its key is dotted,
    entries of a list are named by their `name` or index (`stages.rl.num_iterations=20`,
    `tasks=[{name: parity}]`).
    """
    file = find_recipe(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"Recipe {file} cannot be read: {error}") from error
    data = parse_yaml(text, str(file))
    if not isinstance(data, dict):
        raise RecipeError(f"Recipe {file} holds {type(data).__name__}, not a mapping of keys to values.")
    return build_recipe(data, overrides, source=str(file))


def build_recipe(data: dict[str, Any], overrides: Sequence[str] = (), source: str = "recipe") -> Recipe:
    """The checked recipe of plain data (what `yaml.safe_load` gives)."""
    for override in overrides:
        apply_override(data, override)
    data = {**data, "stages": [_with_defaults(stage) for stage in _list_of(data.get("stages"))]}
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(explain(error, data, source)) from None
    check_names(recipe, source)
    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """The resolved recipe as YAML; loading it again gives an equal recipe."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def parse_yaml(text: str, source: str) -> Any:
    """The value of a YAML text. Raises RecipeError with line and column."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{source} is not valid YAML: {error}") from error


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# --- overrides ------------------------------------------------------------------------------------


def apply_override(data: dict[str, Any], override: str) -> None:
    """Sets one dotted key of `data` in place.

    The key itself is checked when the recipe is validated, so that an unknown one gets the same
    answer as in the file. Raises RecipeError for a malformed override or an unknown list entry.
    """
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise RecipeError(f"Override {override!r} is not of the form key=value.")
    parts = key.strip().split(".")
    node: Any = data
    for depth, part in enumerate(parts[:-1]):
        node = _enter(node, part, ".".join(parts[: depth + 1]))
    value = parse_yaml(text, f"The value of {key}")
    if isinstance(node, list):
        node[_position(node, parts[-1], key)] = value
    elif isinstance(node, dict):
        node[parts[-1]] = value
    else:
        raise RecipeError(f"Override {key!r}: {'.'.join(parts[:-1])} is {node!r}, which has no keys.")


def _enter(node: Any, part: str, path: str) -> Any:
    if isinstance(node, list):
        return node[_position(node, part, path)]
    if not isinstance(node, dict):
        raise RecipeError(f"Override {path!r} goes into {node!r}, which has no keys.")
    if node.get(part) is None:
        node[part] = {}
    return node[part]


def _position(entries: list[Any], part: str, path: str) -> int:
    """Index of the entry of a list that `part` names: its `name`, or a number."""
    names = [str(entry.get("name", "")) if isinstance(entry, dict) else "" for entry in entries]
    if part in names:
        return names.index(part)
    if part.isdecimal() and int(part) < len(entries):
        return int(part)
    raise RecipeError(
        f"Override {path!r}: there is no entry {part!r} in this list of {len(entries)}."
        f"{nearest(part, [name for name in names if name] or map(str, range(len(entries))))}"
    )


# --- presets --------------------------------------------------------------------------------------


def _with_defaults(stage: Any) -> Any:
    """The stage with presets written out, and its kind's defaults under the blocks it sets in part."""
    if not isinstance(stage, dict):
        return stage
    kind = stage.get("kind", "rl")
    if kind == "pretrain":
        blocks = {key: PretrainStage.model_fields[key].default for key in ("optimizer", "checkpoints")}
        return {
            **stage,
            **{
                key: merge(default.model_dump(mode="json"), stage[key])
                for key, default in blocks.items()
                if isinstance(stage.get(key), dict)
            },
        }
    own = stage.get("algorithm") or {}
    if kind != "rl" or not isinstance(own, dict):
        return stage
    from ponder.algorithms.presets import ALGORITHMS

    name = own.get("preset", "r1")
    if name not in ALGORITHMS:
        raise RecipeError(
            f"stages.{stage.get('name', '?')}.algorithm.preset is {name!r}, which is no algorithm."
            f"{nearest(str(name), ALGORITHMS)}"
        )
    stage = {"kind": "rl", **stage, "algorithm": merge(ALGORITHMS[name].model_dump(mode="json"), own)}
    if isinstance(stage.get("rewards"), str):
        stage["rewards"] = _reward_preset(stage["rewards"], stage.get("name", "?"))
    return stage


def _reward_preset(name: str, stage: str) -> list[dict[str, Any]]:
    from ponder.rewards import REWARD_PRESETS

    if name not in REWARD_PRESETS:
        raise RecipeError(
            f"stages.{stage}.rewards is {name!r}, which is no preset of rewards (a single one is a list)."
            f"{nearest(name, REWARD_PRESETS)}"
        )
    return [reward.model_dump(mode="json") for reward in REWARD_PRESETS[name]]
