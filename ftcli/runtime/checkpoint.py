"""Checkpoint folders that are either whole or do not exist.

A checkpoint is written into a temporary folder, synced, described by a manifest written last, and renamed. Its links
are moved and older ones are deleted only after that. A folder whose manifest does not verify is treated as absent.
What the files hold is the business of whoever passes `write`.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ftcli.errors import CheckpointError
from ftcli.runtime.files import link_atomically, sync_to_disk
from ftcli.runtime.manifest import Saved, seal, verify
from ftcli.runtime.rundir import RunDir
from ftcli.spec.wording import counted, verb

FORMAT_VERSION = 2
"""In format 1, the rows of an epoch came in another order."""
_ASIDE = "unused-"
_FOLDER = re.compile(r"step-(\d+)")


class CheckpointStore:
    """The checkpoints of one run: saving, finding, and keeping the latest few beside the best and the last."""

    def __init__(self, run: RunDir, *, keep: int) -> None:
        self._run = run
        self._keep = keep

    def sweep(self) -> None:
        """Remove what a killed save left behind; put back what it had moved aside and not yet replaced."""
        for stale in self._run.checkpoints.glob(".step-*.stale"):
            final = stale.with_name(stale.name.removeprefix(".").removesuffix(".stale"))
            if not final.exists():
                stale.rename(final)
        for leftover in self._run.checkpoints.glob(".step-*"):
            shutil.rmtree(leftover)

    def save(
        self,
        step: int,
        write: Callable[[Path], None],
        *,
        facts: dict[str, Any],
        is_best: bool,
        needed_bytes: int = 0,
    ) -> Saved:
        """Let `write` fill a folder, seal it, and make it the last (and perhaps the best) checkpoint.

        Args:
            step: The step it was saved after; names the folder.
            write: Fills the folder it is given.
            facts: Further plain values for the manifest.
            is_best: Whether `best` shall point to it.
            needed_bytes: What it will take; nothing is written where there is less room.

        Raises:
            CheckpointError: the disk is full or can't be written. The previous checkpoint stays as it was.
        """
        final, partial = self._paths(step)
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            _check_room(partial, needed_bytes)
            write(partial)
            manifest = seal(partial, {"format_version": FORMAT_VERSION, "step": step, **facts})
            _move(partial, final)
            if is_best:
                link_atomically(self._run.best, final)
            link_atomically(self._run.last, final)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            hint = f"free some space under {self._run.path}, then `{self._run.resume_command}`"
            what = f"can't save a checkpoint at step {step}, which needs {counted(needed_bytes, 'byte')}: {error}"
            raise CheckpointError(what, hint=hint) from error
        self._drop_old(final)
        return Saved(final, manifest)

    def rewind(self, to: Saved | None) -> None:
        """Make `to` the last checkpoint. What came after it is set aside until the next save has been verified."""
        for path in self._folders():
            if to is None or _step_of(path) > _step_of(to.path):
                aside = path.with_name(f"{_ASIDE}{path.name}")
                shutil.rmtree(aside, ignore_errors=True)
                path.rename(aside)
        if to is None:
            for link in (self._run.best, self._run.last):
                link.unlink(missing_ok=True)
            return
        link_atomically(self._run.last, to.path)
        best = self.at(to.manifest.get("best_step") or to.step) or to
        link_atomically(self._run.best, best.path)

    def path_at(self, step: int) -> Path:
        """Where the checkpoint of a step is, if there is one."""
        return self._run.checkpoints / f"step-{step:06d}"

    def at(self, step: int) -> Saved | None:
        """The checkpoint of a step, if it verifies."""
        try:
            return verify(self.path_at(step))
        except CheckpointError:
            return None

    def take_in(self, step: int, pieces: Iterable[tuple[str, bytes]]) -> None:
        """Write the files of a checkpoint, piece by piece, and make it one if it verifies.

        Raises:
            CheckpointError: it can't be written, or does not verify.
        """
        final, partial = self._paths(step)
        try:
            shutil.rmtree(partial, ignore_errors=True)
            for name, piece in pieces:
                path = partial / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("ab") as file:
                    file.write(piece)
            verify(partial)
            _move(partial, final)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            hint = f"free some space under {self._run.path}, then `{self._run.resume_command}`"
            what = f"can't write the checkpoint that another machine has sent: {error}"
            raise CheckpointError(what, hint=hint) from error

    def newest(self) -> tuple[Saved | None, list[str]]:
        """The newest checkpoint that verifies, and one sentence for each newer one that does not."""
        skipped: list[str] = []
        for path in reversed(self._folders()):
            try:
                return verify(path), skipped
            except CheckpointError as error:
                skipped.append(str(error))
        return None, skipped

    def _paths(self, step: int) -> tuple[Path, Path]:
        """Where a checkpoint is to be, and where it is written."""
        final = self.path_at(step)
        return final, final.with_name(f".{final.name}.partial")

    def _drop_old(self, saved: Path) -> None:
        """Delete what the keep rule drops, once what was just saved has been read back from the disk.

        What can't be deleted now is tried again after the next save.
        """
        spared = {link.resolve() for link in (self._run.best, self._run.last)}
        dropped = [path for path in self._folders()[: -self._keep] if path.resolve() not in spared]
        dropped += self._run.checkpoints.glob(f"{_ASIDE}step-*")
        if dropped:
            verify(saved)
        for path in dropped:
            shutil.rmtree(path, ignore_errors=True)

    def _folders(self) -> list[Path]:
        """The checkpoint folders, oldest first; what a user keeps under another name beside them is none."""
        found = self._run.checkpoints.glob("step-*")
        return sorted((path for path in found if _FOLDER.fullmatch(path.name) and path.is_dir()), key=_step_of)


def _check_room(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise OSError(errno.ENOSPC, f"only {counted(free, 'byte')} {verb(free, 'is', 'are')} free")


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _move(partial: Path, final: Path) -> None:
    """Rename into place. A step may be saved twice; the older folder is moved aside, and `sweep` can put it back."""
    if final.exists():
        stale = final.with_name(f".{final.name}.stale")
        shutil.rmtree(stale, ignore_errors=True)
        final.rename(stale)
        partial.rename(final)
        shutil.rmtree(stale)
    else:
        partial.rename(final)
    sync_to_disk(final.parent)
