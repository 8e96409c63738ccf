"""A file that grows window by window under another name, and takes its own only once it is whole.

FILE.part holds what is written, FILE.part.json how much of it is safely on disk, and from what it was made;
FILE.part.scores is for whoever makes the next window, and goes with them. Whatever ends the process, at whatever
instant, the same command goes on where it stopped, and the file is as it would have been.
The journal is there before the part and goes after it, so that a part without a journal is somebody else's file.
"""

from __future__ import annotations

import fcntl
import gzip
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import orjson

from ftcli.errors import DataError, RecipeError, UsageError
from ftcli.runtime.files import remove, write_json
from ftcli.spec.wording import counted

Facts = dict[str, Any]
"""What an output is made from, by names that a user knows; None where it can't be made a second time."""


@dataclass(frozen=True, slots=True)
class Written:
    """How far an output has come: rows, those of them that could not be read, bytes, and a table's columns."""

    rows: int = 0
    errors: int = 0
    bytes: int = 0
    columns: Sequence[str] | None = None
    is_whole: bool = False


class PartFile:
    """A file in the making. Within the block windows are appended; `finish` makes a file of them.

    An error that would come again leaves nothing.

    Raises:
        UsageError: what was left there was made from something else, or is no part of a prediction; another process is
            writing it; or it can't be written.
    """

    def __init__(self, path: Path, facts: Facts | None, *, restart: bool) -> None:
        self._path = path
        self._part = part_of(path)
        self._journal = self._part.with_name(f"{self._part.name}.json")
        self._scores = scores_of(path)
        self._restarts = restart
        self._facts = facts
        self._is_compressed = path.name.lower().endswith(".gz")
        self._can_go_on = False
        self._is_finished = False
        self.written = self._left(restart=restart)

    def __enter__(self) -> PartFile:
        try:
            if not self._part.exists() and not self.written.is_whole:
                self._note(Written())
            self._file = self._opened()
            if self._restarts:
                remove(self._scores)
            if not self.written.rows:
                self._note(Written())
        except OSError as error:
            raise unwritable(self._part, error) from error
        return self

    def append(self, content: bytes, written: Written) -> None:
        """Add a window, and note how far that brings the output; `written.bytes` are found here.

        Raises:
            UsageError: the disk is full or can't be written. What was written before stays, and can be gone on with.
        """
        packed = gzip.compress(content, mtime=0) if self._is_compressed else content
        try:
            self._file.write(packed)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._note(replace(written, bytes=self.written.bytes + len(packed)))
        except OSError as error:
            self._can_go_on = True
            raise unwritable(self._part, error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._is_finished:
            return
        would_come_again = isinstance(error, DataError | RecipeError) and not self._can_go_on
        if would_come_again or not (self.written.rows or self._scores.exists()):
            remove(self._scores)
            self._part.unlink(missing_ok=True)
            self._journal.unlink(missing_ok=True)

    def finish(self) -> None:
        """Let the file take its name."""
        if self._is_compressed and not self.written.bytes:
            self.append(b"", self.written)  # a compressed file of nothing is not empty
        self._note(replace(self.written, is_whole=True))
        if self._part.exists():
            self._part.replace(self._path)
        remove(self._scores)
        self._journal.unlink()
        self._is_finished = True

    def _left(self, *, restart: bool) -> Written:
        """What an earlier process has left that can be gone on with."""
        if not self._journal.exists():
            if self._part.exists():
                what = f"{self._part} is in the way: it is no part of a prediction"
                raise UsageError(what, hint="move it away, or name another --output")
            return Written()
        if restart:
            return Written()
        try:
            found = orjson.loads(self._journal.read_bytes())
            facts, written = found["made_from"], Written(**found["written"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            what = f"{self._journal} can't be read: {error}"
            raise UsageError(what, hint="--restart begins anew") from None
        if facts is None or self._facts is None or not written.rows or self._is_short(written):
            return Written()
        if changed := [name for name, value in self._facts.items() if facts.get(name) != value]:
            what = f"{self._part} holds {counted(written.rows)} made otherwise: {', '.join(changed)} changed"
            raise UsageError(what, hint="the command as it was goes on with them; --restart begins anew")
        return written

    def _is_short(self, written: Written) -> bool:
        """Whether bytes are missing, of the part, or of the file where only its taking its name was not noted."""
        there = self._path if written.is_whole and not self._part.exists() else self._part
        return not there.exists() or there.stat().st_size < written.bytes

    def _opened(self) -> BinaryIO:
        if self.written.is_whole and not self._part.exists():
            return self._path.open("rb")
        file = self._part.open("r+b" if self.written.rows else "ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            what = f"another process is writing {self._part}"
            raise UsageError(what, hint="wait for it, or name another --output") from None
        file.truncate(self.written.bytes)
        file.seek(0, os.SEEK_END)
        return file

    def _note(self, written: Written) -> None:
        self.written = written
        write_json(self._journal, {"made_from": self._facts, "written": asdict(written)})


def unwritable(path: Path, error: OSError) -> UsageError:
    """What to say where a part, or what is kept beside it, can't be written."""
    hint = "make room, or make its folder writable; the same command goes on with what is there"
    return UsageError(f"can't write {path}: {error.strerror}", hint=hint)


def part_of(path: Path | str) -> Path:
    """Where a file is while it is in the making."""
    path = Path(path)
    return path.with_name(f"{path.name}.part")


def scores_of(path: Path | str) -> Path:
    """Where scores of rows that are not yet in the part are kept."""
    part = part_of(path)
    return part.with_name(f"{part.name}.scores")
