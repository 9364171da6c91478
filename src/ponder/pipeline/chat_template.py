"""Chat turns to text, by the Jinja template that a tokenizer brings along."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ponder.errors import ModelError
from ponder.models.tokenizer import Tokenizer
from ponder.prompting.templates import ApplyChat
from ponder.types import Message


def chat_renderer(tokenizer: Tokenizer) -> ApplyChat | None:
    """A function from chat turns to the text that opens the assistant's turn; None without a template.

    The environment is that of `transformers` (sandboxed, loop controls, `tojson`, `raise_exception`).
    The function raises ModelError when the template refuses the turns.
    """
    source = tokenizer.chat_template
    if source is None:
        return None
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    try:
        template = environment.from_string(source)
    except TemplateError as error:
        raise ModelError(f"{tokenizer.source}: the chat template cannot be read: {error}") from error
    named = {key: _text(value) for key, value in tokenizer.settings.items() if key.endswith("_token")}

    def apply(messages: Sequence[Message]) -> str:
        try:
            return template.render(
                messages=[dict(message) for message in messages], add_generation_prompt=True, **named
            )
        except TemplateError as error:
            raise ModelError(f"{tokenizer.source}: the chat template refuses the turns: {error}") from error

    return apply


def _text(value: Any) -> str:
    """A token's text, written as it is or as the content of an added token."""
    return str(value.get("content", "")) if isinstance(value, dict) else str(value or "")


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> str:
    raise TemplateError(message)
