"""The plan: which rows each step sees, and how a step is cut into micro-batches and dealt to ranks.

Pure functions of (lengths, batch, seed, epoch). An epoch is a permutation; a group is the next `size` rows of it,
whatever the world and the cut. Only within a group are rows sorted by length, so padding shrinks while every step
sees exactly the rows it would see unsorted. Position is (epoch, groups done), so resuming is a slice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import cast

import torch
from torch import Tensor

from ftcli.data.tokens import Lengths, TokenizedSplit
from ftcli.runtime.seeding import seed_for
from ftcli.runtime.shuffling import Shuffle
from ftcli.spec.sections import BatchSection
from ftcli.spec.wording import counted

SAMPLED_GROUPS = 256
"""So many groups tell the padding of any epoch to a few tenths of a percent."""
Shares = tuple[tuple[Tensor, ...], ...]
"""[rank][micro-batch] -> numbers of sequences (int64). Every rank has equally many; an empty one is a dummy."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How a group is cut: into micro-batches of at most so many sequences (`rows`) or tokens, or so many a rank.

    Or by cost: `call_tokens` is how many token slots could be computed in the time that a micro-batch costs however
    short it is, and a group is cut where that is less than the padding it saves; into at most `tokens` slots each.

    `skips_padding` says that the model computes none of it: then a slot is a token, and no cut saves any.
    """

    rows: int | None = None
    tokens: int | None = None
    accumulation: int | None = None
    call_tokens: int | None = None
    skips_padding: bool = False

    def __str__(self) -> str:
        return f"{self._described()}, computed without padding" if self.skips_padding else self._described()

    def _described(self) -> str:
        if self.call_tokens is not None and self.skips_padding:
            return f"micro-batches of at most {self.tokens:,} tokens"
        if self.call_tokens is not None:
            return f"micro-batches of similar length, at most {self.tokens:,} tokens each"
        if self.tokens is not None:
            return f"micro-batches of at most {self.tokens:,} tokens"
        if self.accumulation is not None:
            return f"{counted(self.accumulation, 'micro-batch', 'es')} on each rank"
        return f"micro-batches of at most {counted(self.rows or 0, 'sequence')}"


def num_groups(num_rows: int, size: int, *, drops_last: bool = False) -> int:
    """The steps of one epoch; the last group may be short, and no row is dropped where that one is not to be."""
    return num_rows // size if drops_last else -(-num_rows // size)


def steps_per_epoch(num_rows: int, batch: BatchSection) -> int:
    """The same for a recipe's [batch]."""
    return num_groups(num_rows, batch.size, drops_last=batch.drop_last)


@dataclass(frozen=True)
class EpochPlan:
    """The groups of one epoch, each computable on its own.

    With `window` > 1, the rows of that many groups are sorted by length together and the groups then shuffled: less
    padding, but a step's rows are alike in length.
    """

    lengths: Lengths
    size: int
    window: int
    seed: int
    epoch: int
    drops_last: bool = False

    @classmethod
    def of(cls, lengths: Lengths, batch: BatchSection, *, seed: int, epoch: int) -> EpochPlan:
        """The plan of a recipe's [batch] for rows of these lengths; `seed` is the run's."""
        own = seed if batch.seed == "run" else batch.seed
        return cls(lengths, batch.size, batch.window, own, epoch, batch.drop_last)

    def __len__(self) -> int:
        """The number of groups."""
        return num_groups(len(self.lengths), self.size, drops_last=self.drops_last)

    @cached_property
    def order(self) -> Shuffle:
        """The epoch's rows in their order; where short groups are left out, those at the end are never asked for."""
        return Shuffle(len(self.lengths), seed_for(self.seed, "epoch", self.epoch))

    def rows(self, group: int) -> Tensor:
        """The row numbers of one group, int64."""
        if self.window == 1:
            return self._rows_between(group, group + 1)
        number, place = divmod(group, self.window)
        rows = self._rows_between(number * self.window, (number + 1) * self.window)
        chunks = torch.split(by_length(rows, self.lengths), self.size)
        shuffle = Shuffle(len(chunks), seed_for(self.seed, "window", self.epoch, number))
        return chunks[int(shuffle.part(place, place + 1))]

    def _rows_between(self, first: int, last: int) -> Tensor:
        """The rows of some groups in the epoch's order, up to the last group that there is."""
        end = min(len(self) * self.size, len(self.lengths))
        return self.order.part(first * self.size, min(last * self.size, end))


def by_length(rows: Tensor, lengths: Lengths) -> Tensor:
    """The rows from short to long; rows of equal length keep their order."""
    return rows[torch.sort(lengths[rows], stable=True).indices]


def deal(sequences: Tensor, lengths: Lengths, cut: Cut, world_size: int) -> Shares:
    """Cut a group into micro-batches and deal them to ranks, equally many each, by balanced token slots."""
    ordered = by_length(sequences, lengths)
    slots = partial(slots_in, lengths=lengths, cut=cut)
    if cut.call_tokens is not None:
        # With one each, the rank that has the longest rows would make all others wait.
        most = cut.tokens or sys.maxsize
        if cut.skips_padding:
            parts = _cut_where_full(ordered, lengths, most)
        else:
            parts = _cut_by_cost(ordered, lengths, call_tokens=cut.call_tokens, max_tokens=most)
        parts = _level(parts, slots, world_size, at_least=2 * world_size if world_size > 1 else 1)
    elif cut.tokens is not None:
        parts = _level(cut_by_tokens(ordered, lengths, cut.tokens), slots, world_size)
    else:
        parts = list(torch.tensor_split(ordered, _num_parts(len(sequences), cut, world_size)))
    return _balance(parts, slots, world_size)


