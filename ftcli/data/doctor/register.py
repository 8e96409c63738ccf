"""Every row of a prepared folder by the hashes of what it says, in an SQLite file that is thrown away at the end."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import orjson

from ftcli.data.content import Content, content_of, hash_texts
from ftcli.data.dataset import DatasetFile
from ftcli.data.doctor.near import NearSearch, plain
from ftcli.runtime.activity import Activity, Working
from ftcli.spec.card import SPLITS, Split

ROWS_PER_ACTIVITY = 2000
MOST_BYTES = 24_000_000
"""Of rows that near ones are looked for among; of more, every so many of train are taken."""

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, split INTEGER, number INTEGER, start INTEGER,
    hash INTEGER, swapped INTEGER, plain INTEGER, plain_swapped INTEGER, answer INTEGER
);
CREATE TABLE leaks (row INTEGER, other_split INTEGER, other INTEGER, kind TEXT, PRIMARY KEY (row, other_split));
"""
_ADD = "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(slots=True)
class Tally:
    """What is counted of one split as its rows pass."""

    words: int = 0
    entities: Counter[str] = field(default_factory=Counter[str])
    same_texts: int = 0


class Register:
    """The rows of a prepared folder; `near` has those that near ones are looked for among."""

    def __init__(self, database: sqlite3.Connection, folder: Path, facts: DatasetFile) -> None:
        """Use an empty database."""
        database.executescript(_TABLES)
        self.database = database
        self.facts = facts
        self.folder = folder
        self.near = NearSearch(database)
        self.tallies: dict[Split, Tally] = {}
        self.every = -(-sum(split.bytes for split in facts.splits.values()) // MOST_BYTES)
        """Of train's rows, near ones are looked for among every one of so many."""

    def fill(self) -> Working[None]:
        """Read all rows."""
        total = sum(split.rows for split in self.facts.splits.values())
        self.database.execute("BEGIN")
        row = 0
        for split in sorted(self.facts.splits, key=SPLITS.index):
            self.tallies[split] = Tally()
            for number, start, fields in self._stream(split):
                if row % ROWS_PER_ACTIVITY == 0:
                    yield Activity("examine rows", row, total)
                self._add(row, split, number, start, content_of(fields, self.facts.columns, task=self.facts.task))
                row += 1
        self.database.execute("COMMIT")

    def fields(self, split: Split, start: int) -> dict[str, object]:
        """The row of a split that begins at a byte."""
        with (self.folder / self.facts.splits[split].file).open("rb") as file:
            file.seek(start)
            return cast("dict[str, object]", orjson.loads(file.readline()))

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

    def _add(self, row: int, split: Split, number: int, start: int, content: Content) -> None:
        texts = tuple(text.strip() for text in content.texts)
        spelled = tuple(map(plain, texts))
        swapped = plain_swapped = None
        if len(texts) == 2 and texts[0] != texts[1]:
            swapped, plain_swapped = hash_texts(texts[::-1]), hash_texts(spelled[::-1])
        answer = None if content.answer is None else hash_texts((str(content.answer),))
        place = SPLITS.index(split)
        hashes = (hash_texts(texts), swapped, hash_texts(spelled), plain_swapped, answer)
        self.database.execute(_ADD, (row, place, number, start, *hashes))
        tally = self.tallies[split]
        tally.words += content.num_words
        tally.entities.update(content.entities)
        tally.same_texts += len(texts) == 2 and texts[0] == texts[1]
        if split != "train" or number % self.every == 0:
            self.near.add(row, place, spelled)
