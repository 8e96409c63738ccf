"""Rows out of files as people really have them, one at a time: JSON, tables, columns of words, Parquet.

A line that can't be read becomes a `BadRow` and the reading goes on: whether it may be left out is for the caller
to say. Lines are counted as an editor counts them, so a reported line can be jumped to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import PurePosixPath
from typing import BinaryIO, Literal, cast

import orjson

from ftcli.data.archives import SPREADSHEETS
from ftcli.data.arrays import read_array
from ftcli.data.conll import WORDS, read_sentences
from ftcli.data.custom import read_with
from ftcli.data.parquet import read_parquet
from ftcli.data.rows import BadRow, Row, not_decodable, shown
from ftcli.data.tables import Lines, read_table
from ftcli.errors import DataError, Location
from ftcli.spec.card import Columns, Format

BOM = b"\xef\xbb\xbf"
Kind = Literal["jsonl", "json", "csv", "tsv", "conll", "text", "parquet", "custom"]
KINDS: dict[str, Kind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "tsv",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".bioes": "conll",
    ".bmes": "conll",
    ".parquet": "parquet",
}
TABLES: tuple[Kind, ...] = ("csv", "tsv")
"""Kinds whose columns are named above the first row."""
TEXT_COLUMN = "text"


def read_rows(
    lines: Iterable[bytes] | BinaryIO,
    format: Format,
    *,
    name: str,
    columns: Columns | None = None,
    is_live: bool = False,
) -> Iterator[Row | BadRow]:
    """Read rows one at a time.

    Args:
        lines: The file's content.
        format: How it is cut into rows.
        name: The file's name, whose ending decides where the format says "auto".
        columns: Which columns of a file of words hold the word and the tag; None: the first and the last.
        is_live: Whether lines are made while they are read, so that a row is not to wait for those behind it.

    Raises:
        DataError: The file as a whole isn't of this format (an unknown ending or encoding, a JSON array of JSON lines,
            a header that names a column twice).
    """
    match file_kind(format, name=name):
        case "custom":
            return read_with(format, cast("BinaryIO", lines), name=name)
        case "parquet":
            return read_parquet(lines, name=name)
        case kind:
            words = columns or Columns(text=WORDS)
            return _read_lines(lines, format, kind, name=name, columns=words, is_live=is_live)


def _read_lines(
    lines: Iterable[bytes] | BinaryIO, format: Format, kind: Kind, *, name: str, columns: Columns, is_live: bool
) -> Iterator[Row | BadRow]:
    encoding = _encoding(format.encoding, name=name)
    raw = _without_bom(lines, name=name, encoding=encoding)
    match kind:
        case "jsonl":
            return _read_jsonl(raw, encoding, name=name)
        case "json":
            return _read_json(raw, encoding, name=name, is_array=format.kind == "json")
        case "conll":
            return read_sentences(raw, format, encoding=encoding, columns=columns, name=name, is_live=is_live)
        case "text":
            return _read_texts(raw, encoding)
        case _:
            return read_table(Lines(raw, encoding), format, is_csv=kind == "csv", name=name)


def file_kind(format: Format, *, name: str) -> Kind:
    """Return the format's kind, or where it is "auto" the one that the file's ending stands for.

    Raises:
        DataError: The ending is unknown.
    """
    if format.kind != "auto":
        return format.kind
    suffix = ending_of(name)
    if suffix in SPREADSHEETS:
        hint = "save the sheet as CSV (UTF-8), and name that file"
        raise DataError(f"`{name}` is a spreadsheet, which can't be read", where=Location(name), hint=hint)
    if suffix not in KINDS:
        known = ", ".join(KINDS)
        hint = f"endings that are known: {known}; for any other, set `kind` under [format]"
        raise DataError(f"can't tell the format of `{name}` from its ending", where=Location(name), hint=hint)
    return KINDS[suffix]


def ending_of(name: str) -> str:
    """Return what a file's name ends in, but for compression: `.csv` of `a.CSV.gz`."""
    return PurePosixPath(name.lower().removesuffix(".gz")).suffix


