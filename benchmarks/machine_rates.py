"""What this machine can do at most: matrix products and memory reads, measured with the same threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from benchmarks.shapes import ModelShape

_REPEATS = 5


def measure_rates(shape: ModelShape, device: str, quick: bool) -> dict[str, Any]:
    """Best FLOP/s over several sizes of product, the network's own among them, and best bytes/s read."""
    dtype = getattr(torch, shape.dtype)
    products = [_product(size, shape, device, dtype) for size in _sizes(shape, device, quick)]
    reads = _reads(device, dtype, 64 if quick else 1024)
    return {
        "flops_per_s": max(entry["flops_per_s"] for entry in products),
        "bytes_per_s": max(entry["bytes_per_s"] for entry in reads),
        "dtype": shape.dtype,
        "threads": torch.get_num_threads(),
        "products": products,
        "reads": reads,
    }


def _sizes(shape: ModelShape, device: str, quick: bool) -> list[tuple[int, int, int]]:
    if quick:
        return [(256, 256, 256)]
    squares = (1024, 2048, 4096) if device == "cpu" else (2048, 4096, 8192)
    rows = 2048 if device == "cpu" else 16_384
    width, inner = shape.hidden_size, shape.intermediate_size
    own = [(rows, width, 2 * inner), (rows, inner, width), (rows, width, min(shape.vocab_size, 16_384))]
    return [*((n, n, n) for n in squares), *own]


def _product(
    size: tuple[int, int, int], shape: ModelShape, device: str, dtype: torch.dtype
) -> dict[str, Any]:
    rows, inner, columns = size
    left = torch.randn(rows, inner, device=device, dtype=dtype)
    right = torch.randn(inner, columns, device=device, dtype=dtype)
    out = torch.empty(rows, columns, device=device, dtype=dtype)
    seconds = _best_seconds(lambda: torch.mm(left, right, out=out), device)
    return {"rows_inner_columns": list(size), "flops_per_s": 2.0 * rows * inner * columns / seconds}


def _reads(device: str, dtype: torch.dtype, megabytes: int) -> list[dict[str, Any]]:
    """Two ways to read a buffer far larger than any cache; the better one counts."""
    columns = 4096
    rows = megabytes * 1024 * 1024 // (columns * dtype.itemsize)
    buffer = torch.ones(rows, columns, device=device, dtype=dtype)
    vector = torch.ones(columns, device=device, dtype=dtype)
    kinds: dict[str, Callable[[], object]] = {
        "sum": lambda: buffer.sum(),
        "matrix times vector": lambda: buffer @ vector,
    }
    return [
        {"kind": kind, "bytes_per_s": buffer.nbytes / _best_seconds(work, device)}
        for kind, work in kinds.items()
    ]


def _best_seconds(work: Callable[[], object], device: str) -> float:
    best = float("inf")
    work()
    for _ in range(_REPEATS):
        _settle(device)
        start = time.perf_counter()
        work()
        _settle(device)
        best = min(best, time.perf_counter() - start)
    return best


def _settle(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
