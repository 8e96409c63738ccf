"""What is known of a downloaded file: a small JSON file beside it, `<file>.source.json`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import orjson

from ftcli.runtime.files import write_atomically

_ENDING = ".source.json"


@dataclass(frozen=True, slots=True)
class Mark:
    """Which version of which URL a file on disk is; `size` is set once it is whole."""

    url: str
    validator: str | None = None
    size: int | None = None


def place_for(url: str, *, folder: Path) -> Path:
    """Return where in `folder` the file of a URL belongs, whatever other URLs have left there."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name.replace("\0", "") or "download"
    mark = read_mark(folder / name)
    if mark is None or mark.url == url:
        return folder / name
    # Another URL's file has the name already, such as .../train/data.csv beside .../test/data.csv.
    return folder / f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}"


def forget_downloads(folder: Path) -> None:
    """Remove every download in `folder`, whole or in part. A file without a mark was put there by hand and stays."""
    for mark in folder.glob(f"*{_ENDING}"):
        whole = mark.with_name(mark.name.removesuffix(_ENDING))
        for path in (whole, whole.with_name(f"{whole.name}.part"), mark):
            path.unlink(missing_ok=True)


def _mark_path(path: Path) -> Path:
    return path.with_name(path.name + _ENDING)


def read_mark(path: Path) -> Mark | None:
    """Read the mark of the file at `path`; None if it has none that can be read."""
    try:
        return Mark(**cast("dict[str, Any]", orjson.loads(_mark_path(path).read_bytes())))
    except (FileNotFoundError, orjson.JSONDecodeError, TypeError):
        return None


def write_mark(path: Path, mark: Mark) -> None:
    """Write the mark of the file at `path`, or of what will be that file."""
    write_atomically(_mark_path(path), orjson.dumps(mark))
