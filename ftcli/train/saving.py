"""Saving beside the loop: a step's state is copied, and a thread writes it while training goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor

from ftcli.runtime.background import Background
from ftcli.runtime.checkpoint import CheckpointStore
from ftcli.train.events import CheckpointSaved, Event

_OTHER_FILES_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a run after a step, copied to the host's memory: it can be written while training goes on.

    Where `weights` are a mean, `trained` are those that training goes on from.
    """

    step: int
    weights: dict[str, Tensor]
    trained: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    scaler: dict[str, Any]
    progress: dict[str, Any]

    @property
    def num_bytes(self) -> int:
        """What it will take on disk: tensors, and a little for the rest."""
        tensors = (*self.weights.values(), *self.trained.values(), *self.optimizer.values())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors) + _OTHER_FILES_BYTES


Write = Callable[[Snapshot, Path], None]
"""Fills a checkpoint folder with a snapshot."""


class Saver:
    """Writes the checkpoints of a run, one at a time, in a thread of its own.

    A save begins only once the one before it is done, and leaving the block waits for the last one. What goes wrong
    while writing is raised by the next call, or at the end of the block.
    """

    def __init__(self, store: CheckpointStore, write: Write) -> None:
        self._store = store
        self._write = write
        self._writing: Background[CheckpointSaved] = Background()

    def __enter__(self) -> None:
        """Nothing is being written yet."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Wait for what is being written; its error is not to hide the one that ends the block.

        A second Ctrl-C does not wait: a save that is torn costs nothing but itself.
        """
        if kind is KeyboardInterrupt:
            return
        try:
            self._writing.wait()
        except Exception as failure:
            if error is None:
                raise
            error.add_note(f"besides, the checkpoint that was being written failed: {failure}")

    def begin(self, snapshot: Snapshot, *, facts: dict[str, Any], is_best: bool, was_scored: bool) -> Generator[Event]:
        """Start to write a snapshot; first wait for, and report, the one before it.

        Args:
            snapshot: What to write.
            facts: Further plain values for the manifest.
            is_best: Whether `best` shall point to it.
            was_scored: Whether there is a score to be best by.

        Raises:
            CheckpointError: the one before it could not be written.
        """
        yield from self.settle()
        started = time.perf_counter()

        def work() -> CheckpointSaved:
            saved = self._store.save(
                snapshot.step,
                lambda folder: self._write(snapshot, folder),
                facts=facts,
                is_best=is_best,
                needed_bytes=snapshot.num_bytes,
            )
            seconds = time.perf_counter() - started
            return CheckpointSaved(
                snapshot.step, str(saved.path), saved.num_bytes, seconds, is_best=is_best and was_scored
            )

        self._writing.start(work)

    def report(self) -> Generator[Event]:
        """Say so if a checkpoint has become whole since the last call.

        Raises:
            CheckpointError: it could not be written.
        """
        if saved := self._writing.done():
            yield saved

    def settle(self) -> Generator[Event]:
        """Wait until everything is on disk.

        Raises:
            CheckpointError: it could not be written.
        """
        if saved := self._writing.wait():
            yield saved
