"""What is too much for memory while a data set is prepared: an SQLite file that is thrown away."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path


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
