"""The rows of a prepared folder that may say the same as others, in an SQLite file that is thrown away at the end.

They are found by keys, and entered with whole hashes, Python's own: keyed, of 64 bits. That a million rows yield one
false repeat has a chance below 1 in 30 million.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson

from ftcli.data.content import Content, content_of
from ftcli.data.dataset import DatasetFile
from ftcli.data.doctor.keys import Keys
from ftcli.data.doctor.near import Numbers, plain_texts
from ftcli.data.doctor.near_search import NearSearch
from ftcli.data.labels import spelling
from ftcli.data.profile import Overlap
from ftcli.data.scratch import ScratchNumbers
from ftcli.errors import Location
from ftcli.runtime.activity import Activity, Working
from ftcli.spec.card import Split, in_order

MOST_BYTES = 12_000_000
"""Of a split that near rows are looked for among; of a larger one, every so many rows are taken."""
_BYTES_AT_ONCE = 1 << 18
_ROWS_AT_ONCE = 256

Entry = tuple[int | None, ...]
"""A row of the table `rows`."""

_TABLES = """
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, split INTEGER, number INTEGER, start INTEGER,
    hash INTEGER, swapped INTEGER, plain INTEGER, plain_swapped INTEGER, answer INTEGER
);
CREATE TABLE leaks (row INTEGER, other_split INTEGER, other INTEGER, kind TEXT, PRIMARY KEY (row, other_split));
"""
_ADD = "INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INDEX = "CREATE INDEX rows_by_hash ON rows (hash, split)"
_DUPLICATES = "SELECT COUNT(*) - COUNT(DISTINCT hash) FROM rows WHERE split = ?"
# Rows that stand in the other split as they are, and those that stand there only with their texts swapped.
_OVERLAP = """
SELECT SUM(same), SUM(swapped AND NOT same) FROM (
    SELECT EXISTS (SELECT 1 FROM rows there WHERE there.hash = here.hash AND there.split = :other) AS same,
    EXISTS (SELECT 1 FROM rows there WHERE there.hash = here.swapped AND there.split = :other) AS swapped
    FROM rows here WHERE here.split = :split
)
"""


@dataclass(frozen=True, slots=True)
class SourceLines:
    """Where a split's rows come from: what the file is called, and the line of each row."""

    file: str
    lines: ScratchNumbers

    def location(self, row: int) -> str:
        """The place of a row of the split, as an editor opens it."""
        return str(Location(self.file, self.lines[row]))


@dataclass(slots=True)
class Tally:
    """What is counted of one split as its rows pass."""

    words: int = 0
    entities: Counter[str] = field(default_factory=Counter[str])
    same_texts: int = 0

    def add(self, contents: Sequence[Content], texts: Sequence[tuple[str, ...]]) -> None:
        """Count some rows, whose texts are given without the blanks around them."""
        self.words += sum([content.num_words for content in contents])
        self.entities.update(chain.from_iterable([content.entities for content in contents]))
        self.same_texts += sum([len(each) == 2 and each[0] == each[1] for each in texts])


