"""A prepared data set: a folder of validated rows, and `dataset.json`, which says all there is to know about them."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson
from pydantic import ValidationError

from ftcli.data.demo import generator_sha256
from ftcli.data.tags import Scheme
from ftcli.errors import DataError, Location
from ftcli.spec.base import Section
from ftcli.spec.card import Columns, DataCard, Reading, Split
from ftcli.spec.wording import counted

FORMAT_VERSION = 4
DATASET_FILE = "dataset.json"


class SplitFacts(Section):
    """One split: its file here, what it counts, and the name of the file it came from.

    `label_counts` are of rows, or of the entities of each type.
    """

    file: str
    rows: int
    labelled: int
    label_counts: dict[str, int]
    sha256: str
    bytes: int
    source: str


class SourceFacts(Section):
    """A file or archive that was read: where it was, its SHA-256, its size, and when it was last changed."""

    location: str
    sha256: str
    bytes: int
    mtime_ns: int


class BadRowFacts(Section):
    """A row that was left out or repaired."""

    split: Split
    location: str
    reason: str


class BadRows(Section):
    """How many rows were left out or repaired, and the first hundred of them."""

    count: int = 0
    examples: tuple[BadRowFacts, ...] = ()


class DatasetFile(Section):
    """The content of `dataset.json`.

    `rows_sha256` changes if and only if the rows, the columns or the labels do: what is computed from rows alone
    is stored under it. `card_sha256` is that of the card it was asked for with (see `hash_card`). Of tagged words,
    `labels` are the tags, in the scheme `tag_scheme`; the files wrote them in `source_scheme`.
    `reading` says how the files were read.
    """

    format_version: int = FORMAT_VERSION
    name: str
    title: str
    task: str
    columns: Columns
    reading: Reading
    labels: tuple[str, ...]
    tag_scheme: Scheme | None = None
    source_scheme: Scheme | None = None
    licence: str
    homepage: str
    holdout: float
    test_holdout: float = 0.0
    holdout_seed: int = 0
    splits: dict[Split, SplitFacts]
    sources: tuple[SourceFacts, ...]
    bad_rows: BadRows
    repairs: BadRows = BadRows()
    card_sha256: str
    rows_sha256: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared data set that is there and whole."""

    folder: Path
    facts: DatasetFile

    def rows(self, split: str) -> Generator[dict[str, object]]:
        """Stream the rows of a split, in file order.

        Texts are text. A label is text, a list of texts, a number, or a list with a tag for each word, by the task.

        Raises:
            DataError: There is no such split.
        """
        facts = self.facts.splits.get(split)
        if facts is None:
            hint = f"it has {', '.join(self.facts.splits)}"
            raise DataError(
                f"{self.facts.name} has no split called `{split}`", where=Location(str(self.folder)), hint=hint
            )
        return _stream(self.folder / facts.file)


def _stream(path: Path) -> Generator[dict[str, object]]:
    with path.open("rb") as lines:
        for line in lines:
            yield cast("dict[str, object]", orjson.loads(line))


def hash_rows(
    splits: Mapping[Split, SplitFacts], *, task: str, labels: tuple[str, ...], tag_scheme: str | None, columns: Columns
) -> str:
    """Return one SHA-256 over everything that tokens and batches are made from."""
    content = {
        "task": task,
        "tag_scheme": tag_scheme,
        "splits": {split: facts.sha256 for split, facts in splits.items()},
        "labels": labels,
        "columns": columns.model_dump(),
    }
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def hash_card(card: DataCard) -> str:
    """Return one SHA-256 over all that a card says of its rows: their files, how they are read, what is kept.

    Of generated rows, what generates them is part of it.
    """
    unsaid = {"title", "licence", "homepage"} if card.also else {"title", "licence", "homepage", "also"}
    content = card.model_dump_json(exclude=unsaid)
    made_by = "" if card.generator is None else generator_sha256()
    return hashlib.sha256(f"{content}{made_by}".encode()).hexdigest()


def is_outdated(folder: Path) -> bool:
    """Whether a data set was prepared in an older format, from which it can only be prepared anew."""
    try:
        found = _version(cast("object", orjson.loads((folder / DATASET_FILE).read_bytes())))
    except (OSError, orjson.JSONDecodeError):
        return False
    return isinstance(found, int) and found < FORMAT_VERSION


def open_prepared(folder: Path) -> Prepared:
    """Open a prepared data set.

    The files' sizes are compared with `dataset.json`; their hashes are not, which would mean reading every row.

    Raises:
        DataError: It isn't there, isn't readable, or a split's file isn't the one that was prepared.
    """
    facts = _read_facts(folder)
    for split, expected in facts.splits.items():
        path = folder / expected.file
        size = path.stat().st_size if path.is_file() else None
        if size != expected.bytes:
            found = "missing" if size is None else f"{counted(size, 'byte')} long"
            what = f"the {split} split is {found}, but {expected.bytes:,} were prepared"
            raise DataError(what, where=Location(str(path)), hint=_again(folder))
    return Prepared(folder, facts)


def _again(folder: Path) -> str:
    return f"prepare it again: ftcli prepare {folder.name} --force (or the recipe's path, for files of your own)"


def _read_facts(folder: Path) -> DatasetFile:
    path = folder / DATASET_FILE
    where = Location(str(path))
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        hint = f"prepare it first: ftcli prepare {folder.name}"
        raise DataError(f"no prepared data set in {folder}", where=where, hint=hint) from None
    try:
        content = cast("object", orjson.loads(text))
        _check_version(content, where=where, folder=folder)
        return DatasetFile.model_validate_json(text)
    except (orjson.JSONDecodeError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{path} can't be read: {first}", where=where, hint=_again(folder)) from None


def _check_version(content: object, *, where: Location, folder: Path) -> None:
    found = _version(content)
    if found != FORMAT_VERSION:
        what = f"this data set was prepared in format {found}; format {FORMAT_VERSION} is needed"
        raise DataError(what, where=where, hint=_again(folder))


def _version(content: object) -> object:
    return cast("dict[str, object]", content).get("format_version") if isinstance(content, dict) else None
