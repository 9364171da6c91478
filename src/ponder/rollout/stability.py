"""Whether this machine's matrix products give a row the same bits in every batch."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ponder.rollout.products import Product


@torch.inference_mode()
def rows_are_stable(products: Iterable[Product], num_rows: int, row_step: int) -> bool:
    """True when a product has the same bits per row for batches of any multiple of `row_step` rows.

    Measured on the products given, once per shape, with batches of several sizes and the rows moved
    within the batch. Libraries choose a kernel by the size of the batch, so this is not a given:
    MKL on AVX2 keeps it for 4, 8, 12, ... rows and breaks it for a single row.
    """
    sizes = sorted({row_step, 2 * row_step, 3 * row_step, num_rows // 2 // row_step * row_step, num_rows})
    seen: set[tuple[tuple[int, int], bool]] = set()
    for product in products:
        kind = (product.shape, product.packed is None)
        if kind in seen:
            continue
        seen.add(kind)
        generator = torch.Generator().manual_seed(0)
        dtype = torch.float32 if product.weight_OI is None else product.weight_OI.dtype
        x = torch.randn(num_rows, product.shape[1], generator=generator).to(dtype)
        whole = product(x)
        for size in sizes:
            if not 0 < size <= num_rows:
                continue
            for shift in (0, num_rows - size, size // 2 if size < num_rows else 0):
                if not torch.equal(
                    product(x[shift : shift + size].contiguous()), whole[shift : shift + size]
                ):
                    return False
    return True