class Register:
    """The rows of a prepared folder that may say the same as others; `near` has those that near ones are among."""

    def __init__(
        self,
        database: sqlite3.Connection,
        near: NearSearch,
        folder: Path,
        facts: DatasetFile,
        sources: Mapping[Split, SourceLines],
    ) -> None:
        """Use an empty database and an empty search."""
        database.executescript(_TABLES)
        self.database = database
        self.facts = facts
        self.folder = folder
        self.near = near
        self.splits: tuple[Split, ...] = tuple(in_order(facts.splits))
        self.tallies: dict[Split, Tally] = {split: Tally() for split in self.splits}
        self.every: dict[Split, int] = {
            split: max(1, -(-found.bytes // MOST_BYTES)) for split, found in facts.splits.items()
        }
        """Of a split's rows, near ones are looked for among every one of so many."""
        self._keys = Keys()
        self._sources = sources

    def fill(self) -> Working[None]:
        """Read all rows, and enter those that may say what another says."""
        for split in self.splits:
            yield from self._read(split)
        yield from self.enter(self._keys.repeated())
        self.database.execute(_INDEX)

    def enter(self, rows: Numbers) -> Working[None]:
        """Enter some rows, numbered through all splits in ascending order, that aren't there yet."""
        before = 0
        self.database.execute("BEGIN")
        for split in self.splits:
            end = before + self.facts.splits[split].rows
            numbers = rows[np.searchsorted(rows, before) : np.searchsorted(rows, end)] - before
            lines = self._lines(split, numbers.tolist())
            while chunk := list(islice(lines, _ROWS_AT_ONCE)):
                yield Activity("enter rows", before + chunk[0][0], end)
                self.database.executemany(_ADD, self._entries(before, split, chunk))
            before = end
        self.database.execute("COMMIT")

    def described(self, split: Split, number: int, start: int, *, prefix: str = "") -> dict[str, object]:
        """A row of a split, which begins at a byte, as lists of rows have it."""
        with self._open(split) as file:
            file.seek(start)
            content = self._content(file.readline())
        found = {
            "split": split,
            "row": number,
            "location": self._sources[split].location(number),
            "label": content.answer,
            "texts": content.texts,
        }
        return {f"{prefix}{key}": value for key, value in found.items()}

    def duplicates(self, split: Split) -> int:
        """How many rows of a split have texts that stand further up in it."""
        return self.number(_DUPLICATES, self.splits.index(split))

    def overlap(self, split: Split, other: Split) -> Overlap:
        """How many rows of a split stand in another one too."""
        values = {"split": self.splits.index(split), "other": self.splits.index(other)}
        with closing(self.database.execute(_OVERLAP, values)) as found:
            same, swapped = found.fetchone()
        return Overlap(same=same or 0, swapped=swapped or 0)

    def number(self, query: str, *values: object) -> int:
        """The single number that a query yields; 0 for none."""
        with closing(self.database.execute(query, values)) as found:
            return int((found.fetchone() or (0,))[0] or 0)

    def select(self, query: str, *values: object) -> Iterator[tuple[int, ...]]:
        """Stream what a query yields."""
        with closing(self.database.execute(query, values)) as found:
            yield from found

    def _read(self, split: Split) -> Working[None]:
        number, total = 0, sum(found.rows for found in self.facts.splits.values())
        with self._open(split) as file:
            while lines := file.readlines(_BYTES_AT_ONCE):
                yield Activity("examine rows", len(self._keys), total)
                contents = [self._content(line) for line in lines]
                texts = [content.bare_texts for content in contents]
                self.tallies[split].add(contents, texts)
                if len(self.splits) > 1:  # near rows are those of other splits
                    texts = _plain(texts)
                    chosen = slice(-number % self.every[split], None, self.every[split])
                    rows = range(len(self._keys), len(self._keys) + len(lines))
                    self.near.add(self.splits.index(split), rows[chosen], texts[chosen])
                self._keys.extend(texts)
                number += len(lines)

    def _lines(self, split: Split, numbers: Iterable[int]) -> Iterator[tuple[int, int, bytes]]:
        """Some lines of a split, which stand in ascending order: number, where it begins, and content."""
        passed = 0
        with self._open(split) as file:
            for number in numbers:
                deque(islice(file, number - passed), maxlen=0)
                yield number, file.tell(), next(file)
                passed = number + 1

    def _entries(self, before: int, split: Split, lines: list[tuple[int, int, bytes]]) -> Iterator[Entry]:
        contents = [self._content(line) for _, _, line in lines]
        texts = [content.bare_texts for content in contents]
        for (number, start, _), content, same, alike in zip(lines, contents, texts, _plain(texts), strict=True):
            # Answers that differ only in their spelling are a finding of their own, and no contradiction.
            answer = None if content.answer is None else _hash_answer(str(content.answer))
            yield before + number, self.splits.index(split), number, start, *_hashes(same), *_hashes(alike), answer

    def _open(self, split: Split) -> BinaryIO:
        return (self.folder / self.facts.splits[split].file).open("rb")

    def _content(self, line: bytes) -> Content:
        return content_of(orjson.loads(line), self.facts.columns, task=self.facts.task)


def _plain(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The plain texts of rows that have equally many."""
    texts = iter(plain_texts([text for row in rows for text in row]))
    return list(zip(*[texts] * len(rows[0]), strict=True))


def _hashes(texts: tuple[str, ...]) -> tuple[int, int | None]:
    """The hash of a row's texts, and that of a pair swapped, unless both are the same."""
    return hash(texts), hash(texts[::-1]) if len(texts) == 2 and texts[0] != texts[1] else None


@lru_cache(maxsize=1024)
def _hash_answer(answer: str) -> int:
    return hash(spelling(answer))