def _num_parts(num_rows: int, cut: Cut, world_size: int) -> int:
    wanted = cut.accumulation * world_size if cut.accumulation else -(-num_rows // (cut.rows or num_rows))
    return min(-(-wanted // world_size) * world_size, num_rows)


def cut_by_tokens(ordered: Tensor, lengths: Lengths, max_tokens: int) -> list[Tensor]:
    """From the longest row down: as many rows as fit when all are padded to the longest of them."""
    parts: list[Tensor] = []
    end = len(ordered)
    while end > 0:
        fitting = max(1, max_tokens // int(lengths[ordered[end - 1]]))
        parts.append(ordered[max(0, end - fitting) : end])
        end -= fitting
    return parts


def _cut_where_full(ordered: Tensor, lengths: Lengths, max_tokens: int) -> list[Tensor]:
    """From the shortest row up: as many rows as have so many tokens together, padding left out."""
    sizes: list[int] = []
    num_tokens = max_tokens
    for length in cast("list[int]", lengths[ordered].tolist()):
        if num_tokens + length > max_tokens:
            sizes.append(0)
            num_tokens = 0
        sizes[-1] += 1
        num_tokens += length
    return list(torch.split(ordered, sizes))


def _cut_by_cost(ordered: Tensor, lengths: Lengths, *, call_tokens: int, max_tokens: int) -> list[Tensor]:
    """The cheapest cut of rows in order of length, where a part costs its padded tokens and `call_tokens`.

    Dynamic programming over the distinct lengths, for rows of equal length are never worth a cut; a part beyond
    `max_tokens` is cut into equal pieces.
    """
    found, counts = cast("tuple[Tensor, Tensor]", torch.unique_consecutive(lengths[ordered], return_counts=True))
    values, ends = cast("list[int]", found.tolist()), cast("list[int]", [0, *counts.cumsum(0).tolist()])
    cheapest, origins = [0], [0]
    for last, length in enumerate(values):
        costs: list[int] = []
        for first in range(last + 1):
            slots = (ends[last + 1] - ends[first]) * length
            costs.append(cheapest[first] + slots + call_tokens * -(-slots // max_tokens))
        cheapest.append(min(costs))
        origins.append(costs.index(cheapest[-1]))
    parts: list[Tensor] = []
    stop = len(values)
    while stop > 0:
        part = ordered[ends[origins[stop]] : ends[stop]]
        most_rows = max(1, max_tokens // values[stop - 1])
        parts += torch.tensor_split(part, -(-len(part) // most_rows))
        stop = origins[stop]
    return parts


def _level(parts: list[Tensor], slots: Callable[[Tensor], int], world_size: int, *, at_least: int = 1) -> list[Tensor]:
    """Split the heaviest micro-batches until there are enough, as many for every rank, or only single rows are left."""
    while (len(parts) % world_size or len(parts) < at_least) and any(len(part) > 1 for part in parts):
        heaviest = max((part for part in parts if len(part) > 1), key=slots)
        index = next(i for i, part in enumerate(parts) if part is heaviest)
        parts[index : index + 1] = torch.tensor_split(heaviest, 2)
    return parts


def padded_tokens(rows: Tensor, lengths: Lengths) -> int:
    """The token slots of a micro-batch, padding included."""
    return len(rows) * int(lengths[rows].max()) if len(rows) else 0


def slots_in(rows: Tensor, lengths: Lengths, cut: Cut) -> int:
    """The token slots that are computed for a micro-batch."""
    return int(lengths[rows].sum()) if cut.skips_padding else padded_tokens(rows, lengths)


def slots_of(shares: Shares, lengths: Lengths, cut: Cut) -> int:
    """The token slots that are computed for a group."""
    return sum(slots_in(part, lengths, cut) for share in shares for part in share)


def _balance(parts: list[Tensor], slots: Callable[[Tensor], int], world_size: int) -> Shares:
    """The heaviest first, each to the rank that has least and still has room (longest processing time first)."""
    capacity = -(-len(parts) // world_size)
    shares: list[list[Tensor]] = [[] for _ in range(world_size)]
    loads = [0] * world_size
    for part in sorted(parts, key=lambda part: -slots(part)):
        rank = min((r for r in range(world_size) if len(shares[r]) < capacity), key=lambda r: (loads[r], r))
        shares[rank].append(part)
        loads[rank] += slots(part)
    empty = torch.empty(0, dtype=torch.int64)
    return tuple(tuple(share + [empty] * (capacity - len(share))) for share in shares)


def padding_share(
    plan: EpochPlan, split: TokenizedSplit, cut: Cut, world_size: int, *, groups: int | None = None
) -> float:
    """The share of an epoch's token slots that are padding, told from so many groups, if `groups` says.

    They are spread over the epoch, which is a permutation: a fair sample of the rows.
    """
    slots = real = 0
    number = min(groups or len(plan), len(plan))
    for group in (place * len(plan) // number for place in range(number)):
        sequences = split.sequences_of(plan.rows(group))
        shares = deal(sequences, split.lengths, cut, world_size)
        slots += slots_of(shares, split.lengths, cut)
        real += int(split.lengths[sequences].sum())
    return 1 - real / slots
