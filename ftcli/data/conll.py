"""Sentences out of files with a word on each line, its columns beside each other, an empty line between sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from ftcli.data.rows import BadRow, Row, not_decodable, shown
from ftcli.errors import DataError, Location
from ftcli.spec.card import Columns, Format
from ftcli.spec.wording import counted

WORDS, TAGS = "tokens", "tags"
DOCUMENT_START = "-DOCSTART-"
COMMENT = "# "
LINES_MEASURED = 1000
_SPACES = re.compile("[ \t]+")
_NUMBER = re.compile("-?[0-9]+")


@dataclass(frozen=True, slots=True)
class _Layout:
    """How many columns the lines have, and which of them hold the word and the tag; None where there are no tags."""

    width: int
    word: int
    tag: int | None
    names: tuple[str, str]

    def reason(self, cells: list[str]) -> str | None:
        """Why a line can't be used."""
        if len(cells) < self.width and len(cells) == 1:
            return f"the token `{shown(cells[0])}` stands alone, where other lines have {counted(self.width, 'column')}"
        if len(cells) != self.width:
            return f"{counted(len(cells), 'column')} where other lines have {self.width}"
        if not cells[self.word]:
            return f"the token is empty (column {self.word})"
        if self.tag is not None and not cells[self.tag]:
            return f"the token `{shown(cells[self.word])}` has no tag (column {self.tag} is empty)"
        return None


@dataclass(slots=True)
class _Sentence:
    """The lines since the last border. Once one of them is bad, the sentence is."""

    words: list[str] = field(default_factory=list[str])
    tags: list[str] = field(default_factory=list[str])
    lines: list[int] = field(default_factory=list[int])
    bad: BadRow | None = None

    def add(self, number: int, cells: list[str], layout: _Layout) -> None:
        """Take one more word."""
        self.words.append(cells[layout.word])
        if layout.tag is not None:
            self.tags.append(cells[layout.tag])
        self.lines.append(number)

    def finish(self, layout: _Layout) -> Iterator[Row | BadRow]:
        """Give the sentence, if there is one, and begin another."""
        if self.bad is not None:
            yield self.bad
        elif self.lines:
            word, tag = layout.names
            fields: dict[str, object] = {word: self.words}
            yield Row(self.lines[0], fields if layout.tag is None else fields | {tag: self.tags}, self.lines)
        self.words, self.tags, self.lines, self.bad = [], [], [], None


def read_sentences(
    raw: Iterable[bytes], format: Format, *, encoding: str, columns: Columns, name: str, is_live: bool = False
) -> Iterator[Row | BadRow]:
    """Read sentences one at a time; those with a bad line are bad rows, which name that line.

    The fields are called "tokens" and "tags" where the columns are given by number, else as the columns are, which are
    then the first and the last. Where lines are live, made while they are read, the first sentence tells how many
    columns there are, else the first thousand lines.

    Raises:
        DataError: There is no such column.
    """
    iterator = iter(raw)
    first = list(_lines_to_measure(iterator, is_live=is_live))
    layout = _layout(first, format, encoding=encoding, columns=columns, name=name)
    sentence = _Sentence()
    for number, line in enumerate(chain(first, iterator), start=1):
        try:
            text = line.decode(encoding).rstrip("\r\n")
        except UnicodeDecodeError as error:
            sentence.bad = sentence.bad or BadRow(number, not_decodable(error), shown(line))
            continue
        if format.comments and text.startswith(COMMENT):
            continue
        cells = _cells(text, format.delimiter)
        reason = layout.reason(cells) if cells else None
        if not cells:
            yield from sentence.finish(layout)
        elif reason is not None:
            sentence.bad = sentence.bad or BadRow(number, reason, shown(text))
        else:
            sentence.add(number, cells, layout)
    yield from sentence.finish(layout)


def _lines_to_measure(lines: Iterator[bytes], *, is_live: bool) -> Iterator[bytes]:
    has_words = False
    for line in islice(lines, LINES_MEASURED):
        yield line
        if is_live and has_words and not line.strip():
            return
        has_words = has_words or bool(line.strip())


def _cells(text: str, delimiter: str | None) -> list[str]:
    """A line's columns; none where it is a border between sentences."""
    stripped = text.rstrip(" \t")
    if not stripped or stripped.startswith(DOCUMENT_START):
        return []
    return _SPACES.split(stripped) if delimiter is None else text.split(delimiter)


def _layout(first: list[bytes], format: Format, *, encoding: str, columns: Columns, name: str) -> _Layout:
    """The layout of the file; it has as many columns as most of its first lines."""
    texts = (line.decode(encoding, errors="replace").rstrip("\r\n") for line in first)
    kept = (text for text in texts if not (format.comments and text.startswith(COMMENT)))
    widths = Counter(len(cells) for text in kept if (cells := _cells(text, format.delimiter)))
    width = max(widths, key=lambda width: (widths[width], width), default=0)
    word, tag = (_place(column, width, default) for column, default in ((columns.text, 0), (columns.label, -1)))
    for column, place in ((columns.text, word), (columns.label, tag)):
        if width > 1 and not 0 <= place < width:
            hint = f"its lines have {counted(width, 'column')}, the first of which is 0 and the last -1"
            raise DataError(f"there is no column {column} in `{name}`", where=Location(name), hint=hint)
    fields = field_columns(columns)
    names = (fields.text, fields.label or TAGS)
    return _Layout(width, word if width > 1 else 0, tag if width > 1 and tag != word else None, names)


def field_columns(columns: Columns) -> Columns:
    """Return what the fields of a sentence are called where these are a file's columns."""
    by_number = _NUMBER.fullmatch(columns.text) is not None
    return Columns(text=WORDS, label=TAGS) if by_number else Columns(text=columns.text, label=columns.label or TAGS)


def _place(column: str | None, width: int, default: int) -> int:
    """The number of a column from the left, whether or not there is one."""
    number = int(column) if column is not None and _NUMBER.fullmatch(column) else default
    return number + width if number < 0 else number
