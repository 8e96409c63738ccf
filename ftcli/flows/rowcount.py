"""About how many rows an input has, which nothing says before its end: told from its lines, counted meanwhile."""

from __future__ import annotations

from pathlib import Path

from ftcli.data.archives import CHUNK_BYTES, open_file
from ftcli.data.readers import file_kind
from ftcli.errors import DataError
from ftcli.flows.inputs import Input, open_rows
from ftcli.runtime.background import Background
from ftcli.train.card import ModelCard

_BY_LINE = ("jsonl", "csv", "tsv", "conll", "text")


class RowCount:
    """An estimate of an input's rows. Of a pipe, and where rows have no lines of their own, there is none."""

    def __init__(self, source: Input, card: ModelCard) -> None:
        self._counting: Background[int] = Background()
        self._lines: int | None = None
        kind = file_kind(open_rows(source, card).format, name=source.kind_name)
        if source.can_be_read_again and kind in _BY_LINE:
            self._counting.start(lambda: _lines_in(Path(source.path)))

    def about(self, rows: int, *, line: int) -> int | None:
        """How many rows there are if `rows` of them end with the one that begins at `line`; None where unknown yet."""
        counted = self._counting.done()
        self._lines = self._lines if counted is None else counted
        return None if self._lines is None else max(rows, rows * self._lines // line)


def _lines_in(path: Path) -> int:
    """Lines, also one that has no end; as many as there are before the damage in a damaged file."""
    lines, last = 0, b"\n"
    try:
        with open_file(path) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                lines, last = lines + chunk.count(b"\n"), chunk[-1:]
    except (DataError, OSError):  # whoever reads the rows says so, at the right place
        return lines
    return lines + (last != b"\n")
