"""Processes that are not to outlive the one that started them, however that one ends.

The starter holds one end of a pipe, which the system closes when it is gone, killed or not; each of the processes
watches the other end, and then asks itself to stop, as if somebody had sent it SIGTERM.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass

_VARIABLE = "FTCLI_TETHER"


@dataclass(frozen=True, slots=True)
class Tether:
    """Both ends of the pipe, in the starter."""

    watched: int
    held: int

    @property
    def variables(self) -> dict[str, str]:
        """What a process needs in its environment, besides the inherited descriptor `watched`, to be on the tether."""
        return {_VARIABLE: str(self.watched)}

    def close(self) -> None:
        """Let go: all processes on the tether are asked to stop."""
        os.close(self.held)
        os.close(self.watched)


def open_tether() -> Tether:
    """A new tether with no process on it."""
    return Tether(*os.pipe())


def heed_tether() -> None:
    """Watch the starter of this process, if it has put this one on a tether."""
    if descriptor := os.environ.pop(_VARIABLE, None):
        threading.Thread(target=_watch, args=(int(descriptor),), name="tether", daemon=True).start()


def _watch(descriptor: int) -> None:
    os.read(descriptor, 1)  # nobody writes: it returns when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)
