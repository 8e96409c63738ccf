"""Rows that a command is given, of a file or standard input: read as the files were that the model learned from."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ftcli.data.archives import SPREADSHEETS, open_file
from ftcli.data.conll import field_columns
from ftcli.data.readers import TABLES, TEXT_COLUMN, BadRow, Kind, Row, ending_of, file_kind, read_rows
from ftcli.data.tags import Scheme, is_tag, problems_of
from ftcli.errors import DataError, Problem
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Columns, Format, Reading
from ftcli.train.card import ModelCard

STANDARD = "-"
"""What stands for standard input and output."""
SAY_SCHEME = "say in which scheme the input's tags are: --scheme bio, iob1, bioes or bmes"


@dataclass(frozen=True, slots=True)
class RowFile:
    """What the user says of an input: a path or "-", and what differs from the files of training.

    `scheme` is that of its tags, `text` and `pair` are its names for the text columns.
    """

    path: str
    format: Format
    scheme: Scheme | None = None
    text: str | None = None
    pair: str | None = None

    @property
    def name(self) -> str:
        """What errors call it."""
        return "standard input" if self.path == STANDARD else self.path

    @property
    def kind_name(self) -> str:
        """The name whose ending tells the format; standard input is JSON lines unless the format says more."""
        return "stdin.jsonl" if self.path == STANDARD else self.path

    @property
    def is_live(self) -> bool:
        """Whether it is a pipe, a terminal or the like, where rows may come whenever they please, and come once."""
        if self.path != STANDARD:
            return not Path(self.path).is_file()
        try:
            return not stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)
        except (OSError, ValueError):  # it is closed, or no file at all
            return False

    @property
    def can_be_read_again(self) -> bool:
        """Whether the same rows can be had a second time."""
        return self.path != STANDARD and not self.is_live

    def check(self) -> None:
        """Make sure that it is there.

        Raises:
            DataError: there is no such file, or no standard input.
        """
        if self.path == STANDARD and sys.stdin is None:
            raise DataError("standard input is closed", hint="name a file: --input FILE")
        path = Path(self.path)
        if self.path != STANDARD and (path.is_dir() or not path.exists()):
            raise DataError(f"no such file: {self.path}", hint="`--input -` reads standard input")


@dataclass(frozen=True, slots=True)
class Input(RowFile):
    """What the user says of rows to label: besides, whether those that can't be used are gone past."""

    keep_going: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """What the columns of a row are called, and in which scheme its tags are."""

    columns: Columns
    scheme: Scheme | None

    def fits(self, fields: Fields, *, with_label: bool) -> bool:
        """Whether a row has these columns."""
        label = self.columns.label if with_label else None
        return all(name in fields for name in (*self.columns.texts, *([label] if label else [])))

    def reads_tags(self, fields: Fields) -> bool:
        """Whether a row's tags, if it has any, are well-formed in the scheme."""
        return self.scheme is None or not problems_of(self._tags_in(fields), self.scheme)

    def knows_tags(self, fields: Fields) -> bool:
        """Whether a row's tags, if it has any, are of the scheme, in whatever order they stand."""
        scheme = self.scheme
        return scheme is None or all(is_tag(tag, scheme) for tag in self._tags_in(fields))

    def _tags_in(self, fields: Fields) -> list[str]:
        tags = fields.get(self.columns.label or "")
        return [str(tag) for tag in cast("list[object]", tags)] if isinstance(tags, list) else []


@dataclass(frozen=True, slots=True)
class Opened:
    """An input whose format is known, and the forms that its rows may have: the training files', then the prepared."""

    file: RowFile
    format: Format
    word_columns: Columns
    forms: tuple[Form, ...]

    @property
    def is_table(self) -> bool:
        """Whether its first line is taken for the names of columns."""
        return file_kind(self.format, name=self.file.kind_name) in TABLES

    def form_of(self, fields: Fields) -> Form:
        """The form of a row: the first that has its columns, and reads its tags, or knows them, if any does."""
        fitting = [form for labelled in (True, False) for form in self.forms if form.fits(fields, with_label=labelled)]
        reading = [form for form in fitting if form.reads_tags(fields)]
        knowing = [form for form in fitting if form.knows_tags(fields)]
        return next(iter((*reading, *knowing, *fitting)), self.forms[0])

    def rows(self) -> Generator[Row | BadRow]:
        """Stream the rows."""
        if self.file.path == STANDARD:
            yield from self._read(sys.stdin.buffer)
            return
        with open_file(Path(self.file.path)) as stream:
            yield from self._read(stream)

    def _read(self, stream: BinaryIO) -> Iterator[Row | BadRow]:
        name, is_live = self.file.kind_name, self.file.is_live
        return read_rows(stream, self.format, name=name, columns=self.word_columns, is_live=is_live)


def open_rows(file: RowFile, card: ModelCard) -> Opened:
    """Find out how an input is read.

    Raises:
        DataError: nothing tells its format.
    """
    kinds = _kinds_of(card.source)
    format = _format_of(file, card.source, kinds)
    kind = _kind_of(file, format)
    is_alike = kind in kinds
    named = field_columns(card.source.columns) if "conll" in kinds else card.source.columns
    forms = [
        Form(named, card.source_scheme if is_alike else card.scheme),
        Form(card.columns, card.scheme),
    ]
    if kind == "conll" and not is_alike:
        del forms[0]
    if kind == "text":
        forms = [Form(card.columns.model_copy(update={"text": TEXT_COLUMN}), card.scheme)]
    return Opened(
        file,
        format,
        word_columns=card.source.columns if is_alike else card.columns,
        forms=tuple(dict.fromkeys(_as_told(form, file) for form in forms)),
    )


def _kinds_of(source: Reading) -> set[Kind]:
    return {file_kind(source.format, name=f"x{ending}") for ending in source.endings}


def _format_of(file: RowFile, source: Reading, kinds: set[Kind]) -> Format:
    """The format of training where the input is of its kind, else what was said."""
    told = file.format
    is_alike = ending_of(file.kind_name) in source.endings if told.kind == "auto" else told.kind in kinds
    if not is_alike or "custom" in kinds:
        return told
    kind = source.format.kind if told.kind == "auto" else told.kind
    return source.format.model_copy(update={"kind": kind, "delimiter": told.delimiter or source.format.delimiter})


def _kind_of(file: RowFile, format: Format) -> Kind:
    try:
        return file_kind(format, name=file.kind_name)
    except DataError as error:
        if ending_of(file.kind_name) in SPREADSHEETS:
            raise
        hint = "say what it is: --format jsonl, json, csv, tsv, conll, text or parquet"
        raise DataError([Problem(problem.what, problem.where, hint) for problem in error.problems]) from None


def _as_told(form: Form, file: RowFile) -> Form:
    told = {name: value for name, value in (("text", file.text), ("pair", file.pair)) if value is not None}
    return Form(form.columns.model_copy(update=told), file.scheme or form.scheme)
