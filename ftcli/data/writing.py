"""Writing a prepared folder so that it is there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson

from ftcli.data.dataset import DATASET_FILE, SplitFacts, open_prepared
from ftcli.data.report import CONTRADICTIONS_FILE, LEAKS_FILE, PAGE_FILE, REPORT_FILE
from ftcli.errors import DataError, Location
from ftcli.runtime.files import sweep
from ftcli.spec.card import SPLITS, Split

# What is computed from the rows alone, and so outlives a new preparation of the same rows.
CACHES = ("tokens", "prefix")
WRITTEN = (
    DATASET_FILE,
    REPORT_FILE,
    PAGE_FILE,
    LEAKS_FILE,
    CONTRADICTIONS_FILE,
    *(f"{split}.jsonl" for split in SPLITS),
    "also",
)


def rows_file(split: Split) -> str:
    """Where the rows of a split lie in a prepared folder; no name of a further set stands beside those of the rest."""
    return f"{split}.jsonl" if split in SPLITS else f"also/{split}.jsonl"


class SplitWriter:
    """Writes one split's rows, one compact JSON object a line, and hashes them on the way."""

    def __init__(self, file: BinaryIO, *, source: str) -> None:
        """Write to `file`; `source` names the file the rows come from."""
        self.source = source
        self.rows = 0
        self._file = file
        self._digest = hashlib.sha256()
        self._bytes = 0

    def write(self, fields: dict[str, object]) -> None:
        """Append one row."""
        line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
        self._file.write(line)
        self._digest.update(line)
        self._bytes += len(line)
        self.rows += 1

    def facts(self, *, file: str, labelled: int, label_counts: Mapping[str, int]) -> SplitFacts:
        """Return what was written, for the record."""
        return SplitFacts(
            file=file,
            rows=self.rows,
            labelled=labelled,
            label_counts=dict(label_counts),
            sha256=self._digest.hexdigest(),
            bytes=self._bytes,
            source=self.source,
        )


@contextmanager
def split_writer(path: Path, *, source: str) -> Generator[SplitWriter]:
    """Open a new split file; when it is closed without an error it is safe on disk."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        yield SplitWriter(file, source=source)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def new_folder(folder: Path) -> Generator[Path]:
    """Give a temporary folder that takes the place of `folder` at the end, or vanishes with an error.

    Raises:
        DataError: `folder` holds something else than a prepared data set, or can't be written.
    """
    folder = folder.resolve()
    check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent, f".{folder.name}.*.part")
    scratch = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        yield scratch
        _replace(folder, scratch)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def check_replaceable(folder: Path) -> None:
    """Make sure that nothing but a prepared data set would be replaced.

    Raises:
        DataError: `folder` is something else.
    """
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not (folder / DATASET_FILE).is_file():
        hint = "choose another folder, or move this one away"
        raise DataError(f"{folder} exists and isn't a prepared data set", where=Location(str(folder)), hint=hint)


def _replace(folder: Path, scratch: Path) -> None:
    try:
        scratch.rename(folder)
    except OSError:
        # One is there: an older one, or another process's, which was faster where the file system knows no locks.
        if not folder.exists():
            raise
    else:
        return
    kept = _kept_entries(folder, scratch)
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    folder.rename(old)
    try:
        scratch.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    for name in kept:
        (old / name).rename(folder / name)
    shutil.rmtree(old, ignore_errors=True)


def _kept_entries(folder: Path, scratch: Path) -> list[str]:
    """Name what stays of the old folder: files of others always, caches only if they are of the same rows."""
    names = [path.name for path in folder.iterdir() if path.name not in WRITTEN]
    try:
        same = open_prepared(folder).facts.rows_sha256 == open_prepared(scratch).facts.rows_sha256
    except DataError:
        same = False
    return [name for name in names if same or name not in CACHES]
