"""What is too much for memory while a data set is prepared: files that are thrown away."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from array import array
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

_AT_ONCE = 8192


@contextmanager
def scratch_database(path: Path) -> Generator[sqlite3.Connection]:
    """An empty database in a new file at `path`, which is gone in the end."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            # The file is thrown away, so nothing is done to have it survive a crash.
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            yield database
    finally:
        path.unlink(missing_ok=True)


class ScratchNumbers:
    """Whole numbers from 0 on, in a file without a name: appended one by one, then had by their place."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        """Have a file in `folder` that is gone when `files` closes it."""
        self._file = files.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        self._pending = array("Q")

    def append(self, number: int) -> None:
        """Take one more."""
        self._pending.append(number)
        if len(self._pending) == _AT_ONCE:
            self._settle()

    def __getitem__(self, place: int) -> int:
        self._settle()
        size = self._pending.itemsize
        return array("Q", os.pread(self._file.fileno(), size, place * size))[0]

    def _settle(self) -> None:
        self._pending.tofile(self._file)
        self._file.flush()
        del self._pending[:]
