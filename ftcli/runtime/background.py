"""Work that goes on beside the loop, one piece at a time, and whose errors are never lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """One thread for one piece of work at a time. An error of it is raised by whoever asks next.

    The interpreter waits for the thread when it exits, so work that has begun is finished.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ftcli")
        self._running: Future[T] | None = None

    def start(self, work: Callable[[], T]) -> None:
        """Begin with a piece of work. The one before it must have been collected."""
        assert self._running is None
        self._running = self._executor.submit(work)

    def done(self) -> T | None:
        """The result of the work if it is done and was not collected yet; does not wait."""
        return self.wait() if self._running is not None and self._running.done() else None

    def wait(self) -> T | None:
        """The result of the work once it is done; None where there is none to wait for."""
        running, self._running = self._running, None
        return None if running is None else running.result()
