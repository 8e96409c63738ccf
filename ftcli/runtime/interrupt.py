"""A first signal asks the run to save and stop; a second one ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interrupt:
    """Whether this process was asked to stop. `requested` is the signal's number, or 0."""

    def __init__(self) -> None:
        self.requested = 0

    def ask(self, number: int, _frame: FrameType | None = None) -> None:
        """Take note of a signal; from now on the next one has its ordinary effect."""
        self.requested = number
        for each in _ASKING:
            signal.signal(each, signal.SIG_DFL)


def exit_code_for(number: int) -> int:
    """130 for Ctrl-C, 143 for every other request to stop, as shells count them."""
    return 130 if number == signal.SIGINT else 143


@contextmanager
def listening(interrupt: Interrupt) -> Generator[None]:
    """Let SIGINT, SIGTERM and SIGUSR1 ask `interrupt` within the block.

    In another thread than the main one, where Python hands no signals out, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt.ask) for number in _ASKING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
