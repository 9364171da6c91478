"""Which completion sits in which row of the decoding batch, and what a step needs to know about it.

Row r owns cache slot r. Rows in use are 0 to `high`; a finished row leaves a hole until `compact`
moves the last rows into the holes, so that a step costs what its active rows cost.

Legend: S slots, R rows of a step, K key heads, T tokens of a slot, L own keys read, G group places,
P prompt keys, A prompts in use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.rollout.attention import HIDDEN, StepShape
from ponder.rollout.cache import KEY_STEP, KVCache, round_up
from ponder.rollout.network import StepPlan

ROW_STEP = 8
"""A step computes a multiple of this many rows."""
_SEAT_STEP = 4
_BLOCK_ROWS = 32
_BLOCK_COST = 2048
"""Cost of one more block of attention, in (row, key) pairs."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """How a step's sizes are rounded up: finely, or to powers of two so that few shapes occur."""

    row_step: int = ROW_STEP
    powers: bool = False

    def rows(self, count: int, cap: int) -> int:
        return self._round(count, self.row_step, cap)

    def keys(self, count: int, cap: int) -> int:
        return self._round(count, KEY_STEP, cap)

    def seats(self, count: int) -> int:
        return self._round(count, _SEAT_STEP, 1 << 30)

    def prompts(self, count: int, cap: int) -> int:
        return self._round(count, 1, cap)

    def _round(self, count: int, step: int, cap: int) -> int:
        size = round_up(count, step)
        if self.powers:
            size = max(step, 1 << (size - 1).bit_length())
        return min(size, cap)


@dataclass(slots=True)
class _Seating:
    """The part of a plan that changes only when somebody comes or goes."""

    rows: int
    prompts: int
    seats: int
    prompt_keys: int
    seat_rows: Tensor
    row_seats: Tensor
    first_key_RK: NDArray[np.int64]


@dataclass(slots=True)
class Place:
    """A prompt in the cache and how many of its members are not done."""

    request: int
    length: int
    members_left: int
    index: int = field(default=-1)


