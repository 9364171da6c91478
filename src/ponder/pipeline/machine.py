"""The machine a run is on: recorded, because results on a CPU depend on threads and versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import torch

import ponder
from ponder.config import HardwareConfig

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "pyarrow",
    "pydantic",
    "math-verify",
    "sympy",
)


def describe_machine() -> dict[str, Any]:
    """Versions, processor, threads, memory and devices, by name."""
    described: dict[str, Any] = {
        "ponder": ponder.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpu_count": os.cpu_count() or 1,
        "torch_threads": torch.get_num_threads(),
        "memory_bytes": _memory_bytes(),
        "device": str(pick_device(HardwareConfig(threads=None))),
    }
    for package in PACKAGES:
        try:
            described[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            described[package] = "not installed"
    if torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name(0)
    return described


def find_faults() -> list[str]:
    """What would keep a run from starting, one sentence each; empty when all is well."""
    faults = [
        f"{package} is not installed: pip install {package}"
        for package in PACKAGES
        if describe_machine()[package] == "not installed"
    ]
    assets = Path(ponder.__file__).parent / "assets"
    if not any(assets.glob("*/config.json")):
        faults.append(f"No shipped base model in {assets}: install the package again.")
    return faults


def pick_device(hardware: HardwareConfig) -> torch.device:
    """The device a recipe asks for; auto: cuda, then cpu (mps only by name: it lacks float64)."""
    if hardware.device != "auto":
        return torch.device(hardware.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def set_threads(hardware: HardwareConfig) -> int:
    """Sets torch's CPU threads as the recipe asks (all cores by default) and returns their number."""
    if hardware.threads is not None:
        torch.set_num_threads(hardware.threads)
    return torch.get_num_threads()


def free_bytes(folder: Path) -> int:
    """Bytes free for this user on the disk that holds (or will hold) `folder`."""
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
