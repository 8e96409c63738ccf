"""Machines that share no files, of which one has missed something: what it lacks is sent to it by one that has it.

That machine was away while the others went on, is new, or has lost a file. A checkpoint that was sent is verified as
any other before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ftcli.runtime.checkpoint import CheckpointStore
from ftcli.runtime.files import write_atomically
from ftcli.runtime.manifest import MANIFEST, Saved
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World

_PIECE_BYTES = 64 * 2**20
_BEGUN = ("recipe.toml", "run.json")
_RECORD = (*_BEGUN, "log.jsonl", "out.log", "predictions/validation.jsonl", "predictions/validation.txt")


def hand_on_run(world: World, found: RunDir | None) -> RunDir | None:
    """The run that any machine has begun, on all of them; whoever lacks it is sent its recipe.

    Raises:
        UsageError: on a machine that has another run in its folder.
    """
    has = world.numbers(found is not None)
    if not any(has):
        return None
    source = has.index(1)
    folder = RunDir(Path(world.share_text(str(found.path) if found else "", source=source)))
    lacks = world.writes and found is None
    if lacks:
        folder.claim()
    _hand_on_files(world, folder, _BEGUN, source=source, lacks=lacks)
    return folder


def catch_up(world: World, folder: RunDir, store: CheckpointStore, newest: Saved | None) -> Saved | None:
    """The newest checkpoint of any machine, on each that writes; with the best one, and the record of what led to it.

    Args:
        world: The processes of the run.
        folder: The run folder, of which each machine has its own.
        store: The checkpoints in it.
        newest: The newest on this machine, for the rank that writes there; None for the others.

    Raises:
        CheckpointError: what was sent can't be written.
    """
    if len(world.writers) == 1:
        return newest
    steps = world.numbers(newest.step if newest else -1)
    latest = max(steps)
    if latest < 0:
        return None
    source = steps.index(latest)
    best = newest.manifest.get("best_step") if newest and world.rank == source else None
    best = world.largest(best or 0) or latest
    for step in (latest, best):
        _hand_on_checkpoint(world, store, step, source=source)
    _hand_on_files(world, folder, _RECORD, source=source, lacks=world.writes and steps[world.rank] < latest)
    return store.at(latest) if world.writes else None


def _hand_on_checkpoint(world: World, store: CheckpointStore, step: int, *, source: int) -> None:
    """Send a checkpoint to whoever lacks it, if its source has it: an old best may be lost."""
    saved = store.at(step) if world.writes else None
    has = world.numbers(saved is not None or not world.writes)
    if all(has) or not has[source]:
        return
    root = store.path_at(step)
    names = [*saved.manifest["files"], MANIFEST] if saved else []
    pieces = _sent(world, root, names, source=source)
    if has[world.rank]:
        _listen(pieces)
    else:
        store.take_in(step, pieces)


def _hand_on_files(world: World, folder: RunDir, names: Sequence[str], *, source: int, lacks: bool) -> None:
    """Send those of some small files that their source has to whoever lacks them."""
    if not world.largest(lacks):
        return
    for name in names:
        there = [name] if (folder.path / name).is_file() else []
        content = b"".join(piece for _, piece in _sent(world, folder.path, there, source=source))
        if lacks and content:
            (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(folder.path / name, content)


def _sent(world: World, root: Path, names: Sequence[str], *, source: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents, piece by piece, of the files that the source names; all ranks are to take all of them."""
    is_source = world.rank == source
    for name in filter(None, world.share_text("\n".join(names), source=source).split("\n")):
        size = world.largest((root / name).stat().st_size if is_source else 0)
        for start in range(0, max(1, size), _PIECE_BYTES):
            piece = _read(root / name, start) if is_source else b""
            yield name, world.share_bytes(piece, source=source)


def _read(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(_PIECE_BYTES)


def _listen(pieces: Iterator[tuple[str, bytes]]) -> None:
    """Take part in sending what one has already."""
    for _ in pieces:
        pass
