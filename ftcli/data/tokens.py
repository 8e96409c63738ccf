"""Rows as the model reads them: sequences of token ids, one behind the other, unpadded."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import Literal, Protocol

import torch
from torch import Tensor

from ftcli.data.mapped import MappedFiles
from ftcli.runtime.encoding import Encoded

UNLABELLED = -1
_TYPES = {"i": torch.int32, "B": torch.uint8}


class Lengths(Protocol):
    """The lengths of numbered things: how many there are, and by a tensor of numbers theirs, int64 of its shape."""

    def __len__(self) -> int: ...
    def __getitem__(self, numbers: Tensor, /) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class _Spans:
    """Lengths that are told by where things begin, so that no memory holds them: in `offsets`, or in some of them."""

    offsets: Tensor
    chosen: Tensor | None = None

    def __len__(self) -> int:
        return len(self.offsets if self.chosen is None else self.chosen) - 1

    def __getitem__(self, numbers: Tensor, /) -> Tensor:
        first, last = (
            (numbers, numbers + 1) if self.chosen is None else (self.chosen[numbers], self.chosen[numbers + 1])
        )
        return self.offsets[last] - self.offsets[first]


@dataclass(frozen=True)
class TokenizedSplit:
    """One split. A row is one or more sequences, a sequence one or more items; mostly there is one of each.

    ids, type_ids   [tokens]
    offsets         [sequences + 1]  where each sequence begins
    labels          [items] or [items, labels], see `ftcli.data.targets`; UNLABELLED where rows have none
    row_offsets     [rows + 1]       each row's first sequence; None: a row is one sequence
    item_offsets    [sequences + 1]  each sequence's first item; None: a sequence is one item
    positions       [items]          where an item has its first token in its sequence; None: the sequence is the item

    `mapped` are the files that all of them lie in; None: they are in memory.
    """

    ids: Tensor
    type_ids: Tensor | None
    offsets: Tensor
    labels: Tensor
    is_labelled: bool
    length_counts: dict[int, int]
    row_offsets: Tensor | None = None
    item_offsets: Tensor | None = None
    positions: Tensor | None = None
    num_unknown: int = 0
    num_pieces: int = 0
    mapped: MappedFiles | None = field(default=None, compare=False)

    @property
    def num_sequences(self) -> int:
        """The number of sequences."""
        return len(self.offsets) - 1

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return self.num_sequences if self.row_offsets is None else len(self.row_offsets) - 1

    @property
    def num_items(self) -> int:
        """The number of items."""
        return self.num_sequences if self.positions is None else len(self.positions)

    @property
    def lengths(self) -> Lengths:
        """Tokens of each sequence."""
        return _Spans(self.offsets)

    @property
    def row_lengths(self) -> Lengths:
        """Tokens of each row, over all of its sequences."""
        return _Spans(self.offsets, self.row_offsets)

    @classmethod
    def of(cls, encoded: Encoded, targets: Tensor | None) -> TokenizedSplit:
        """A split in memory.

        Args:
            encoded: The rows' token ids.
            targets: Their labels as `ftcli.data.targets` makes them: of rows, or of items that have positions.
        """
        types, positions, sequences = encoded.type_ids, encoded.positions, encoded.sequences
        num_items = len(encoded.ids) if positions is None else sum(map(len, positions))
        if targets is not None and positions is None and sequences is not None:
            targets = targets.repeat_interleave(torch.tensor(sequences), dim=0)  # each of them has its row's
        return cls(
            ids=_flat(encoded.ids, "i"),
            type_ids=None if types is None else _flat(types, "B"),
            offsets=_offsets(map(len, encoded.ids)),
            labels=torch.full((num_items,), UNLABELLED) if targets is None else targets,
            is_labelled=targets is not None,
            length_counts=dict(Counter(encoded.full_lengths)),
            row_offsets=None if sequences is None else _offsets(sequences),
            item_offsets=None if positions is None else _offsets(map(len, positions)),
            positions=None if positions is None else _flat(positions, "i"),
            num_unknown=encoded.num_unknown,
            num_pieces=encoded.num_pieces,
        )

    @classmethod
    def joined(cls, parts: Sequence[TokenizedSplit]) -> TokenizedSplit:
        """Several lots of rows as one; all are labelled or none."""
        first, lengths = parts[0], Counter[int]()
        for part in parts:
            lengths.update(part.length_counts)
        return cls(
            ids=torch.cat([part.ids for part in parts]),
            type_ids=_cat([part.type_ids for part in parts]),
            offsets=_joined_offsets([part.offsets for part in parts]),
            labels=torch.cat([part.labels for part in parts]),
            is_labelled=first.is_labelled,
            length_counts=dict(lengths),
            row_offsets=_shifted([part.row_offsets for part in parts]),
            item_offsets=_shifted([part.item_offsets for part in parts]),
            positions=_cat([part.positions for part in parts]),
            num_unknown=sum(part.num_unknown for part in parts),
            num_pieces=sum(part.num_pieces for part in parts),
        )

    def sequences_of(self, rows: Tensor) -> Tensor:
        """The sequences of some rows, row by row, int64."""
        return rows if self.row_offsets is None else _spans(self.row_offsets, rows)

    def rows_of(self, sequences: Tensor) -> Tensor:
        """The row that each of some sequences belongs to, int64 [sequences]."""
        if self.row_offsets is None:
            return sequences
        return torch.searchsorted(self.row_offsets, sequences, right=True) - 1

    def items_of(self, sequences: Tensor) -> Tensor:
        """The items of some sequences, sequence by sequence, int64."""
        return sequences if self.item_offsets is None else _spans(self.item_offsets, sequences)

    def row_item_counts(self) -> Tensor:
        """How many items each row has, int64 [rows]."""
        sequences = torch.arange(self.num_sequences + 1) if self.row_offsets is None else self.row_offsets
        return (sequences if self.item_offsets is None else self.item_offsets[sequences]).diff()

    def gather(self, sequences: Tensor, *, pad_id: int) -> dict[str, Tensor]:
        """Sequences padded to the longest: input_ids, attention_mask, perhaps token_type_ids, int64 [n, length]."""
        starts = self.offsets[sequences]
        lengths = self.offsets[sequences + 1] - starts
        steps = torch.arange(int(lengths.max()))
        mask = steps < lengths[:, None]
        places = (starts[:, None] + steps).clamp_(max=len(self.ids) - 1)
        inputs = {"input_ids": self.ids[places].long().masked_fill_(~mask, pad_id), "attention_mask": mask.long()}
        if self.type_ids is not None:
            inputs["token_type_ids"] = self.type_ids[places].long().masked_fill_(~mask, 0)
        if self.mapped is not None:
            self.mapped.count(len(sequences))
        return inputs


def _flat(values: Sequence[list[int]], kind: Literal["i", "B"]) -> Tensor:
    """All numbers as 32-bit integers or bytes; an array takes them several times as fast as a tensor does."""
    flat = array(kind, chain.from_iterable(values))
    return torch.frombuffer(flat, dtype=_TYPES[kind]) if flat else torch.empty(0, dtype=_TYPES[kind])


def _offsets(counts: Iterable[int]) -> Tensor:
    return torch.tensor([0, *accumulate(counts)], dtype=torch.int64)


def _known(tensors: Iterable[Tensor | None]) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor is not None]


def _cat(tensors: Sequence[Tensor | None]) -> Tensor | None:
    return None if tensors[0] is None else torch.cat(_known(tensors))


def _joined_offsets(offsets: Sequence[Tensor]) -> Tensor:
    """Offsets that each begin at 0, one behind the other."""
    return torch.cat([torch.zeros(1, dtype=torch.int64), *(part.diff() for part in offsets)]).cumsum(0)


def _shifted(offsets: Sequence[Tensor | None]) -> Tensor | None:
    return None if offsets[0] is None else _joined_offsets(_known(offsets))


def _spans(offsets: Tensor, numbers: Tensor) -> Tensor:
    """Everything from `offsets[n]` up to `offsets[n + 1]`, for each n in turn, int64."""
    starts = offsets[numbers]
    counts = offsets[numbers + 1] - starts
    ends = counts.cumsum(0)
    return torch.arange(int(counts.sum())) + (starts - ends + counts).repeat_interleave(counts)
