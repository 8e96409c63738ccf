"""Every row of a prepared folder by the hashes of what it says, in an SQLite file that is thrown away at the end.

That a million rows yield one false repeat has a chance below 1 in 30 million.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import cast

import orjson

from ftcli.data.content import Content, content_of, hash_texts
from ftcli.data.dataset import DatasetFile
from ftcli.data.doctor.near import NearSearch, plain
from ftcli.data.labels import spelling
from ftcli.data.profile import Overlap
from ftcli.errors import Location
from ftcli.runtime.activity import Activity, Working
from ftcli.spec.card import SPLITS, Split

ROWS_PER_ACTIVITY = 2000
MOST_BYTES = 12_000_000
"""Of a split that near rows are looked for among; of a larger one, every so many rows are taken."""

_TABLES = """
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, split INTEGER, number INTEGER, start INTEGER,
    hash INTEGER, swapped INTEGER, plain INTEGER, plain_swapped INTEGER, answer INTEGER
);
CREATE TABLE leaks (row INTEGER, other_split INTEGER, other INTEGER, kind TEXT, PRIMARY KEY (row, other_split));
"""
_ADD = "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
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
    lines: array[int] = field(default_factory=lambda: array("Q"))

    def location(self, row: int) -> str:
        """The place of a row of the split, as an editor opens it."""
        return str(Location(self.file, self.lines[row]))


@dataclass(slots=True)
class Tally:
    """What is counted of one split as its rows pass."""

    words: int = 0
    entities: Counter[str] = field(default_factory=Counter[str])
    same_texts: int = 0


class Register:
    """The rows of a prepared folder; `near` has those that near ones are looked for among."""

    def __init__(
        self, database: sqlite3.Connection, folder: Path, facts: DatasetFile, sources: Mapping[Split, SourceLines]
    ) -> None:
        """Use an empty database."""
        database.executescript(_TABLES)
        self.database = database
        self.facts = facts
        self.folder = folder
        self.near = NearSearch(database)
        self.tallies: dict[Split, Tally] = {}
        self._pending: list[tuple[int | None, ...]] = []
        self.every: dict[Split, int] = {
            split: max(1, -(-found.bytes // MOST_BYTES)) for split, found in facts.splits.items()
        }
        """Of a split's rows, near ones are looked for among every one of so many."""
        self._sources = sources

    def fill(self) -> Working[None]:
        """Read all rows."""
        total = sum(split.rows for split in self.facts.splits.values())
        self.database.execute("BEGIN")
        row = 0
        for split in sorted(self.facts.splits, key=SPLITS.index):
            self.tallies[split] = Tally()
            for number, start, fields in self._stream(split):
                if row % ROWS_PER_ACTIVITY == 0:
                    self._flush()
                    yield Activity("examine rows", row, total)
                self._add(row, split, number, start, content_of(fields, self.facts.columns, task=self.facts.task))
                row += 1
        self._flush()
        self.database.execute(_INDEX)
        self.database.execute("COMMIT")

    def described(self, split: Split, number: int, start: int, *, prefix: str = "") -> dict[str, object]:
        """A row of a split, which begins at a byte, as lists of rows have it."""
        with (self.folder / self.facts.splits[split].file).open("rb") as file:
            file.seek(start)
            fields = cast("dict[str, object]", orjson.loads(file.readline()))
        content = content_of(fields, self.facts.columns, task=self.facts.task)
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
        return self.number(_DUPLICATES, SPLITS.index(split))

    def overlap(self, split: Split, other: Split) -> Overlap:
        """How many rows of a split stand in another one too."""
        values = {"split": SPLITS.index(split), "other": SPLITS.index(other)}
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

    def _stream(self, split: Split) -> Iterator[tuple[int, int, Mapping[str, object]]]:
        start = 0
        with (self.folder / self.facts.splits[split].file).open("rb") as lines:
            for number, line in enumerate(lines):
                yield number, start, cast("dict[str, object]", orjson.loads(line))
                start += len(line)

    def _flush(self) -> None:
        self.database.executemany(_ADD, self._pending)
        self._pending.clear()

    def _add(self, row: int, split: Split, number: int, start: int, content: Content) -> None:
        texts = tuple(text.strip() for text in content.texts)
        spelled = tuple(map(plain, texts))
        same, swapped = _hashes(texts)
        alike = (same, swapped) if spelled == texts else _hashes(spelled)
        # Answers that differ only in their spelling are a finding of their own, and no contradiction.
        answer = None if content.answer is None else _hash_answer(str(content.answer))
        place = SPLITS.index(split)
        self._pending.append((row, place, number, start, same, swapped, *alike, answer))
        tally = self.tallies[split]
        tally.words += content.num_words
        tally.entities.update(content.entities)
        tally.same_texts += len(texts) == 2 and texts[0] == texts[1]
        if number % self.every[split] == 0:
            self.near.add(row, place, spelled)


def _hashes(texts: tuple[str, ...]) -> tuple[int, int | None]:
    """The hash of a row's texts, and that of a pair swapped, unless both are the same."""
    return hash_texts(texts), hash_texts(texts[::-1]) if len(texts) == 2 and texts[0] != texts[1] else None


@lru_cache(maxsize=1024)
def _hash_answer(answer: str) -> int:
    return hash_texts((spelling(answer),))
