"""Validation and test rows held out of train: in equal shares of every label, and no text on both sides.

Rows that share a text, be it either one of a pair, are one group, as are those that share one with them in turn; a
group is dealt as a whole. What is dealt depends on the seed and on the rows' content, not on their order. Texts lie as
8-byte hashes in an SQLite file on disk; in memory are 16 bytes a row, 22 where labels are numbers.
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import cast

import numpy as np

from ftcli.data.content import Content, hash_texts
from ftcli.data.findings import Finding, share_of
from ftcli.runtime.activity import Activity, Working
from ftcli.spec.card import SPLITS, Split
from ftcli.spec.wording import counted, verb

BINS = 10
MOST_STRATA = 10_000
REST = MOST_STRATA
"""The number of all strata that are too many or too small."""
LEAST_ROWS = 20
PENDING_ROWS = 5000
ROWS_PER_ACTIVITY = 20_000
FAR_OFF = 0.1


@dataclass(frozen=True, slots=True)
class Held:
    """What was held out for one split: of `rows` in all, so many rows where a `share` was asked for.

    `evenly` tells of what equal shares were dealt.
    """

    split: Split
    share: float
    held: int
    rows: int
    largest_group: int
    evenly: str

    def finding(self) -> Finding:
        """Say what share was reached, and why if it is another than was asked for."""
        is_off = abs(self.held - self.share * self.rows) > max(1, FAR_OFF * self.share * self.rows)
        text = (
            f"{counted(self.held)} of {self.rows:,} {verb(self.held, 'was', 'were')} held out for {self.split}"
            f" ({share_of(self.held, self.rows)}, {self.share:.1%} asked for){self.evenly};"
            " no text stands on both sides"
        )
        if is_off:
            text += f". The largest group of rows that share texts has {self.largest_group:,}, and none is torn apart"
        severity = "warning" if is_off else "note"
        return Finding(code="holdout", severity=severity, split=self.split, count=self.held, text=text)


@dataclass(frozen=True, slots=True)
class Dealt:
    """Where each row goes, and what was held out."""

    places: bytearray
    held: tuple[Held, ...]

    @property
    def findings(self) -> list[Finding]:
        """What there is to say of it."""
        return [held.finding() for held in self.held]

    def split(self, row: int) -> Split:
        """The split of a row, numbered from 0."""
        return SPLITS[self.places[row]]


class Splitter:
    """Takes the rows of one file and then deals them."""

    def __init__(self, database: sqlite3.Connection, *, seed: int) -> None:
        """Keep the hashes in an empty database."""
        self._seed = seed
        self._parents = array("I")
        self._keys = array("q")
        self._strata = cast("array[float]", array("H"))
        self._largest_group = 0
        self._names: dict[str, int] = {}
        self._are_numbers = False
        self._pools = False
        self._pending: list[tuple[int, int]] = []
        self._database = database
        self._database.execute("CREATE TABLE texts (hash INTEGER, row INTEGER)")
        self._database.execute("CREATE TABLE parts (place INTEGER, root INTEGER, stratum INTEGER)")

    def add(self, content: Content) -> None:
        """Take one more row."""
        row = len(self._parents)
        hashes = {hash_texts((text.strip(),)) for text in content.texts}
        self._parents.append(row)
        self._keys.append(min(hashes))
        number = self._number_of(content.stratum)
        self._strata.append(number)
        self._pools = self._pools or content.has_many
        self._pending += [(value, row) for value in hashes]
        if len(self._pending) >= PENDING_ROWS:
            self._flush("texts", self._pending)

    def deal(self, shares: Mapping[Split, float]) -> Working[Dealt]:
        """Hold out a share of all rows for each split, one after the other; the rest stays in train."""
        if not self._parents:
            return Dealt(bytearray(), ())
        self._flush("texts", self._pending)
        yield from self._connect()
        counts = yield from self._lay_out()
        taken = bytearray(len(self._parents))
        left = list(counts)
        held: list[Held] = []
        for split, share in shares.items():
            quotas = _quotas(counts, share)
            count = self._take(taken, left, quotas, place=SPLITS.index(split))
            held.append(Held(split, share, count, len(taken), self._largest_group, self._evenly))
        places = bytearray(taken[self._root(row)] for row in range(len(taken)))
        return Dealt(places, tuple(held))

    @property
    def _evenly(self) -> str:
        if self._are_numbers:
            return ", from all over the range of numbers"
        if self._pools:
            return ", in about equal shares of every set of labels"
        return ", in equal shares of every label" if len(self._names) > 1 else ""

    def _number_of(self, stratum: str | float) -> float:
        if not isinstance(stratum, str):
            if not self._are_numbers:  # two bytes no longer hold one
                self._are_numbers, self._strata = True, array("d", self._strata)
            return stratum
        if stratum not in self._names and len(self._names) < MOST_STRATA:
            self._names[stratum] = len(self._names)
        return self._names.get(stratum, REST)

    def _root(self, row: int) -> int:
        parents = self._parents
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    def _connect(self) -> Working[None]:
        """Join the rows that share a text; a group is known by the least of its texts' hashes."""
        before: tuple[int, int] | None = None
        with closing(self._database.execute("SELECT hash, row FROM texts ORDER BY hash, row")) as found:
            for number, (value, row) in enumerate(found):
                if number % ROWS_PER_ACTIVITY == 0:
                    yield Activity("group rows", number)
                if before is not None and before[0] == value:
                    one, other = self._root(before[1]), self._root(row)
                    self._parents[max(one, other)] = min(one, other)
                    self._keys[min(one, other)] = min(self._keys[one], self._keys[other])
                before = (value, row)

    def _lay_out(self) -> Working[list[int]]:
        """Write down where each group stands in the seeded order; return the rows of each stratum.

        Sets of labels that are too rare to be dealt in shares are one stratum together: else none of their rows would
        ever be held out.
        """
        edges = _edges(self._strata) if self._are_numbers else []
        counts: Counter[int] = Counter()
        of_each = Counter(map(int, self._strata)) if self._pools else Counter[int]()
        pending: list[tuple[int, int, int]] = []
        for row, value in enumerate(self._strata):
            if row % ROWS_PER_ACTIVITY == 0:
                yield Activity("deal rows", row, len(self._strata))
            stratum = bisect_right(edges, value) if self._are_numbers else int(value)
            stratum = REST if self._pools and of_each[stratum] < LEAST_ROWS else stratum
            counts[stratum] += 1
            root = self._root(row)
            pending.append((_place(self._keys[root], self._seed), root, stratum))
            if len(pending) >= PENDING_ROWS:
                self._flush("parts", pending)
        self._flush("parts", pending)
        return [counts[stratum] for stratum in range(max(counts, default=-1) + 1)]

    def _groups(self) -> Iterator[tuple[int, dict[int, int]]]:
        """Each group's root and its rows of each stratum, in the seeded order."""
        query = "SELECT place, root, stratum, COUNT(*) FROM parts GROUP BY place, root, stratum ORDER BY 1, 2, 3"
        with closing(self._database.execute(query)) as found:
            for (_, root), parts in groupby(found, key=lambda part: (part[0], part[1])):
                yield root, {stratum: count for _, _, stratum, count in parts}

    def _take(self, taken: bytearray, left: list[int], quotas: list[int], *, place: int) -> int:
        """Take groups until every stratum has its quota, then any that fit until the number of rows is right."""
        total, held, open_quotas = sum(quotas), 0, list(quotas)
        for is_exact in (True, False):
            for root, parts in self._groups():
                size = sum(parts.values())
                self._largest_group = max(self._largest_group, size)
                if taken[root] or size > total - held or any(left[s] <= count for s, count in parts.items()):
                    continue
                gain = sum(abs(open_quotas[s]) - abs(open_quotas[s] - count) for s, count in parts.items())
                if is_exact and gain <= 0:
                    continue
                taken[root] = place
                held += size
                for stratum, count in parts.items():
                    open_quotas[stratum] -= count
                    left[stratum] -= count
            if held >= total:
                break
        return held

    def _flush(self, table: str, rows: list[tuple[int, int]] | list[tuple[int, int, int]]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._database.execute("BEGIN")
            self._database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            self._database.execute("COMMIT")
            rows.clear()


def _place(key: int, seed: int) -> int:
    digest = blake2b(b"%d %d" % (seed, key), digest_size=8, key=b"ftcli holdout").digest()
    return int.from_bytes(digest, "big", signed=True)


def _edges(values: Sequence[float]) -> list[float]:
    """Where numbers are cut into bins of about as many rows each."""
    ordered = np.sort(np.asarray(values))
    return sorted({float(ordered[len(ordered) * cut // BINS]) for cut in range(1, BINS)})


def _quotas(counts: Sequence[int], share: float) -> list[int]:
    """The rows of each stratum that add up to the share of all; the last row of one is never asked for."""
    quotas = [min(int(share * count), max(count - 1, 0)) for count in counts]
    short = round(share * sum(counts)) - sum(quotas)
    by_remainder = sorted(range(len(counts)), key=lambda s: (quotas[s] - share * counts[s], s))
    for stratum in by_remainder:
        if short > 0 and quotas[stratum] < counts[stratum] - 1:
            quotas[stratum] += 1
            short -= 1
    return quotas
