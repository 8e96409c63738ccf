"""Files where they lie: on disk, or inside a zip or tar archive. Members are streamed, never extracted."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from ftcli.errors import DataError, Location
from ftcli.runtime.activity import Activity, Working

CHUNK_BYTES = 1 << 20
ZIP_ENDINGS = (".zip",)
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
"""Endings of files that hold sheets; most of them are zip archives inside, which is of no use here."""
TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile)


@dataclass(frozen=True, slots=True)
class Origin:
    """What was read, for the record: where it was, its SHA-256, its size in bytes and when it was last changed."""

    location: str
    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that can be opened: at `path`, or the archive's `member` at `path`; `size` is None if unknown.

    `inner` is its path inside the folder or archive it was found in, by which it is chosen.
    """

    path: Path
    inner: str
    member: str | None = None
    size: int | None = None

    @property
    def name(self) -> str:
        """What messages call it: `train.json`, or `corpus.zip/train.json`."""
        return str(self.path) if self.member is None else f"{self.path}/{self.member}"

    @contextmanager
    def open(self) -> Generator[BinaryIO]:
        """Open for reading; a .gz is decompressed.

        Raises:
            DataError: The file is damaged, which may show only while it is read.
        """
        try:
            with _open_raw(self) as raw:
                if self.name.lower().endswith(".gz"):
                    with gzip.open(raw) as plain:
                        yield cast("BinaryIO", plain)
                else:
                    yield raw
        except DAMAGE as error:
            raise _damaged(self.name, error) from None


def open_file(path: Path) -> AbstractContextManager[BinaryIO]:
    """Open a single file for reading; a .gz is decompressed, and damage is a DataError."""
    return FoundFile(path, path.name).open()


@contextmanager
def _open_raw(file: FoundFile) -> Generator[BinaryIO]:
    if file.member is None:
        with file.path.open("rb") as stream:
            yield stream
    elif archive_kind(file.path) == "zip":
        with (
            zipfile.ZipFile(file.path) as archive,
            _open_member(archive, file) as member,
            # The buffer splits lines several times faster than the archive's own reader.
            io.BufferedReader(cast("io.RawIOBase", member)) as stream,
        ):
            yield stream
    else:
        with tarfile.open(file.path) as archive:
            member = archive.extractfile(file.member)
            if member is None:
                raise _damaged(file.name, KeyError(file.member))
            with member:
                yield cast("BinaryIO", member)


@contextmanager
def _open_member(archive: zipfile.ZipFile, file: FoundFile) -> Generator[zipfile.ZipExtFile]:
    try:
        member = archive.open(file.member or "")
    except (RuntimeError, NotImplementedError) as error:
        hint = "unpack it yourself and pass the folder with --source"
        raise DataError(f"can't read {file.name}: {error}", where=Location(file.name), hint=hint) from None
    with member:
        yield cast("zipfile.ZipExtFile", member)


def archive_kind(path: Path) -> Literal["zip", "tar"] | None:
    """Return what kind of archive a file is; None if it is none.

    Raises:
        DataError: It is called an archive and isn't a whole one.
    """
    name = path.name.lower()
    if name.endswith(SPREADSHEETS):
        return None
    try:
        if zipfile.is_zipfile(path):
            return "zip"
        if tarfile.is_tarfile(path):
            return "tar"
    except DAMAGE as error:
        raise _damaged(str(path), error) from None
    if name.endswith(ZIP_ENDINGS + TAR_ENDINGS):
        raise _damaged(str(path), ValueError("it isn't the archive that its name says"))
    return None


def list_files(path: Path) -> list[FoundFile]:
    """List the files of a folder or archive, however deep; a single file stands for itself.

    Raises:
        DataError: The archive is damaged.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return [FoundFile(file, file.relative_to(path).as_posix(), None, _plain_size(file)) for file in files]
    try:
        match archive_kind(path):
            case "zip":
                return _list_zip(path)
            case "tar":
                return _list_tar(path)
            case None:
                return [FoundFile(path, path.name, None, _plain_size(path))]
    except DAMAGE as error:
        raise _damaged(str(path), error) from None


def _list_zip(path: Path) -> list[FoundFile]:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
    return [
        FoundFile(path, info.filename, info.filename, None if info.filename.endswith(".gz") else info.file_size)
        for info in members
    ]


def _list_tar(path: Path) -> list[FoundFile]:
    with tarfile.open(path) as archive:
        members = [info for info in archive if info.isfile()]
    return [
        FoundFile(path, info.name.removeprefix("./"), info.name, None if info.name.endswith(".gz") else info.size)
        for info in members
    ]


def _plain_size(path: Path) -> int | None:
    return None if path.suffix == ".gz" else path.stat().st_size


def describe_origin(path: Path, *, location: str) -> Working[Origin]:
    """Hash a file, reporting activities in bytes."""
    digest, size, found = hashlib.sha256(), 0, path.stat()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            yield Activity(f"check {path.name}", size, found.st_size, "bytes")
    return Origin(location, digest.hexdigest(), size, found.st_mtime_ns)


def _damaged(name: str, error: Exception) -> DataError:
    reason = str(error) or type(error).__name__
    hint = "get the file again, or unpack it yourself and pass the folder with --source"
    return DataError(f"{name} is damaged: {reason}", where=Location(name), hint=hint)
