"""Lines of a table into records of cells: quotes that enclose and span lines, or quotes that are ordinary characters.

A record is the number of the line it begins on and its cells, or the reason why it has none.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass

Record = tuple[int, list[str] | str]


@dataclass(slots=True)
class Lines:
    """Decoded lines, with the number of the last one and where the row at hand began.

    Undecodable bytes don't end the iteration, or a quoted field that spans lines would be torn in two.
    """

    raw: Iterator[bytes]
    encoding: str
    number: int = 0
    first: bytes | None = None
    undecodable: int = 0

    def __iter__(self) -> Iterator[str]:
        for line in self.raw:
            self.number += 1
            if self.first is None:
                self.first = line
            try:
                yield line.decode(self.encoding)
            except UnicodeDecodeError:
                self.undecodable = self.undecodable or self.number
                yield line.decode(self.encoding, errors="replace")

    def begin_row(self) -> int:
        """Forget the row before; the number of the line that the next one begins on."""
        self.first = None
        self.undecodable = 0
        return self.number + 1


def plain_records(lines: Lines, delimiter: str) -> Iterator[Record]:
    """Yield the records of a table in which a quote is a character like any other."""
    number = lines.begin_row()
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        if text:
            yield number, text.split(delimiter)
        number = lines.begin_row()


def quoted_records(lines: Lines, delimiter: str) -> Iterator[Record]:
    """Yield the records of a table whose cells may be enclosed in quotes, and so may span lines."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, _quote_reason(error, begin=number, end=lines.number)
            continue
        if cells:
            yield number, cells


def _quote_reason(error: csv.Error, *, begin: int, end: int) -> str:
    if end > begin:
        return f"a quote that opens in this row was still open at line {end}; nothing between them was read"
    return f"not readable as a quoted row: {error}"
