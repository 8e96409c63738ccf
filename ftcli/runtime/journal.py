"""log.jsonl: one record a line, appended as things happen, cut back to the checkpoint on resume."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from os import SEEK_END
from pathlib import Path
from typing import Any

import orjson

from ftcli.runtime.files import write_atomically

Record = dict[str, Any]


class Journal:
    """An append-only file of records; each gets `time`, in Unix seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, record: Record) -> None:
        """Append one record on a line of its own, so that a kill costs at most the line being written."""
        line = orjson.dumps({**record, "time": round(time.time(), 3)}, option=orjson.OPT_APPEND_NEWLINE)
        with self._path.open("ab+") as file:
            if file.tell() and file.seek(-1, SEEK_END) and file.read(1) != b"\n":
                line = b"\n" + line
            file.write(line)

    def records(self) -> Iterator[Record]:
        """Every whole record, oldest first; a torn line is passed over."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    with suppress(orjson.JSONDecodeError):
                        yield orjson.loads(line)

    def keep(self, wanted: Callable[[Record], bool]) -> None:
        """Drop every record that is not wanted: a resumed run writes its steps once."""
        kept = [orjson.dumps(r, option=orjson.OPT_APPEND_NEWLINE) for r in self.records() if wanted(r)]
        write_atomically(self._path, b"".join(kept))
