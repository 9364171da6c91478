"""The trainer's state as files whose bytes depend on nothing but the state.

`state.json` holds the structure with everything that is not a tensor; `tensors.safetensors` holds the
tensors under the names that the structure gives them. No pickle: equal states give equal bytes, and
reading a state runs no code.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ponder.errors import CorruptionError
from ponder.storage.hashes import canonical_json

STATE_FILE = "state.json"
TENSORS_FILE = "tensors.safetensors"

_TAGS = frozenset({"$tensor", "$tuple", "$dict", "$bytes", "$float"})


def write_trainer_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Writes `state` into the new folder, which the caller publishes.

    A state is nested dicts, lists and tuples of tensors, numbers, text, bytes and None.
    Tensors may be on any device; they come back on the CPU, and keys in sorted order. Raises TypeError
    that names the place of any other value, and OSError when the disk refuses.
    """
    tensors: dict[str, torch.Tensor] = {}
    structure = _encode(state, "", tensors)
    folder.mkdir()
    with system_errors():
        save_file(_apart(tensors), folder / TENSORS_FILE)
    (folder / STATE_FILE).write_bytes(canonical_json(structure, indent=1) + b"\n")


def read_trainer_state(folder: Path) -> dict[str, Any]:
    """The state as it was given to `write_trainer_state`, types included, tensors on the CPU.

    The caller has verified the folder's hashes. Raises `CorruptionError` when the two files do not
    belong together.
    """
    structure = json.loads((folder / STATE_FILE).read_bytes())
    try:
        tensors = load_file(folder / TENSORS_FILE)
        state = _decode(structure, tensors)
    except (KeyError, SafetensorError) as error:
        raise CorruptionError(f"{folder}: {STATE_FILE} and {TENSORS_FILE} do not match ({error}).") from error
    if not isinstance(state, dict):
        raise CorruptionError(f"{folder / STATE_FILE} holds no state.")
    return state


@contextmanager
def system_errors() -> Iterator[None]:
    """Turns an I/O error of the safetensors library, which hides its number in the text, into OSError."""
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number.group(1)), str(error)) from error


def _encode(value: Any, place: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        if value.is_complex() or value.layout != torch.strided:
            raise TypeError(f"{place}: only dense real tensors are kept, not {value.dtype} {value.layout}")
        tensors[place] = value
        return {"$tensor": place}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, (list, tuple)):
        items = [_encode(item, f"{place}/{i}", tensors) for i, item in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, Mapping):
        return _encode_mapping(value, place, tensors)
    raise TypeError(f"{place}: a {type(value).__name__} cannot be kept in a checkpoint")


def _encode_mapping(value: Mapping[Any, Any], place: str, tensors: dict[str, torch.Tensor]) -> Any:
    for key in value:
        if not isinstance(key, (str, int)) or isinstance(key, bool):
            raise TypeError(f"{place}: the key {key!r} is neither text nor a whole number")
    pairs = [(key, _encode(item, f"{place}/{_escaped(key)}", tensors)) for key, item in value.items()]
    if len({str(key) for key in value}) < len(value):
        raise TypeError(f"{place}: two keys are spelt the same, one as text, one as a number")
    if all(isinstance(key, str) for key in value) and not _TAGS & value.keys():
        return dict(pairs)
    return {
        "$dict": [[key, item] for key, item in sorted(pairs, key=lambda pair: (str(type(pair[0])), pair[0]))]
    }


def _escaped(key: str | int) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")  # as in a JSON pointer: no two places are one


def _decode(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, content),) = value.items()
        if tag == "$tensor":
            return tensors[content]
        if tag == "$tuple":
            return tuple(_decode(item, tensors) for item in content)
        if tag == "$dict":
            return {key: _decode(item, tensors) for key, item in content}
        if tag == "$bytes":
            return bytes.fromhex(content)
        if tag == "$float":
            return float(content)
    return {key: _decode(item, tensors) for key, item in value.items()}


def _apart(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors on the CPU, contiguous, no two sharing memory, as safetensors wants them."""
    apart: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name in sorted(tensors):
        tensor = tensors[name].detach().to("cpu").contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != tensor.nbytes:
            tensor = tensor.clone()
        seen.add(storage.data_ptr())
        apart[name] = tensor
    return apart
