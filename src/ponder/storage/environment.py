"""What a run ran on: versions, code and machine, and what has changed since."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import ponder
from ponder.storage.hashes import hash_file, hash_json

_PACKAGES = {
    "ponder": "ponder-rl",
    "torch": "torch",
    "numpy": "numpy",
    "transformers": "transformers",
    "tokenizers": "tokenizers",
    "safetensors": "safetensors",
    "pyarrow": "pyarrow",
}


def describe_environment(threads: int | None = None) -> dict[str, Any]:
    """Versions, commit, code hash and machine, as run.json holds them.

    `threads`: CPU threads in use; None: all cores. Bits of a result on a CPU depend on it.
    """
    package = Path(ponder.__file__).parent
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: _version(it) for name, it in _PACKAGES.items()},
        },
        "code_sha256": hash_code(package),
        "commit": _commit(package),
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "architecture": platform.machine(),
            "cpu": _cpu(),
            "cores": os.cpu_count() or 1,
            "threads": threads or os.cpu_count() or 1,
        },
    }


def environment_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """One line for each fact that differs: a run that goes on may differ in its last bits."""
    before, after = _flat("", old), _flat("", new)
    return tuple(
        f"{key} was {before.get(key)}, is {after.get(key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    )


def hash_code(package: Path) -> str:
    """SHA-256 over the names and contents of the package's Python files."""
    files = sorted(package.rglob("*.py"))
    return hash_json({file.relative_to(package).as_posix(): hash_file(file) for file in files})


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _commit(package: Path) -> str | None:
    """The git commit of the package's files, with "+" when they differ from it; None outside git.

    A package that is installed inside somebody else's checkout is not tracked there.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(package, "rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("+" if _git(package, "status", "--porcelain", "--", ".") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(f"{prefix}.{key}" if prefix else str(key), item)
    return flat
