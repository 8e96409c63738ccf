"""Rows out of Parquet files, if pyarrow is installed. A row's line is its number, counted from 1."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast

from ftcli.data.rows import BadRow, Row
from ftcli.errors import DataError, Location

ROWS_AT_ONCE = 1024


def read_parquet(stream: Iterable[bytes] | BinaryIO, *, name: str) -> Iterator[Row | BadRow]:
    """Read rows one at a time.

    Raises:
        DataError: The file is damaged, or pyarrow isn't there.
    """
    try:
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        hint = "install it: pip install 'ftcli[parquet]'"
        raise DataError(f"reading `{name}` needs pyarrow", where=Location(name), hint=hint) from None
    number = 0
    try:
        for batch in parquet.ParquetFile(_seekable(stream)).iter_batches(batch_size=ROWS_AT_ONCE):
            for fields in _rows(batch):
                number += 1
                if isinstance(fields, str):
                    yield BadRow(number, fields, "")
                else:
                    yield Row(number, {str(column): _plain(value) for column, value in fields.items()})
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"`{name}` is no whole Parquet file: {error}", where=Location(name)) from None


def _seekable(stream: Iterable[bytes] | BinaryIO) -> object:
    """A Parquet file is read from its end; what is being decompressed is read into memory first."""
    raw = getattr(stream, "raw", None)
    return stream if isinstance(raw, io.FileIO) else io.BytesIO(cast("BinaryIO", stream).read())


def _rows(batch: Any) -> Iterator[dict[str, object] | str]:
    for number in range(batch.num_rows):
        try:
            (fields,) = batch.slice(number, 1).to_pylist()
        except UnicodeDecodeError:
            yield "a text isn't valid UTF-8"
        else:
            yield fields


def _plain(value: object) -> object:
    """A value that JSON has; of others, their text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [_plain(each) for each in cast("list[object]", value)]
        case dict():
            return {str(key): _plain(each) for key, each in cast("dict[object, object]", value).items()}
        case bytes():
            return value.decode(errors="backslashreplace")
        case _:
            return str(value)
