"""Rows that are read before it is known where they go: put aside, dealt, and read again."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from ftcli.data.checks import CheckedRow
from ftcli.data.content import content_of
from ftcli.data.scratch import scratch_database
from ftcli.data.split import Dealt, Splitter
from ftcli.data.tagging import Mended
from ftcli.runtime.activity import Working
from ftcli.spec.card import Columns, DataCard, Split


class Dealer:
    """Takes the rows of train and gives them back with the split that each goes to."""

    def __init__(self, card: DataCard, file: BinaryIO, splitter: Splitter) -> None:
        """Put rows aside in `file`."""
        self._card = card
        self._file = file
        self._splitter = splitter

    def add(self, row: CheckedRow, columns: Columns) -> None:
        """Take one more row, whose fields have the names of `columns`."""
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self._splitter.add(content_of(row.fields, columns, task=self._card.task))

    def deal(self, shares: Mapping[Split, float]) -> Working[Dealt]:
        """Decide where each row goes."""
        return (yield from self._splitter.deal(shares))

    def rows(self, dealt: Dealt) -> Iterator[tuple[Split, CheckedRow]]:
        """The rows in their order, each with its split."""
        self._file.seek(0)
        for number, line in enumerate(self._file):
            row: dict[str, Any] = orjson.loads(line)
            labels, mended = row["labels"], row["mended"]
            yield (
                dealt.split(number),
                CheckedRow(
                    line=row["line"],
                    fields=row["fields"],
                    texts=tuple(row["texts"]),
                    labels=None if labels is None else tuple(labels),
                    mended=None if mended is None else Mended(**mended),
                    num_words=row["num_words"],
                ),
            )


@contextmanager
def dealer(card: DataCard, scratch: Path) -> Generator[Dealer]:
    """A dealer whose files lie in `scratch` while it is at work."""
    aside = scratch / "aside.jsonl"
    try:
        with aside.open("w+b") as file, scratch_database(scratch / "texts.sqlite") as database:
            yield Dealer(card, file, Splitter(database, seed=card.holdout_seed))
    finally:
        aside.unlink(missing_ok=True)
