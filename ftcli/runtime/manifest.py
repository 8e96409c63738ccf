"""What vouches for a checkpoint folder: manifest.json, with the size and the SHA-256 of every file and of itself.

A file may be replaced later, which takes several moves, for it and what vouches for it are two files. In between the
manifest vouches for both contents (the new one is under "or"), so that the folder verifies at every instant.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ftcli.errors import CheckpointError
from ftcli.runtime.files import (
    json_bytes,
    open_to_readers,
    sha256_of,
    sync_to_disk,
    write_atomically,
    write_json,
)
from ftcli.spec.wording import counted

MANIFEST = "manifest.json"
_Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint on disk that verified when it was written or read."""

    path: Path
    manifest: dict[str, Any]

    @property
    def step(self) -> int:
        """The step after which it was saved."""
        return self.manifest["step"]

    @property
    def num_bytes(self) -> int:
        """The size of all files but the manifest."""
        return sum(entry["size"] for entry in self.manifest["files"].values())


def seal(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Sync every file and write the manifest that vouches for them, and for itself, last."""
    files: dict[str, _Entry] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        open_to_readers(path)
        sync_to_disk(path)
        files[str(path.relative_to(folder))] = {"size": path.stat().st_size, "sha256": sha256_of(path)}
    manifest = _write_manifest(folder, facts, files)
    for path in (*(p for p in folder.rglob("*") if p.is_dir()), folder):
        sync_to_disk(path)
    return manifest


def _write_manifest(folder: Path, facts: dict[str, Any], files: dict[str, _Entry]) -> dict[str, Any]:
    manifest = {**facts, "files": files}
    manifest["sha256"] = _digest(manifest)
    write_json(folder / MANIFEST, manifest)
    return manifest


def _digest(manifest: dict[str, Any]) -> str:
    rest = {name: value for name, value in manifest.items() if name != "sha256"}
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


def replace_file(saved: Saved, name: str, content: bytes) -> Saved:
    """Give a file of a checkpoint another content. Whenever this is interrupted, the checkpoint is whole.

    Raises:
        CheckpointError: the disk is full or can't be written.
    """
    folder, files = saved.path, saved.manifest["files"]
    facts = {key: value for key, value in saved.manifest.items() if key not in {"files", "sha256"}}
    after = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    before = {"size": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
    try:
        _write_manifest(folder, facts, {**files, name: {**before, "or": after}})
        write_atomically(folder / name, content)
        sync_to_disk(folder)
        manifest = _write_manifest(folder, facts, {**files, name: after})
        sync_to_disk(folder)
    except OSError as error:
        what = f"can't change {folder / name}: {error}"
        hint = "the checkpoint is as it was; make room, or make its folder writable"
        raise CheckpointError(what, hint=hint) from error
    return Saved(folder, manifest)


def verify(path: Path) -> Saved:
    """Read a checkpoint's manifest and hold every file against it.

    Raises:
        CheckpointError: anything is missing, damaged, or not a checkpoint.
    """
    saved = read_manifest(path)
    for name, expected in saved.manifest["files"].items():
        _check_file(path, name, expected)
    return saved


def read_manifest(path: Path) -> Saved:
    """Read a checkpoint's manifest and check that it is whole; its files are taken on trust.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    if not path.is_dir():
        raise CheckpointError(f"no such checkpoint: {path}", hint="a run's checkpoints are RUN/best and RUN/last")
    try:
        content = (path / MANIFEST).read_bytes()
        manifest = orjson.loads(content)
        is_whole = manifest["sha256"] == _digest(manifest) and content == json_bytes(manifest)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is no checkpoint: it has no {MANIFEST}") from None
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"checkpoint {path} is damaged: {MANIFEST} can't be read") from None
    if not is_whole:
        raise CheckpointError(f"checkpoint {path} is damaged: {MANIFEST} does not match its own hash")
    return Saved(path, manifest)


def _check_file(folder: Path, name: str, expected: _Entry) -> None:
    path = folder / name
    if not path.is_file():
        raise CheckpointError(f"checkpoint {folder} is damaged: {name} is missing")
    entries = [expected, *filter(None, [expected.get("or")])]
    size = path.stat().st_size
    if size not in {entry["size"] for entry in entries}:
        raise CheckpointError(
            f"checkpoint {folder} is damaged: {name} has {counted(size, 'byte')} instead of {expected['size']}"
        )
    try:
        found = sha256_of(path)
    except OSError as error:
        raise CheckpointError(f"checkpoint {folder} is damaged: {name} can't be read: {error.strerror}") from None
    if found not in {entry["sha256"] for entry in entries}:
        raise CheckpointError(f"checkpoint {folder} is damaged: {name} does not match its hash")