class Rows:
    """State of the active completions of one call of `generate`."""

    def __init__(self, cache: KVCache, windows: set[int | None], kv_heads: int, rounding: Rounding) -> None:
        self._cache, self._windows, self._kv_heads, self._rounding = cache, windows, kv_heads, rounding
        slots, tokens = cache.num_slots, cache.own_Z2SKTE.shape[4]
        device = cache.own_Z2SKTE.device
        self.high = 0
        self.alive = np.zeros(slots, dtype=bool)
        self.state = np.zeros(slots, dtype=np.uint64)
        self.count = np.ones(slots, dtype=np.int64)
        """Tokens drawn so far; the last of them is not in the cache yet."""
        self.limit = np.ones(slots, dtype=np.int64)
        self.record = np.zeros(slots, dtype=np.int64)
        self.token = np.zeros(slots, dtype=np.int64)
        self.place = np.zeros(slots, dtype=np.int64)
        self.prompt_length = np.ones(slots, dtype=np.int64)
        self.places: list[Place | None] = []
        self._own_mask_ST = torch.full((slots, tokens), HIDDEN, device=device)
        prompts, prompt_tokens = cache.prompts_Z2GKPE.shape[2], cache.prompts_Z2GKPE.shape[4]
        self._prompt_mask_GP = torch.full((prompts, prompt_tokens), HIDDEN, device=device)
        self._seating: _Seating | None = None
        self._device = device

    @property
    def num_alive(self) -> int:
        return int(self.alive.sum())

    def open_place(self, place: Place) -> int:
        """The index of a free group place, now this prompt's."""
        if None not in self.places:
            self.places.append(None)
        index = self.places.index(None)
        self.places[index] = place
        place.index = index
        self._prompt_mask_GP[index] = HIDDEN
        self._prompt_mask_GP[index, : place.length] = 0.0
        return index

    def enter(self, place: Place, record: int, state: np.uint64, limit: int) -> int:
        """The row of a new completion; its first token has still to be drawn (count 0)."""
        row = self.high
        self.high += 1
        self.alive[row] = True
        self.state[row], self.count[row], self.limit[row], self.record[row] = state, 0, limit, record
        self.place[row], self.prompt_length[row] = place.index, place.length
        self._own_mask_ST[row] = HIDDEN
        self._seating = None
        return row

    def leave(self, row: int) -> Place:
        """Marks a row as done; its place is freed with the last member. Returns the place."""
        place = self.places[int(self.place[row])]
        assert place is not None
        self.alive[row] = False
        # The hole is computed until the next compaction; these values keep that harmless.
        self.count[row], self.token[row], self.place[row] = 1, 0, 0
        self._own_mask_ST[row] = HIDDEN
        place.members_left -= 1
        if place.members_left == 0:
            self.places[place.index] = None
        self._seating = None
        return place

    def compact(self, force: bool = False) -> None:
        """Moves the last rows and prompts into the holes when a step gets cheaper by it (or `force`)."""
        cap = self._cache.num_slots
        alive = self.num_alive
        if force or self._rounding.rows(max(alive, 1), cap) < self._rounding.rows(max(self.high, 1), cap):
            holes = iter(np.flatnonzero(~self.alive[:alive]).tolist())
            for source in (alive + np.flatnonzero(self.alive[alive : self.high])).tolist():
                self._move_row(source, next(holes))
            self.high = alive
            self._seating = None
        self._compact_places()

    def _compact_places(self) -> None:
        while self.places:
            place = self.places.pop()
            if place is None:
                continue
            if None not in self.places:
                self.places.append(place)
                return
            target = self.places.index(None)
            self.places[target] = place
            self._cache.move_prompt(place.index, target, place.length)
            self._prompt_mask_GP[target] = self._prompt_mask_GP[place.index]
            self.place[(self.place == place.index) & self.alive] = target
            place.index = target
            self._seating = None

    def _move_row(self, source: int, target: int) -> None:
        self._cache.move_slot(source, target, int(self.count[source]) - 1)
        for column in (self.state, self.count, self.limit, self.record, self.token, self.place):
            column[target] = column[source]
        self.prompt_length[target] = self.prompt_length[source]
        self._own_mask_ST[target] = self._own_mask_ST[source]
        self._own_mask_ST[source] = HIDDEN
        self.alive[target], self.alive[source] = True, False
        self.count[source], self.token[source], self.place[source] = 1, 0, 0

    def plan(self) -> StepPlan:
        """What the next step computes: every row's last token goes in, the next one's logits come out."""
        seating = self._seating = self._seating or self._seat()
        rows, capacity = seating.rows, self._cache.own_Z2SKTE.shape[4]
        count_R = self.count[:rows]
        marks_R = np.arange(rows) * capacity + count_R - 1
        self._own_mask_ST.view(-1).index_fill_(0, self._tensor(marks_R), 0.0)
        blocks = self._blocks(count_R, capacity)
        keys = max(block[2] for block in blocks)
        positions_R = self.prompt_length[:rows] + count_R - 1
        own_RL = self._own_mask_ST[:rows, :keys]
        prompts_AP = self._prompt_mask_GP[: seating.prompts, : seating.prompt_keys]
        own_masks: dict[int | None, Tensor] = {None: own_RL.unsqueeze(1)}
        prompt_masks: dict[int | None, Tensor] = {None: prompts_AP.unsqueeze(1)}
        for window in self._windows - {None}:
            assert window is not None
            own_masks[window] = own_masks[None]
            prompt_masks[window] = prompt_masks[None]
            if positions_R.max() >= window or self._rounding.powers:
                pair = self._windowed(seating, own_RL, prompts_AP, positions_R, window)
                own_masks[window], prompt_masks[window] = pair
        return StepPlan(
            shape=StepShape(rows, blocks, seating.prompts, seating.seats, seating.prompt_keys),
            tokens_R=self._tensor(self.token[:rows]),
            positions_R=self._tensor(positions_R),
            write_RK=self._tensor(seating.first_key_RK + (count_R - 1)[:, None]),
            own_masks=own_masks,
            seat_rows=seating.seat_rows,
            row_seats=seating.row_seats,
            prompt_masks=prompt_masks,
        )

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device, copy=array.base is not None)

    def _seat(self) -> _Seating:
        """Arranges the active rows as (prompts, seats), so that one product serves all groups."""
        kv_heads, heads = self._kv_heads, np.arange(self._kv_heads)
        rows = self._rounding.rows(max(self.high, 1), self._cache.num_slots)
        prompts = self._rounding.prompts(len(self.places), self._cache.prompts_Z2GKPE.shape[2])
        alive_rows = np.flatnonzero(self.alive[:rows])
        places = self.place[alive_rows]
        taken = np.bincount(places, minlength=prompts)
        seats = self._rounding.seats(int(taken.max(initial=1)))
        order = np.argsort(places, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(taken) - taken, taken)
        table_AS = np.zeros((prompts, seats), dtype=np.int64)
        table_AS[places, rank] = alive_rows
        seat_R = np.zeros(rows, dtype=np.int64)
        seat_R[alive_rows] = rank
        longest = max(place.length for place in self.places if place is not None)
        seat_rows = table_AS[:, None, :] * kv_heads + heads[None, :, None]
        row_seats = (self.place[:rows, None] * kv_heads + heads) * seats + seat_R[:, None]
        return _Seating(
            rows=rows,
            prompts=prompts,
            seats=seats,
            prompt_keys=self._rounding.keys(longest, self._cache.prompts_Z2GKPE.shape[4]),
            seat_rows=self._tensor(seat_rows.reshape(-1)),
            row_seats=self._tensor(row_seats.reshape(-1)),
            first_key_RK=(np.arange(rows)[:, None] * kv_heads + heads) * self._cache.own_Z2SKTE.shape[4],
        )

    def _blocks(self, count_R: NDArray[np.int64], capacity: int) -> tuple[tuple[int, int, int], ...]:
        """Runs of rows that read the same number of keys: neighbours of like length together."""
        rows = len(count_R)
        if self._rounding.powers:
            return ((0, rows, self._rounding.keys(int(count_R.max()), capacity)),)
        longest = np.maximum.reduceat(count_R, np.arange(0, rows, _BLOCK_ROWS)).tolist()
        blocks: list[tuple[int, int, int]] = []
        for index, count in enumerate(longest):
            start, end = index * _BLOCK_ROWS, min((index + 1) * _BLOCK_ROWS, rows)
            keys = self._rounding.keys(count, capacity)
            while blocks:
                first, _, other = blocks[-1]
                wasted = (max(keys, other) - keys) * (end - start) + (max(keys, other) - other) * (
                    start - first
                )
                if wasted > _BLOCK_COST:
                    break
                blocks.pop()
                start, keys = first, max(keys, other)
            blocks.append((start, end, keys))
        return tuple(blocks)

    def _windowed(
        self,
        seating: _Seating,
        own_RL: Tensor,
        prompts_AP: Tensor,
        positions_R: NDArray[np.int64],
        window: int,
    ) -> tuple[Tensor, Tensor]:
        """(own mask, prompt mask) with keys more than `window` - 1 tokens back hidden as well."""
        first_R = self._tensor(positions_R - window + 1)
        own_first_R = first_R - self._tensor(self.prompt_length[: seating.rows])
        keys_L = torch.arange(own_RL.shape[1], device=self._device)
        own = own_RL.masked_fill(keys_L < own_first_R[:, None], HIDDEN)
        keys_P = torch.arange(prompts_AP.shape[1], device=self._device)
        first_seats = first_R[seating.seat_rows // self._kv_heads]
        per_prompt = self._kv_heads * seating.seats
        mask_P = prompts_AP.repeat_interleave(per_prompt, 0)
        return own.unsqueeze(1), mask_P.masked_fill(keys_P < first_seats[:, None], HIDDEN).unsqueeze(1)
