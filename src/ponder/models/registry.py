"""Names of models: the shipped ones, and folders."""

from __future__ import annotations

from pathlib import Path

import ponder
from ponder.errors import ModelError, nearest

ASSETS = Path(ponder.__file__).parent / "assets"


def shipped_models() -> tuple[str, ...]:
    """Names of the models that came with the package, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in ASSETS.glob("*/config.json")))


def resolve_model(name: str | Path) -> Path:
    """The folder of a model given by a shipped name or a path.

    Raises ModelError when there is neither; a folder of that name is preferred only if the name
    is not a shipped one, so that a recipe means the same wherever it is run.
    """
    if str(name) in shipped_models():
        return ASSETS / str(name)
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    hint = nearest(str(name), shipped_models()) if shipped_models() else ""
    raise ModelError(
        f"there is no model {str(name)!r}: neither a shipped one nor a folder.{hint} "
        f"A model of the Hub is fetched with `hf download {name} --local-dir FOLDER`; then give FOLDER."
    )
