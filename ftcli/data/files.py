"""The files that a data card's rows are read from, whether they are found or made."""

from __future__ import annotations

import io
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from ftcli.data.archives import Origin
from ftcli.data.custom import origins_of
from ftcli.data.demo import demo_files
from ftcli.data.sources import collect
from ftcli.errors import DataError
from ftcli.runtime.activity import Working
from ftcli.spec.card import DataCard, Split


class DataFile(Protocol):
    """A file that can be read; `path` and `size` are None where it has none."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def path(self) -> Path | None:
        """Where it lies."""
        ...

    @property
    def size(self) -> int | None:
        """Its bytes."""
        ...

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Open it for reading."""
        ...


@dataclass(frozen=True, slots=True)
class _MadeFile:
    """A file that was generated rather than found."""

    name: str
    content: bytes
    path: None = None

    @property
    def size(self) -> int:
        return len(self.content)

    @contextmanager
    def open(self) -> Generator[BinaryIO]:
        with io.BytesIO(self.content) as stream:
            yield stream


def find_files(
    card: DataCard, *, card_folder: Path, source: str | None, downloads: Path
) -> Working[tuple[Mapping[Split, DataFile], tuple[Origin, ...]]]:
    """Find, download or make the file of each split; also say where they are from.

    Raises:
        DataError: One can't be had.
    """
    if card.generator is None:
        found = yield from collect(card, card_folder=card_folder, source=source, downloads=downloads)
        return found.files, (*found.origins, *(yield from origins_of(card.format)))
    if source is not None:
        raise DataError(f"the data set `{card.name}` is generated; it takes no --source")
    contents = demo_files(card.generator)
    made: dict[Split, DataFile] = {
        split: _MadeFile(f"{card.generator}-{split}.jsonl", content) for split, content in contents.items()
    }
    return made, ()
