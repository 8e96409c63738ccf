"""Writing files so that a reader, or a crash, never meets half of one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

import orjson

LEFTOVER_SECONDS = 24 * 3600


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` with `content`: whole, or not at all."""
    partial = _partial_of(path)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def remove(path: Path) -> None:
    """Remove a file that was written atomically, if it is there, and what a kill may have left of its next content."""
    path.unlink(missing_ok=True)
    _partial_of(path).unlink(missing_ok=True)


def _partial_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def json_bytes(value: Any) -> bytes:
    """`value` as indented JSON; the same bytes whenever they are read and written again."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_atomically(path, json_bytes(value))


def open_to_readers(path: Path) -> None:
    """Give a file the mode that files get here; safetensors makes its own readable by its owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def sync_to_disk(path: Path) -> None:
    """Ask the system to have a file's or a folder's content on disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def link_atomically(link: Path, target: Path) -> None:
    """Make `link` a relative symbolic link to `target`, replacing whatever link was there in one move."""
    partial = _partial_of(link)
    partial.unlink(missing_ok=True)
    partial.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
    partial.replace(link)


def sweep(folder: Path, pattern: str) -> None:
    """Remove the temporary folders that killed processes have left; one that may still be at work is let be."""
    for leftover in folder.glob(pattern):
        with contextlib.suppress(FileNotFoundError):  # its owner may be putting it away right now
            newest = max(path.stat().st_mtime for path in (leftover, *leftover.rglob("*")))
            if time.time() - newest > LEFTOVER_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)
