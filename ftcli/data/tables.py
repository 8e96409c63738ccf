"""Lines of a table into records of cells, and those into rows.

Quotes enclose and span lines, or are ordinary characters. A record is the number of the line it begins on and its
cells, or the reason why it has none.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from ftcli.data.rows import BadRow, Row, shown
from ftcli.errors import DataError, Location
from ftcli.spec.card import Format
from ftcli.spec.wording import counted

_OTHER_DELIMITERS = ";\t|"

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


def read_table(lines: Lines, format: Format, *, is_csv: bool, name: str) -> Iterator[Row | BadRow]:
    """Read the rows of a table, whose columns its header names; parted by commas, or else by tabs, unless it is said.

    Raises:
        DataError: the header can't be read, or names a column twice.
    """
    delimiter = format.delimiter or ("," if is_csv else "\t")
    standard = format.quotes == "standard" or (format.quotes == "auto" and is_csv)
    records = quoted_records(lines, delimiter) if standard else plain_records(lines, delimiter)
    header: list[str] | None = None
    for number, cells in records:
        if header is None and not format.header and not isinstance(cells, str):
            header = [str(column) for column in range(len(cells))]
        reason = cells if isinstance(cells, str) else _row_reason(lines, cells, header)
        if reason is not None:
            if header is None and format.header:
                where = Location(name, number, text=shown(lines.first or b""))
                raise DataError(f"the header of `{name}` can't be read: {reason}", where=where)
            yield BadRow(number, reason, shown(lines.first or b""))
        elif header is None:
            header = list(cells)
            if format.delimiter is None and is_csv:
                _check_delimiter(header, where=Location(name, number, text=shown(lines.first or b"")))
        else:
            yield Row(number, dict(zip(header, cells, strict=True)))


def _check_delimiter(header: list[str], *, where: Location) -> None:
    """Refuse a header that is one column only because another character parts its columns."""
    found = next((character for character in _OTHER_DELIMITERS if character in header[0]), None)
    if len(header) == 1 and found is not None:
        written = "\\t" if found == "\t" else found
        what = f"the header has no comma, and seems to be parted by `{written}`"
        hint = f'say so: format = {{ delimiter = "{written}" }} under [data], or --delimiter of `eval` and `predict`'
        raise DataError(what, where=where, hint=hint)


def _row_reason(lines: Lines, cells: list[str], header: list[str] | None) -> str | None:
    if lines.undecodable:
        return f"not valid {lines.encoding.upper()} (line {lines.undecodable})"
    if header is None:
        twice = sorted({cell for cell in cells if cells.count(cell) > 1})
        return f"two columns are called `{twice[0]}`" if twice else None
    if len(cells) != len(header):
        return f"{counted(len(cells), 'field')} where the header has {len(header)}"
    return None
