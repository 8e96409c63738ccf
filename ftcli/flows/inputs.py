"""Rows that a command is given: those of a file, or of standard input."""

from __future__ import annotations

import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from ftcli.data.archives import open_file
from ftcli.data.readers import BadRow, Row, file_kind, read_rows
from ftcli.errors import DataError, Problem
from ftcli.spec.card import Format

STANDARD = "-"
"""What stands for standard input and output."""


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file's path or "-", and how it is cut into rows; standard input is JSON lines unless the format says more."""

    path: str
    format: Format

    @property
    def name(self) -> str:
        """What errors call it."""
        return "standard input" if self.path == STANDARD else self.path

    @property
    def _kind_name(self) -> str:
        return "stdin.jsonl" if self.path == STANDARD else self.path

    def check(self) -> None:
        """Make sure that rows can be read at all.

        Raises:
            DataError: there is no such file, or nothing tells its format.
        """
        if self.path != STANDARD and not Path(self.path).is_file():
            raise DataError(f"no such file: {self.path}", hint="`--input -` reads standard input")
        try:
            file_kind(self.format, name=self._kind_name)
        except DataError as error:
            hint = "say what it is: --format jsonl, json, csv, tsv, conll or parquet"
            raise DataError([Problem(problem.what, problem.where, hint) for problem in error.problems]) from None

    def rows(self) -> Generator[Row | BadRow]:
        """Stream the rows."""
        if self.path == STANDARD:
            yield from read_rows(sys.stdin.buffer, self.format, name=self._kind_name)
            return
        with open_file(Path(self.path)) as stream:
            yield from read_rows(stream, self.format, name=self._kind_name)
