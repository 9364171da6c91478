"""How a packed row is cut into dense pieces that attention kernels can take.

Legend: N tokens of the row, B sequences of a piece, L queries of a sequence, S keys of a sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise

import torch
from torch import Tensor

from ponder.types import Packing, Span

_MAX_WASTE = 0.125
"""Padding a bucket may hold, as a fraction of its slots. More waste costs arithmetic, less costs calls."""
_LONG = 256
"""Spans of at least this many tokens are attended alone: a call costs less than the copies."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Which tokens of the row fill the B x L slots of a piece."""

    count: int
    length: int
    start: int
    """First token, when the slots are one uninterrupted stretch of the row (then the rest is None)."""
    sources: Tensor | None = None
    """Token read into each slot; padding repeats its sequence's last token."""
    targets: Tensor | None = None
    """Token each slot is written to; padding goes to N, one past the end."""
    padding: Tensor | None = None
    """The slots that are padding; None if there are none."""


@dataclass(frozen=True, slots=True)
class Piece:
    """B sequences in which every query attends to keys 0..L of its own (causal) or to all S."""

    queries: Rows
    keys: Rows
    causal: bool
    positions: Tensor
    """(L,): where each query stands, counted from the first key; only windows need it."""


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """The pieces of a row: each token's own span first, then the shared prompts.

    Between embedding and head the tokens may stand in another order, in which pieces are stretches
    that need no copies: `order` says which token of the packing stands at each place, `inverse` where
    each token of the packing stands. Pieces speak of that order. None: the order of the packing.
    """

    num_tokens: int
    order: Tensor | None
    inverse: Tensor | None
    own: tuple[Piece, ...]
    shared: tuple[Piece, ...]
    max_position: int
    """Largest position any token of the row has."""


@lru_cache(maxsize=64)
def plan_attention(packing: Packing, num_tokens: int, device: torch.device) -> AttentionPlan:
    """The plan of a packing on a device, computed once and shared by layers, steps and recomputation.

    Raises ValueError when spans overlap, leave a token out, or have a parent that is not a root span.
    """
    _check(packing.spans, num_tokens)
    order, spans_in_order = None, packing.spans
    if all(span.parent < 0 for span in packing.spans):
        order, spans_in_order = _sort(packing.spans, device)
    own: list[Piece] = []
    buckets = _equals(spans_in_order) if order is not None else _buckets(packing.spans)
    for bucket in buckets:
        rows = _rows(bucket, num_tokens, device)
        own.append(Piece(rows, rows, causal=True, positions=torch.arange(rows.length, device=device)))
    children: dict[int, list[Span]] = {}
    for span in packing.spans:
        if span.parent >= 0:
            children.setdefault(span.parent, []).append(span)
    shared: list[Piece] = []
    for parent, spans in children.items():
        prompt = packing.spans[parent]
        members = sorted(spans, key=lambda span: span.start)
        positions = torch.cat([torch.arange(span.length, device=device) for span in members]) + prompt.length
        queries, keys = _rows([members], num_tokens, device), _rows([[prompt]], num_tokens, device)
        shared.append(Piece(queries, keys, causal=False, positions=positions))
    longest = max(
        span.length + (packing.spans[span.parent].length if span.parent >= 0 else 0) for span in packing.spans
    )
    inverse = None
    if order is not None:
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(num_tokens, device=device)
    return AttentionPlan(num_tokens, order, inverse, tuple(own), tuple(shared), longest - 1)


def _check(spans: Sequence[Span], num_tokens: int) -> None:
    end = 0
    for span in sorted(spans, key=lambda span: span.start):
        if span.start != end or span.length <= 0:
            raise ValueError(f"spans must cover the row without gap or overlap; {span} follows token {end}")
        end = span.start + span.length
    if end != num_tokens:
        raise ValueError(f"the packing covers {end} tokens, the row has {num_tokens}")
    for span in spans:
        if span.parent >= 0 and (span.parent >= len(spans) or spans[span.parent].parent >= 0):
            raise ValueError(f"{span}: its parent must be a span of the packing that has no parent itself")


Stretch = list[Span]
"""Spans that follow each other: one sequence of a bucket."""


def _sort(spans: Sequence[Span], device: torch.device) -> tuple[Tensor | None, tuple[Span, ...]]:
    """(the token at each place, the spans as they then stand) with spans of equal length together."""
    by_length = sorted(spans, key=lambda span: (span.length, span.start))
    if len({span.length for span in spans}) == 1 or len(spans) == 1:
        return None, tuple(spans)
    order = torch.cat([torch.arange(span.start, span.start + span.length) for span in by_length])
    placed: list[Span] = []
    for span in by_length:
        placed.append(Span(placed[-1].start + placed[-1].length if placed else 0, span.length))
    return order.to(device), tuple(placed)


def _equals(spans: Sequence[Span]) -> list[list[Stretch]]:
    """Spans that stand in order of length, in buckets of equal length."""
    return [[[span] for span in group] for _, group in groupby(spans, key=lambda span: span.length)]


def _buckets(spans: Sequence[Span]) -> list[list[Stretch]]:
    """Spans of similar length together, long ones alone; within a bucket in the order of the row."""
    buckets: list[list[Span]] = []
    used = 0
    for span in sorted(spans, key=lambda span: (-span.length, span.start)):
        last = buckets[-1] if buckets else None
        if last is not None and span.length < _LONG:
            slots = last[0].length * (len(last) + 1)
            if (slots - used - span.length) <= _MAX_WASTE * slots:
                last.append(span)
                used += span.length
                continue
        buckets.append([span])
        used = span.length
    return [[[span] for span in sorted(bucket, key=lambda span: span.start)] for bucket in buckets]


def _rows(stretches: Sequence[Stretch], num_tokens: int, device: torch.device) -> Rows:
    """The slots that hold the given sequences, padded to the longest."""
    lengths = [sum(span.length for span in stretch) for stretch in stretches]
    length = max(lengths)
    flat = [span for stretch in stretches for span in stretch]
    adjacent = all(a.start + a.length == b.start for a, b in pairwise(flat))
    if adjacent and min(lengths) == length:
        return Rows(len(stretches), length, flat[0].start)
    sources: list[int] = []
    targets: list[int] = []
    padding: list[int] = []
    for stretch, used in zip(stretches, lengths, strict=True):
        tokens = [token for span in stretch for token in range(span.start, span.start + span.length)]
        padding.extend(range(len(targets) + used, len(targets) + length))
        sources += tokens + [tokens[-1]] * (length - used)
        targets += tokens + [num_tokens] * (length - used)
    return Rows(
        len(stretches),
        length,
        -1,
        torch.tensor(sources, device=device),
        torch.tensor(targets, device=device),
        torch.tensor(padding, device=device) if padding else None,
    )
