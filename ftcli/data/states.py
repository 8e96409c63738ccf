"""Stored states of tokens: what the frozen layers of a model make of each, unpadded, in memory or in a mapped file.

The tokens lie in the order in which they are computed, sequences of similar length together, so a chunk is one write.
A file is filled chunk by chunk; beside it, a mark for each chunk that has reached the disk tells what a killed process
left undone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from ftcli.data.plan import Cut, deal
from ftcli.data.tokens import Lengths, TokenizedSplit

_CUT = Cut(tokens=4096, call_tokens=128)


@dataclass(frozen=True, eq=False)
class States:
    """States of sequences: `values` [tokens, size], and where in them each sequence begins [sequences].

    They are kept in the precision of `values`, and handed out in `dtype`.
    """

    values: Tensor
    starts: Tensor
    dtype: torch.dtype

    def gather(self, sequences: Tensor, lengths: Lengths) -> Tensor:
        """States [n, length, size] of n sequences, given the lengths of all; padding repeats the last token."""
        counts = lengths[sequences][:, None]
        places = torch.minimum(torch.arange(int(counts.max())), counts - 1)
        return self.values[self.starts[sequences, None] + places].to(self.dtype)


@dataclass(frozen=True)
class Layout:
    """How the states of some sequences of a split are computed and laid out.

    `chunks` are the sequences that are computed together, `ends` the tokens up to the end of each chunk and `counts`
    the sequences up to there.
    """

    chunks: Sequence[Tensor]
    ends: Sequence[int]
    counts: Sequence[int]
    starts: Tensor

    @property
    def num_tokens(self) -> int:
        """All tokens."""
        return self.ends[-1]


def lay_out(split: TokenizedSplit, sequences: Tensor | None = None) -> Layout:
    """The order of the given sequences, or of all; it depends on their lengths alone, not on the world."""
    chosen = torch.arange(split.num_sequences) if sequences is None else sequences
    [chunks] = deal(chosen, split.lengths, _CUT, 1)
    order = torch.cat(chunks)
    ends = split.lengths[order].cumsum(0)
    starts = torch.full((split.num_sequences,), -1)
    starts[order] = ends - split.lengths[order]
    counts = torch.tensor([len(chunk) for chunk in chunks]).cumsum(0)
    return Layout(chunks, [int(end) for end in ends[counts - 1]], [int(count) for count in counts], starts)


class StatesFile:
    """A file of states that several processes fill together, and its marks."""

    def __init__(self, path: Path, layout: Layout, *, size: int, dtype: torch.dtype) -> None:
        """The file, which need not exist yet.

        Args:
            path: Where it is.
            layout: Which states it holds, and in which order.
            size: Numbers of one token's state.
            dtype: How they are stored.
        """
        self._path = path
        self._layout = layout
        self._size = size
        self._dtype = dtype
        self._pending: list[int] = []

    @property
    def _marks(self) -> Path:
        return self._path.with_suffix(".done")

    def marks(self) -> IO[bytes]:
        """The file of the marks, opened, for whoever wants to lock it while it fills the other.

        Raises:
            OSError: it can't be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return _opened(self._marks)

    def missing(self) -> list[int]:
        """The numbers of the chunks that have not reached the disk."""
        marks = self._marks.read_bytes() if self._marks.exists() and self._path.exists() else b""
        return [number for number in range(len(self._layout.chunks)) if marks[number : number + 1] != b"\1"]

    def write(self, number: int, states: Tensor) -> None:
        """Write a chunk's states [tokens, size]; it counts once `flush` has been called.

        Raises:
            OSError: it can't be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        end = self._layout.ends[number]
        data = states.to(self._dtype).contiguous().view(torch.uint8).numpy().tobytes()
        with _opened(self._path) as file:
            file.seek((end - len(states)) * self._size * self._dtype.itemsize)
            file.write(data)
        self._pending.append(number)

    def flush(self) -> None:
        """Bring what was written to the disk, then mark it.

        Raises:
            OSError: it can't be written.
        """
        if not self._pending:
            return
        with _opened(self._path) as file:
            os.fsync(file.fileno())
        with _opened(self._marks) as marks:
            for number in self._pending:
                marks.seek(number)
                marks.write(b"\1")
        self._pending.clear()

    def values(self) -> Tensor:
        """The whole file [tokens, size], mapped into memory."""
        numbers = self._layout.num_tokens * self._size
        return torch.from_file(str(self._path), shared=False, size=numbers, dtype=self._dtype).view(-1, self._size)


def _opened(path: Path) -> IO[bytes]:
    """A file to write into without losing what it holds."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")


class StatesInMemory:
    """The same as `StatesFile`, in this process's memory alone."""

    def __init__(self, layout: Layout, *, size: int, dtype: torch.dtype) -> None:
        self._layout = layout
        self.values = torch.empty(layout.num_tokens, size, dtype=dtype)

    def write(self, number: int, states: Tensor) -> None:
        """Keep a chunk's states [tokens, size]."""
        end = self._layout.ends[number]
        self.values[end - len(states) : end] = states
