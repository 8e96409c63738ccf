"""Rows out of one JSON array of objects, read line by line: what is in memory is a line and an element."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from ftcli.data.rows import BadRow, Row, shown
from ftcli.data.tables import Lines
from ftcli.errors import DataError, Location

# Strings stand whole, so that what looks like a mark inside one is none. JSON has no line break in a string.
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{},]')
_OPEN, _CLOSE, _ENDS = ("[", "{"), ("]", "}"), ("]", "}", ",")


@dataclass(slots=True)
class _Element:
    """The text of an element as far as it has been read; `line` is where it begins."""

    text: str = ""
    line: int = 0
    undecodable: int = 0

    def add(self, text: str, lines: Lines) -> None:
        if not self.text:
            text, self.line = text.lstrip(), lines.number
        if lines.undecodable and "\ufffd" in text:
            self.undecodable = self.undecodable or lines.number
        self.text += text

    def row(self, encoding: str) -> Row | BadRow:
        """What it is."""
        if self.undecodable:
            return BadRow(self.line, f"not valid {encoding.upper()} (line {self.undecodable})", shown(self.text))
        try:
            value: object = orjson.loads(self.text)
        except orjson.JSONDecodeError as error:
            reason = f"{error.msg} (line {self.line + error.lineno - 1})" if self.text else "a comma too many"
            return BadRow(self.line, f"not JSON: {reason}", shown(self.text))
        if not isinstance(value, dict):
            return BadRow(self.line, "a JSON object is expected, such as {...}", shown(self.text))
        return Row(self.line, value)  # pyright: ignore[reportUnknownArgumentType]


class _Array:
    """An array as far as it has been read. `depth` counts its open brackets, 0 before and behind it."""

    def __init__(self, lines: Lines, *, name: str) -> None:
        self._lines = lines
        self._name = name
        self._element = _Element()
        self._count = 0
        self._depth = 0

    def read(self, text: str) -> Iterator[Row | BadRow]:
        """Read a line; give the elements that end in it."""
        begin = 0
        for mark in _MARKS.finditer(text):
            sign, depth = mark[0], self._depth
            self._depth += (sign in _OPEN) - (sign in _CLOSE)
            if depth == 0:
                self._check_begins(text)
                begin = mark.end()
            elif depth == 1 and sign in _ENDS:
                self._element.add(text[begin : mark.start()], self._lines)
                begin = mark.end()
                yield from self._finish(sign)
        self._element.add(text[begin:], self._lines)
        if self._depth == 0:
            self._check_begins(self._element.text)

    def _finish(self, sign: str) -> Iterator[Row | BadRow]:
        # An empty array has no element; anywhere else nothing is one that is missing.
        if self._element.text or self._count or sign == ",":
            yield self._element.row(self._lines.encoding)
        self._element = _Element()
        self._count += 1

    def _check_begins(self, text: str) -> None:
        if self._count and text:
            where = Location(self._name, self._lines.number, text=shown(text))
            raise DataError(f"something follows the JSON array of `{self._name}`", where=where)

    def check_ends(self) -> None:
        """Make sure that it is closed.

        Raises:
            DataError: It isn't.
        """
        if self._depth:
            what = f"`{self._name}` ends inside its JSON array: a bracket or a quote isn't closed"
            where = Location(self._name, self._element.line or self._lines.number, text=shown(self._element.text))
            raise DataError(what, where=where)


def read_array(lines: Lines, *, name: str) -> Iterator[Row | BadRow]:
    """Read the elements one at a time.

    Raises:
        DataError: The array isn't closed, or something follows it.
    """
    array = _Array(lines, name=name)
    for text in lines:
        yield from array.read(text)
        lines.begin_row()
    array.check_ends()
