"""The search for near rows of other splits.

Two sets whose Jaccard similarity is at least 0.9 must share one of their few rarest 3-grams, so only rows that do are
compared, and each pair found is verified. None is missed unless these 3-grams are among the rarest of very many rows,
which is said. How often a 3-gram occurs is counted in a table of fixed size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftcli.data.doctor.near import LEAST_SIMILARITY, Numbers, ragged, similarities, sorted_unique
from ftcli.data.doctor.near_sets import BUCKETS, GramSets, Rarest, blocks
from ftcli.runtime.activity import Activity, Working

MOST_CANDIDATES = 3_000_000
MOST_SHARING = 500
"""Rows that one of their rarest 3-grams may lead to; one that more rows have leads to none."""
_SET_BITS = 32
_ROUNDING = 1e-6

Leaked = Callable[[int], Iterable[int]]
"""The rows that are known to stand in a split already."""


class NearSearch:
    """Finds near rows of other splits."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        """Keep sets in files of `folder`, which `files` closes."""
        self.is_cut = False
        self._folder = folder
        self._files = files
        self._splits: dict[int, GramSets] = {}
        self._counts = np.zeros(BUCKETS, dtype=np.uint32)
        self._num_candidates = 0

    def add(self, split: int, rows: Sequence[int], texts: Sequence[tuple[str, ...]]) -> None:
        """Take the plain texts of some of a split's rows."""
        if not rows:
            return
        if split not in self._splits:
            self._splits[split] = GramSets(self._folder)
            self._files.enter_context(closing(self._splits[split].file))
        values = self._splits[split].add(rows, texts)
        np.add.at(self._counts, values % BUCKETS, np.uint32(1))

    def search(self, leaked: Leaked) -> Working[list[tuple[int, int, int, bool]]]:
        """Return row, other split, other row, and whether the texts are swapped, once a row and other split.

        Of several rows of an earlier split that are near the first is taken, and rather as it is than swapped.
        """
        for sets in self._splits.values():
            sets.settle()
        indices = {split: _by_value(sets.rarest(self._counts)) for split, sets in self._splits.items()}
        found: dict[tuple[int, int], tuple[bool, int]] = {}
        for split, other in combinations(sorted(self._splits), 2):
            here, known = self._splits[other], np.fromiter(leaked(split), dtype=np.int64)
            for is_swapped in (False, True)[: here.num_texts]:
                rarest = here.rarest(self._counts, is_swapped=is_swapped)
                wanted = rarest.part(~np.isin(here.rows[rarest.sets], known))
                pairs = self._near(wanted, indices[split], here, self._splits[split], is_swapped=is_swapped)
                for row, near in (yield from pairs).items():
                    found.setdefault((row, split), (is_swapped, near))
        return [(row, split, near, is_swapped) for (row, split), (is_swapped, near) in found.items()]

    def _near(
        self, wanted: Rarest, index: Rarest, here: GramSets, there: GramSets, *, is_swapped: bool
    ) -> Working[dict[int, int]]:
        """For each row here that has one, the first row there that is near."""
        found: dict[int, int] = {}
        for sets, others in self._candidates(wanted, index, here, there):
            yield Activity("look for near rows", self._num_candidates)
            for row, other in _verified(sets, others, here, there, is_swapped=is_swapped):
                found[row] = min(found.get(row, other), other)
        return found

    def _candidates(
        self, wanted: Rarest, index: Rarest, here: GramSets, there: GramSets
    ) -> Iterator[tuple[Numbers, Numbers]]:
        """Sets of here and there that share one of their rarest 3-grams and may overlap enough, some at a time."""
        first = np.searchsorted(index.values, wanted.values, "left")
        counts = np.searchsorted(index.values, wanted.values, "right") - first
        self.is_cut |= bool((counts > MOST_SHARING).any())
        counts[counts > MOST_SHARING] = 0
        for block in blocks(counts):
            one = wanted.part(np.repeat(block, counts[block]))
            other = index.part(ragged(first[block], counts[block]))
            keys = sorted_unique((one.sets << _SET_BITS | other.sets)[_may_be_near(one, other, here, there)])
            self._num_candidates += len(keys)
            if self._num_candidates > MOST_CANDIDATES:
                self.is_cut = True
                return
            yield keys >> _SET_BITS, keys & (1 << _SET_BITS) - 1


def _by_value(rarest: Rarest) -> Rarest:
    return rarest.part(np.argsort(rarest.values, kind="stable"))


def _may_be_near(one: Rarest, other: Rarest, here: GramSets, there: GramSets) -> NDArray[np.bool_]:
    """Whether two sets can overlap enough if the first 3-gram they share is this one, by their sizes and its places."""
    size, other_size = here.sizes[one.sets], there.sizes[other.sets]
    possible = 1 + np.minimum(size - one.places, other_size - other.places)
    needed = (size + other_size) * (LEAST_SIMILARITY / (1 + LEAST_SIMILARITY))
    smaller, larger = np.minimum(size, other_size), np.maximum(size, other_size)
    return (possible >= needed - _ROUNDING) & (smaller >= larger * LEAST_SIMILARITY - _ROUNDING)


def _verified(
    sets: Numbers, others: Numbers, here: GramSets, there: GramSets, *, is_swapped: bool
) -> Iterator[tuple[int, int]]:
    """The rows of those candidates that are near indeed."""
    for block in blocks(here.sizes[sets] + there.sizes[others]):
        (values, sizes), (other_values, other_sizes) = here.of(sets[block]), there.of(others[block])
        near = similarities((values ^ np.uint32(is_swapped), sizes), (other_values, other_sizes)) >= LEAST_SIMILARITY
        yield from zip(here.rows[sets[block][near]].tolist(), there.rows[others[block][near]].tolist(), strict=True)
