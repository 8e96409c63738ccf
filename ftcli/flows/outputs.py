"""Where predictions go, and in which form."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import BinaryIO, Protocol

from ftcli.data.readers import ending_of
from ftcli.errors import UsageError
from ftcli.flows.inputs import STANDARD
from ftcli.flows.partfile import Facts, PartFile, Written
from ftcli.flows.writing import OutputFormat

FORMATS: dict[str, OutputFormat] = {
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    **dict.fromkeys((".conll", ".bio", ".bioes", ".txt"), "conll"),
}


def form_of_predictions(path: Path) -> OutputFormat:
    """The form in which predict writes under such a name.

    Raises:
        UsageError: it writes none.
    """
    form = FORMATS.get(ending_of(path.name))
    if form is None:
        what = f"can't tell from its ending how the predictions in {path} are written"
        raise UsageError(what, hint=f"endings that predict writes: {', '.join(FORMATS)}, each also with .gz")
    return form


@dataclass(frozen=True, slots=True)
class Output:
    """What the user says of an output: a path, whose ending .gz compresses, or "-"; its form; and to begin anew.

    `format` goes by the ending if not given, `delimiter` by the format. `restart` throws away what an earlier command
    that was stopped has left. `keep_seconds` is about how much work a kill may cost.
    """

    path: str = STANDARD
    format: OutputFormat | None = None
    delimiter: str | None = None
    restart: bool = False
    keep_seconds: float = 2.0

    @property
    def is_file(self) -> bool:
        """Whether it is a file, or to become one; no standard output, and no pipe or device that has a name."""
        path = Path(self.path)
        return self.path != STANDARD and (path.is_file() or not path.exists())

    @property
    def is_compressed(self) -> bool:
        """Whether its name says that it is compressed."""
        return self.path.lower().endswith(".gz")

    @property
    def form(self) -> OutputFormat:
        """Its format: as it was said, or the one that its ending stands for; JSON lines on standard output.

        Raises:
            UsageError: the ending is unknown.
        """
        if self.format is not None:
            return self.format
        if self.path == STANDARD:
            return "jsonl"
        ending = PurePath(self.path.lower().removesuffix(".gz")).suffix
        if ending not in FORMATS:
            hint = f"endings that are known: {', '.join(FORMATS)}, each also with .gz; or say --output-format"
            raise UsageError(f"can't tell the format of the output `{self.path}` from its ending", hint=hint)
        return FORMATS[ending]

    def check(self) -> None:
        """Make sure that a file can be written there, in a format that is known.

        Raises:
            UsageError: it can't.
        """
        path = Path(self.path)
        if self.path != STANDARD and not path.parent.is_dir():
            raise UsageError(f"the output's folder does not exist: {path.parent}")
        if self.path != STANDARD and path.is_dir():
            raise UsageError(f"the output {path} is a folder", hint="name a file in it")
        if self.delimiter is not None and self.form not in ("csv", "tsv"):
            what = f"--output-delimiter is for tables, and the output's format is {self.form}"
            raise UsageError(what, hint="--output-format csv, or no --output-delimiter")
        if self.restart and not self.is_file:
            raise UsageError("--restart goes with --output FILE: nothing else is ever gone on with")

    def open(self, facts: Facts | None) -> AbstractContextManager[Destination]:
        """Open it for windows of rows, made from these facts.

        Raises:
            UsageError: it can't be written, or what an earlier command has left can't be gone on with.
        """
        if self.is_file:
            return PartFile(Path(self.path), facts, restart=self.restart)
        return _open_stream(self.path, is_compressed=self.is_compressed)


class Destination(Protocol):
    """What takes rows window by window."""

    written: Written
    """How far it has come."""

    def append(self, content: bytes, written: Written) -> None:
        """Take a window, which brings it as far as that."""
        ...

    def finish(self) -> None:
        """There are no more windows."""
        ...


@dataclass(slots=True)
class _Stream:
    """Standard output, or a pipe or device that has a name: whoever reads it has each window at once."""

    stream: BinaryIO
    is_compressed: bool = False
    written: Written = field(default_factory=Written)

    def append(self, content: bytes, written: Written) -> None:
        """Take a window."""
        left = memoryview(gzip.compress(content, mtime=0) if self.is_compressed else content)
        while left:  # with PYTHONUNBUFFERED a write that a signal interrupts is a short one
            left = left[self.stream.write(left) :]
        self.stream.flush()
        self.written = written

    def finish(self) -> None:
        """Whoever reads the stream sees its end."""


@contextmanager
def _open_stream(path: str, *, is_compressed: bool) -> Generator[_Stream]:
    if path == STANDARD:
        yield _Stream(sys.stdout.buffer)
        return
    with Path(path).open("wb") as stream:
        yield _Stream(stream, is_compressed)
