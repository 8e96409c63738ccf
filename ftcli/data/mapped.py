"""Arrays that lie in files and are mapped into memory, however large they are.

A number that is read maps 64 KB around it, or up to 2 MB if the system has the file in so large pieces, which counts as
the process's memory from then on, though the system could have it back at any moment. Rows in random order would thus
map whole files; so they are let go of again and again, and mapped anew, mostly from the system's cache.
"""

from __future__ import annotations

import mmap
from pathlib import Path

import torch
from torch import Tensor

ROWS_BETWEEN = 64
"""So many rows of four arrays map 16 MB, at the worst 512."""


class MappedFiles:
    """The arrays of several files. They are only read: what is written to one is lost without a word."""

    def __init__(self) -> None:
        self._maps: list[mmap.mmap] = []
        self._num_read = 0

    def open(self, path: Path, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """An array of this shape, which a file begins with.

        Raises:
            OSError: it can't be read.
            ValueError: it is too short.
        """
        if not shape.numel():
            return torch.empty(shape, dtype=dtype)
        with path.open("rb") as file:  # a private copy, for torch knows no tensors that can't be written
            self._maps.append(mmap.mmap(file.fileno(), shape.numel() * dtype.itemsize, access=mmap.ACCESS_COPY))
        return torch.frombuffer(self._maps[-1], dtype=dtype).view(shape)

    def count(self, num_rows: int) -> None:
        """Take note that so many rows were read; now and then, let go of all that is mapped."""
        self._num_read += num_rows
        if self._num_read >= ROWS_BETWEEN:
            self._num_read = 0
            for each in self._maps:
                each.madvise(mmap.MADV_DONTNEED)
