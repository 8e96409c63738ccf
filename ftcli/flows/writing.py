"""Rows with what the model says of them, as JSON lines, as a table, or as columns of words."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Literal, cast

import orjson

from ftcli.errors import DataError
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Columns

OutputFormat = Literal["jsonl", "csv", "tsv", "conll"]

ERRORS = ("line", "error")
"""What a row that can't be used gets instead of results: its line, if it couldn't even be read, and why."""


def kept(row: Fields, *, reserved: Sequence[str]) -> Fields:
    """The input's fields; one that has a reserved name is kept as `input_NAME`, the first as `gold` if there is none.

    The first of the reserved names is that of the prediction itself.
    """
    result: Fields = {}
    for name, value in row.items():
        free = "gold" if name == reserved[0] and "gold" not in row else name
        while free in reserved or free in result or (free != name and free in row):
            free = f"input_{free}"
        result[free] = value
    return result


def answered(rows: Iterable[Fields], answers: Iterable[Fields], *, reserved: Sequence[str]) -> Generator[Fields]:
    """Each row with what the model says of it."""
    for row, answer in zip(rows, answers, strict=True):
        yield {**kept(row, reserved=reserved), **answer}


class RowEncoder:
    """Makes bytes of rows: JSON lines, a table (CSV, TSV), or columns (word, gold tag if known, tag).

    A table takes its `columns` from the first rows: the input's fields, then the `last` ones, whatever the rows have.

    Args:
        format: Which of them.
        last: The names of what is said of a row, which come last.
        delimiter: What parts the cells of a table, if it is not a comma or, of TSV, a tab.
        columns: Those of a table whose beginning has been written already.
    """

    def __init__(
        self,
        format: OutputFormat,
        *,
        last: Sequence[str] = (),
        delimiter: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        self._format = format
        self._last = last
        self._delimiter = delimiter or ("\t" if format == "tsv" else ",")
        self.columns = columns

    def encode(self, rows: Sequence[Fields]) -> bytes:
        """Some rows, each ending in a line end.

        Raises:
            DataError: a later row has a field that the first ones of a table had not, or a word can't stand in columns.
        """
        match self._format:
            case "jsonl":
                return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
            case "conll":
                return "".join(map(_in_columns, rows)).encode()
            case _:
                return self._as_table(rows).encode()

    def _as_table(self, rows: Sequence[Fields]) -> str:
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=self._delimiter, lineterminator="\n")
        if self.columns is None:
            found = dict.fromkeys(name for row in rows for name in row if name not in self._last)
            self.columns = [*found, *self._last]
            writer.writerow(self.columns)
        for row in rows:
            if more := [name for name in row if name not in self.columns]:
                what = f"a row has a field `{more[0]}` that the table's header, made from the first rows, has not"
                raise DataError(what, hint="write JSON lines: --output-format jsonl")
            writer.writerow([_cell(row.get(name)) for name in self.columns])
        return buffer.getvalue()


def _in_columns(row: Fields) -> str:
    """A sentence in columns, one word a line: the word, its true tag where the row has them, and the one predicted."""
    columns = [cast("list[str]", row[name]) for name in ("tokens", "gold", "tags") if isinstance(row.get(name), list)]
    if torn := [word for word in columns[0] if any(character in word for character in "\t\r\n")]:
        what = f"the word {orjson.dumps(torn[0]).decode()} has a tab or a line end, and can't stand in a column"
        raise DataError(what, hint="write JSON lines: --output-format jsonl")
    return "".join("\t".join(cells) + "\n" for cells in zip(*columns, strict=True)) + "\n"


def as_columns(row: Fields, columns: Columns) -> Fields:
    """A predicted sentence's words, true tags and tags, by the names that columns are written from."""
    gold = row.get("gold" if columns.label == "tags" else columns.label or "gold")
    return {"tokens": row[columns.text], "gold": gold, "tags": row["tags"]}


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def read_rows_of(path: Path) -> Generator[Fields]:
    """Stream the rows of predictions that were written as JSON lines."""
    with path.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)


def write_whole(path: Path, rows: Iterable[Fields], format: OutputFormat = "jsonl") -> None:
    """Write rows to a file that appears only once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        encoder = RowEncoder(format)
        file.writelines(encoder.encode([row]) for row in rows)
    partial.replace(path)
