"""The search for near rows of other splits.

Two sets whose Jaccard similarity is at least 0.9 must share some of their few rarest 3-grams, so only rows that do are
compared, and each pair found is verified. None is missed unless these 3-grams are among the rarest of very many rows,
or there are too many to compare, which is said. How often a 3-gram occurs is counted in a table of fixed size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftcli.data.doctor.near import LEAST_SIMILARITY, Numbers, ragged, similarities
from ftcli.data.doctor.near_sets import BUCKETS, GramSets, Rarest, blocks, least_overlap
from ftcli.runtime.activity import Activity, Working

MOST_COMPARED = 500_000_000
"""3-grams; what is left then is not compared."""
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
        self._num_compared = 0

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
            yield Activity("look for near rows", self._num_compared)
            for row, other in _verified(sets, others, here, there, is_swapped=is_swapped):
                found[row] = min(found.get(row, other), other)
        return found

    def _candidates(
        self, wanted: Rarest, index: Rarest, here: GramSets, there: GramSets
    ) -> Iterator[tuple[Numbers, Numbers]]:
        """Sets of here and there that may overlap enough by those of their rarest 3-grams that they share."""
        first = np.searchsorted(index.values, wanted.values, "left")
        counts = np.searchsorted(index.values, wanted.values, "right") - first
        is_common = counts > MOST_SHARING
        self.is_cut |= bool(is_common.any())
        counts[is_common] = 0
        num_common = np.bincount(wanted.sets[is_common], minlength=len(here.sizes))
        for block in blocks(np.bincount(wanted.sets, counts, minlength=len(here.sizes))):
            part = slice(*np.searchsorted(wanted.sets, (block[0], block[-1] + 1)))
            others = index.sets[ragged(first[part], counts[part])]
            keys, shared = np.unique(
                np.repeat(wanted.sets[part], counts[part]) << _SET_BITS | others, return_counts=True
            )
            sets, others = keys >> _SET_BITS, keys & (1 << _SET_BITS) - 1
            may_be_near = _may_be_near(here.sizes[sets], there.sizes[others], shared + num_common[sets])
            sets, others = sets[may_be_near], others[may_be_near]
            self._num_compared += int(shared.sum() + here.sizes[sets].sum() + there.sizes[others].sum())
            if self._num_compared > MOST_COMPARED:
                self.is_cut = True
                return
            yield sets, others


def _by_value(rarest: Rarest) -> Rarest:
    return rarest.part(np.argsort(rarest.values, kind="stable"))


def _may_be_near(sizes: Numbers, other_sizes: Numbers, shared: Numbers) -> NDArray[np.bool_]:
    """Whether sets can overlap enough, given their sizes and how many of their rarest 3-grams they share."""
    smaller, larger = np.minimum(sizes, other_sizes), np.maximum(sizes, other_sizes)
    needed = (smaller + larger) * (LEAST_SIMILARITY / (1 + LEAST_SIMILARITY))
    # All that they share besides is in the rest of one of the two: that whose rarest end first, in the order of all.
    possible = shared + least_overlap(larger) - 1
    return (possible >= needed - _ROUNDING) & (smaller >= larger * LEAST_SIMILARITY - _ROUNDING)


def _verified(
    sets: Numbers, others: Numbers, here: GramSets, there: GramSets, *, is_swapped: bool
) -> Iterator[tuple[int, int]]:
    """The rows of those candidates that are near indeed."""
    for block in blocks(here.sizes[sets] + there.sizes[others]):
        (values, sizes), (other_values, other_sizes) = here.of(sets[block]), there.of(others[block])
        near = similarities((values ^ np.uint32(is_swapped), sizes), (other_values, other_sizes)) >= LEAST_SIMILARITY
        yield from zip(here.rows[sets[block][near]].tolist(), there.rows[others[block][near]].tolist(), strict=True)