def label_text(value: object) -> str | None:
    """Return a label as it is compared everywhere: stripped text, or None where there is no label."""
    match value:
        case None:
            return None
        case str():
            return value.strip() or None
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case _:
            return orjson.dumps(value).decode()


def _encoding(encoding: str, *, name: str) -> str:
    try:
        newline = "\n".encode(encoding)
    except LookupError:
        raise DataError(f"unknown encoding `{encoding}`", where=Location(name), hint='try "utf-8"') from None
    if newline.endswith(b"\n") and len("a".encode(encoding)) == 1:
        return encoding
    if encoding.lower().replace("_", "-") == "utf-8-sig":
        return "utf-8"
    hint = "save the file as UTF-8 first"
    raise DataError(f"files in {encoding} can't be read line by line", where=Location(name), hint=hint)


def _without_bom(lines: Iterable[bytes], *, name: str, encoding: str) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        if number:
            yield line
        elif line.startswith((b"\xff\xfe", b"\xfe\xff")) and encoding == "utf-8":
            hint = "save the file as UTF-8 first"
            raise DataError(f"`{name}` is in UTF-16, not UTF-8", where=Location(name), hint=hint)
        else:
            yield line.removeprefix(BOM)


def _read_json(raw: Iterator[bytes], encoding: str, *, name: str, is_array: bool) -> Iterator[Row | BadRow]:
    """Read one array, which the first character tells, or else one object a line."""
    before: list[bytes] = []
    for line in raw:
        before.append(line)
        if line.strip():
            break
    begin = before[-1].lstrip() if before else b""
    again = chain(before, raw)
    if begin.startswith(b"["):
        return read_array(Lines(again, encoding), name=name)
    if is_array:
        where = Location(name, len(before) or None, text=shown(begin))
        hint = 'one object a line is kind = "jsonl"'
        raise DataError(f"`{name}` isn't a JSON array, which begins with `[`", where=where, hint=hint)
    return _read_jsonl(again, encoding, name=name)


def _read_jsonl(raw: Iterator[bytes], encoding: str, *, name: str) -> Iterator[Row | BadRow]:
    begun = False
    for number, line in enumerate(raw, start=1):
        if line.isspace() or not line:
            continue
        if not begun and line.lstrip().startswith(b"["):
            where = Location(name, number, text=shown(line))
            hint = 'set kind = "json" under [format], or write one object a line (JSON Lines)'
            raise DataError(f"`{name}` is one JSON array, not one object a line", where=where, hint=hint)
        begun = True
        yield _json_row(number, line, encoding)


def _json_row(number: int, line: bytes, encoding: str) -> Row | BadRow:
    try:
        value = cast("object", orjson.loads(line if encoding == "utf-8" else line.decode(encoding)))
    except UnicodeDecodeError as error:
        return BadRow(number, not_decodable(error), shown(line))
    except orjson.JSONDecodeError as error:
        return BadRow(number, _json_reason(error, line), shown(line))
    if not isinstance(value, dict):
        return BadRow(number, "a JSON object is expected, such as {...}", shown(line))
    return Row(number, cast("dict[str, object]", value))


def _json_reason(error: json.JSONDecodeError, line: bytes) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as undecodable:
        return not_decodable(undecodable)
    return f"not JSON: {error.msg} (column {error.colno})"


def _read_texts(raw: Iterator[bytes], encoding: str) -> Iterator[Row | BadRow]:
    for number, line in enumerate(raw, start=1):
        try:
            text = line.decode(encoding).rstrip("\r\n")
        except UnicodeDecodeError as error:
            yield BadRow(number, not_decodable(error), shown(line))
            continue
        if text.strip():
            yield Row(number, {TEXT_COLUMN: text})
