"""Checkpoints of a few bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ftcli.runtime.checkpoint import CheckpointStore
from ftcli.runtime.manifest import Saved
from ftcli.runtime.rundir import RunDir

Write = Callable[[Path], None]


def content(number: int) -> Write:
    """Fills a folder with three files whose bytes depend on `number`."""

    def write(folder: Path) -> None:
        (folder / "weights").write_bytes(bytes((number + i) % 256 for i in range(300)))
        (folder / "state").mkdir()
        (folder / "state" / "progress").write_text(str(number))
        (folder / "empty").touch()

    return write


def save(run: RunDir, step: int, *, keep: int = 2, is_best: bool = False, best_step: int | None = None) -> Saved:
    facts = {"best_step": best_step, "note": "支付"}
    return CheckpointStore(run, keep=keep).save(step, content(step), facts=facts, is_best=is_best)


def names(run: RunDir) -> list[str]:
    """What counts; what a rewind has set aside does not."""
    return sorted(path.name for path in run.checkpoints.iterdir() if not path.name.startswith("unused-"))


def newest(run: RunDir) -> tuple[int | None, int]:
    """The step of the newest sound checkpoint, and how many newer ones were passed over."""
    found, skipped = CheckpointStore(run, keep=2).newest()
    return (found.step if found else None), len(skipped)
