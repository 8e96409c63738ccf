"""A key of four bytes for every row, by which the few are found that may say what another says."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np

from ftcli.data.doctor.near import Numbers, Values

_BITS = 0xFFFFFFFF
_AT_ONCE = 1 << 20


class Keys:
    """The keys of rows in their order. Other rows may have a row's key by chance, which costs time alone."""

    def __init__(self) -> None:
        self._keys = array("I")

    def __len__(self) -> int:
        return len(self._keys)

    def extend(self, rows: Iterable[tuple[str, ...]]) -> None:
        """Take the texts of some rows, which have the same key in either order."""
        self._keys.extend([hash(frozenset(texts)) & _BITS for texts in rows])

    def repeated(self) -> Numbers:
        """The numbers of the rows whose key another one has too."""
        keys: Values = np.frombuffer(self._keys, dtype=np.uint32)
        ordered = np.sort(keys)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if not len(twice):
            return np.empty(0, dtype=np.int64)
        found: list[Numbers] = []
        for start in range(0, len(keys), _AT_ONCE):  # at once it would take eight bytes more for every row
            part = keys[start : start + _AT_ONCE]
            is_among = twice.take(np.searchsorted(twice, part), mode="clip") == part
            found.append(start + np.flatnonzero(is_among))
        return np.concatenate(found)
