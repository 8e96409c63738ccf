"""Work that goes on beside the loop, one piece at a time, and whose errors are never lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """One piece of work at a time in a thread of its own. An error of it is raised by whoever asks next.

    Nobody waits for the thread when the interpreter exits: who needs the work finished must `wait`.
    """

    def __init__(self) -> None:
        self._running: Future[T] | None = None

    def start(self, work: Callable[[], T]) -> None:
        """Begin with a piece of work. The one before it must have been collected."""
        assert self._running is None
        self._running = future = Future[T]()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, name="ftcli-background", daemon=True).start()

    def done(self) -> T | None:
        """The result of the work if it is done and was not collected yet; does not wait."""
        return self.wait() if self._running is not None and self._running.done() else None

    def wait(self) -> T | None:
        """The result of the work once it is done; None where there is none to wait for."""
        if self._running is None:
            return None
        wait_for([self._running])  # an interrupt leaves here, and the work is still to be collected
        running, self._running = self._running, None
        return running.result()
