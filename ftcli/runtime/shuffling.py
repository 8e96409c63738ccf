"""The order of an epoch, of which any part is had without the rest: a keyed permutation, computed place by place.

A place is written as two digits, each from 0 to `base` - 1, and a balanced Feistel network mixes them: round by round
one digit is moved on by a keyed hash of the other, which can be undone, whatever the hash. So it is a permutation of
all that two digits write; what lies beyond the number of rows is sent through again until it falls within (cycle
walking), which leaves a permutation of the rows. No memory grows with them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from math import isqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROUNDS = 8
"""Four hide all that a statistical test of few places sees, six to eight what one of nearly all places does."""
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""The factors of splitmix64, whose finaliser turns every bit of a number by every other."""
_SHIFTS = (30, 27)
_HALF = np.uint64(32)
_LEAST_BASE = 8
_MOST_KEPT = 1 << 16

_Numbers = NDArray[np.uint64]


@dataclass(frozen=True)
class Shuffle:
    """A permutation of range(num_rows), by a seed: the row at each place. It depends on nothing else."""

    num_rows: int
    seed: int

    def __len__(self) -> int:
        """The number of rows."""
        return self.num_rows

    def part(self, start: int, stop: int) -> Tensor:
        """The rows at the places from `start` up to `stop`, int64 [stop - start]."""
        send = self._mixed if self._base**2 > _MOST_KEPT else self._kept.take
        rows = send(np.arange(start, stop, dtype=np.uint64))
        while (beyond := np.flatnonzero(rows >= self.num_rows)).size:
            rows[beyond] = send(rows[beyond])
        return torch.from_numpy(rows.astype(np.int64))  # pyright: ignore[reportUnknownMemberType]

    @cached_property
    def _base(self) -> int:
        """The least whose square exceeds the rows, so that few places lie beyond them; eight for very few rows.

        Of three or four digits the rounds are too alike: some orders of four rows would come up far more often.
        """
        return max(isqrt(self.num_rows) + 1, _LEAST_BASE)

    @cached_property
    def _keys(self) -> _Numbers:
        """One for each round."""
        digest = hashlib.blake2b(b"%d" % self.seed, digest_size=8 * ROUNDS, person=b"ftcli shuffle").digest()
        return np.frombuffer(digest, dtype="<u8").astype(np.uint64)

    @cached_property
    def _kept(self) -> _Numbers:
        """Where the network sends each place, of so few that it is mixed once and for all."""
        return self._mixed(np.arange(self._base**2, dtype=np.uint64))

    def _mixed(self, places: _Numbers) -> _Numbers:
        """Where the network sends each of some places."""
        base = np.uint64(self._base)
        left, right = np.divmod(places, base)
        for key in self._keys:
            moved = left + _digits(right ^ key, base)
            left, right = right, np.where(moved < base, moved, moved - base)
        return left * base + right


def _digits(values: _Numbers, base: np.uint64) -> _Numbers:
    """A digit for each value: the upper half of its hash, scaled, so that all digits are about equally likely."""
    for factor, shift in zip(_MIX, _SHIFTS, strict=True):
        values = (values ^ values >> np.uint64(shift)) * np.uint64(factor)
    return (values >> _HALF) * base >> _HALF
