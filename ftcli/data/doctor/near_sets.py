"""The sets of 3-grams of a split's rows, in a file without a name, and the rarest members of each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftcli.data.doctor.near import LEAST_SIMILARITY, Numbers, Values, gram_sets, ragged

BUCKETS = 1 << 20
"""What 3-grams are counted in: many share one, which makes them seem less rare and does no harm."""
_AT_ONCE = 1 << 16
_COUNT_BITS, _VALUE_BITS = 16, 32


@dataclass(frozen=True, slots=True)
class Rarest:
    """The rarest 3-grams of sets, as many as one of them must be shared by a near set."""

    values: Values
    sets: Numbers

    def part(self, chosen: Numbers | NDArray[np.bool_]) -> Rarest:
        """Some of them."""
        return Rarest(self.values[chosen], self.sets[chosen])


class GramSets:
    """The sets of a split, numbered as they come. `rows` has the row of each and `sizes` its number of 3-grams."""

    def __init__(self, folder: Path) -> None:
        """Have a file in `folder` that is gone when it is closed."""
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.num_texts = 1
        self._rows: list[Numbers] = []
        self._sizes: list[Numbers] = []

    def add(self, rows: Sequence[int], texts: Sequence[tuple[str, ...]]) -> Values:
        """Take the plain texts of some rows, at least one; return their 3-grams."""
        values, sizes = gram_sets(texts)
        self.file.write(values.tobytes())
        self.num_texts = len(texts[0])
        self._rows.append(np.array(rows, dtype=np.int64))
        self._sizes.append(sizes)
        return values

    def settle(self) -> None:
        """Make all sets accessible; no more are taken."""
        self.file.flush()
        self.rows, self.sizes = np.concatenate(self._rows), np.concatenate(self._sizes)
        self._starts = np.cumsum(self.sizes) - self.sizes
        self._values: Values = np.memmap(self.file, dtype=np.uint32, mode="r")

    def of(self, sets: Numbers) -> tuple[Values, Numbers]:
        """Some sets one behind the other, and their sizes."""
        sizes = self.sizes[sets]
        return self._values[ragged(self._starts[sets], sizes)], sizes

    def rarest(self, counts: Values, *, is_swapped: bool = False) -> Rarest:
        """The rarest by how often their buckets come up, perhaps of rows whose two texts are swapped."""
        found = [self._rarest(block, counts, is_swapped=is_swapped) for block in blocks(self.sizes)]
        return Rarest(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def _rarest(self, sets: Numbers, counts: Values, *, is_swapped: bool) -> tuple[Values, Numbers]:
        values, sizes = self.of(sets)
        values = values ^ np.uint32(is_swapped)  # the last bit says which text a 3-gram is of
        rarity = np.minimum(counts[values % BUCKETS], (1 << _COUNT_BITS) - 1).astype(np.uint64)
        numbers = np.repeat(np.arange(len(sets), dtype=np.uint64), sizes)
        keys = (numbers << np.uint64(_COUNT_BITS) | rarity) << np.uint64(_VALUE_BITS) | values
        keys.sort()
        num_rarest = sizes - least_overlap(sizes) + 1
        chosen = ragged(np.cumsum(sizes) - sizes, num_rarest)
        return keys[chosen].astype(np.uint32), np.repeat(sets, num_rarest)


def least_overlap(sizes: Numbers) -> Numbers:
    """How many members of a set any near one has as well."""
    return np.maximum(-(-sizes * round(LEAST_SIMILARITY * 10) // 10), 1)


def blocks(weights: Numbers | NDArray[np.float64]) -> Iterator[Numbers]:
    """Cut the numbers from 0 on into runs of hardly more than 2^16 together, by the weight of each."""
    borders = np.flatnonzero(np.diff(np.cumsum(weights) // _AT_ONCE)) + 1
    yield from np.split(np.arange(len(weights)), borders)
