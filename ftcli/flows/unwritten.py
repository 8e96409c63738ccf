"""The scores of rows that are not written yet: a window is written as a whole, and may take a slow model minutes.

They are kept beside the file in the making every few seconds, batch by batch. A window is always cut into the same
batches, so that one that is gone on with comes out as if it had never stopped.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ftcli.errors import UsageError
from ftcli.flows.partfile import unwritable
from ftcli.runtime.files import json_bytes, write_atomically


class Unwritten:
    """The scores of the batches of one window at a time.

    Args:
        path: Where they are kept; None where nothing can be gone on with.
        made_from: All that would make others of them if it changed.
        every_seconds: How much of the work the end of the process may cost.
    """

    def __init__(self, path: Path | None, made_from: Mapping[str, object], *, every_seconds: float) -> None:
        self._path = path
        self._made_from = made_from
        self._every_seconds = every_seconds
        self._window = ""
        self._scores: list[Tensor] = []
        self._since = 0.0

    def begin(self, *, behind: int) -> list[Tensor]:
        """Go over to the window behind so many rows.

        Returns:
            The scores of its first batches, as far as an earlier process has come; those of the others are to be added.

        Raises:
            UsageError: what an earlier process has left can't be read.
        """
        self._window = hashlib.sha256(json_bytes({**self._made_from, "behind": behind})).hexdigest()
        self._scores = self._left()
        self._since = time.monotonic()
        return self._scores

    def keep(self, *, at_once: bool = False) -> None:
        """Keep what was added, if it is time to.

        Raises:
            UsageError: the disk is full or can't be written.
        """
        is_time = at_once or time.monotonic() - self._since >= self._every_seconds
        if self._path is None or not self._scores or not is_time:
            return
        named = {self._name(number): scores.cpu().contiguous() for number, scores in enumerate(self._scores)}
        try:
            write_atomically(self._path, save(named))
        except OSError as error:
            raise unwritable(self._path, error) from error
        self._since = time.monotonic()

    def _left(self) -> list[Tensor]:
        if self._path is None or not self._path.exists():
            return []
        try:
            found = load(self._path.read_bytes())
        except (SafetensorError, OSError) as error:
            raise UsageError(f"{self._path} can't be read: {error}", hint="--restart begins anew") from None
        names = map(self._name, range(len(found)))
        return [found[name] for name in names if name in found]  # of another window or command, there is none

    def _name(self, number: int) -> str:
        return f"{self._window} {number}"
