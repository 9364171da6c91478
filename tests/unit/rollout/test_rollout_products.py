"""Packed weights give the product of the plain ones, and the engine does without where they disturb it."""

from __future__ import annotations

import pytest
import torch

from ponder.rollout.engine import LocalEngine
from ponder.rollout.products import Product, pack
from ponder.rollout.stability import rows_are_stable

packs = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN"
)


@packs
@pytest.mark.parametrize("rows", [1, 8, 129])
@pytest.mark.parametrize("with_bias", [False, True])
def test_packed_is_the_plain_product(rows: int, with_bias: bool) -> None:
    weight, x = torch.randn(1024, 256), torch.randn(rows, 256)
    bias = torch.randn(1024) if with_bias else None
    packed = pack(weight)
    assert packed is not None
    exact = x.double() @ weight.double().T + (0 if bias is None else bias.double())
    plain, fast = Product(weight, None, bias), Product(None, packed, bias)
    assert plain.shape == fast.shape == (1024, 256)
    for product in (plain, fast):
        torch.testing.assert_close(product(x).double(), exact, rtol=0, atol=1e-4)
        target = torch.ones(rows, 1024)
        product.add_to(target, x)
        torch.testing.assert_close(target.double(), exact + 1, rtol=0, atol=1e-4)


def test_plain_products_use_the_buffer() -> None:
    buffer = torch.empty(8, 4)
    assert Product(torch.randn(4, 3), None, None)(torch.randn(8, 3), buffer) is buffer


@packs
def test_only_large_float32_matrices_are_packed() -> None:
    assert pack(torch.zeros(512, 512)) is not None
    assert pack(torch.zeros(511, 512)) is None
    assert pack(torch.zeros(512, 512, dtype=torch.bfloat16)) is None
    assert pack(torch.zeros(512, 512, device="meta")) is None


def test_stability_is_measured_on_the_products_in_use() -> None:
    class Shifting(Product):
        def __call__(self, x_RI, buffer_RO=None):
            return super().__call__(x_RI, buffer_RO) + len(x_RI)

    assert not rows_are_stable([Shifting(torch.randn(16, 8), None, None)], 32, 8)


@packs
def test_where_packed_products_depend_on_their_rows_plain_ones_are_used(
    policy, tokenizer, monkeypatch
) -> None:
    monkeypatch.setattr("ponder.rollout.products._PACKED_FROM", 1)
    assert LocalEngine(policy, tokenizer, num_slots=16)._weights.layers[0].gate_up.packed is not None

    def stable(products, *sizes) -> bool:
        return all(product.packed is None for product in products)

    monkeypatch.setattr("ponder.rollout.engine.rows_are_stable", stable)
    engine = LocalEngine(policy, tokenizer, num_slots=16)
    assert engine._weights.layers[0].gate_up.packed is None
    assert not engine.steps_all_slots
