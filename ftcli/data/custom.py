"""Rows that code of the user's own reads: `format.kind = "custom"`, `format.factory = "module:name"`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from ftcli.data.archives import Origin, describe_origin
from ftcli.data.rows import BadRow, Row, shown
from ftcli.runtime.activity import Working
from ftcli.runtime.calling import failing_as
from ftcli.runtime.code import find_factory
from ftcli.runtime.codefiles import describe_code
from ftcli.spec.card import Format

_KEY = ("data", "format", "factory")


class Reader(Protocol):
    """What `format.factory` names: reads one file."""

    def __call__(self, stream: BinaryIO, name: str) -> Iterable[dict[str, object]]:
        """The file's rows, one at a time, whose fields are those that `columns` names.

        Args:
            stream: The file, opened for reading bytes; a .gz is unpacked already.
            name: The file's name, for messages.
        """
        ...


def read_with(format: Format, stream: BinaryIO, *, name: str) -> Iterator[Row | BadRow]:
    """Read rows with the user's own code; a row's line is its number, from 1.

    Raises:
        RecipeError: there is no such code, or it fails.
    """
    reader = cast("Reader", find_factory(format.factory, key=_KEY))
    with failing_as(format.factory, key=_KEY):
        for number, fields in enumerate(cast("Iterable[object]", reader(stream, name)), start=1):
            if isinstance(fields, dict):
                yield Row(number, cast("dict[str, object]", fields))
            else:
                reason = f"`{format.factory}` gives {type(fields).__name__}, not a dict"
                yield BadRow(number, reason, shown(str(fields)))


def origins_of(format: Format) -> Working[tuple[Origin, ...]]:
    """The files of the code that reads, so that a change of theirs is noticed as one of the data's files is."""
    if format.kind != "custom":
        return ()
    find_factory(format.factory, key=_KEY)
    origins: list[Origin] = []
    for code in describe_code([format.factory]):
        origins += ((yield from describe_origin(Path(code.file), location=code.file)),)
    return tuple(origins)
