"""A first signal asks the run to save and stop; a second one ends it at once.

A second Ctrl-C unwinds, so that the terminal is left as it was; other signals end the process as they always do.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interrupt:
    """Whether this process was asked to stop. `requested` is the signal's number, or 0."""

    def __init__(self) -> None:
        self.requested = 0
        self._is_waiting = False

    def ask(self, number: int) -> None:
        """Take note of a signal; from now on the next one has its ordinary effect."""
        self.requested = number
        for each in _ASKING:
            signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)

    @contextmanager
    def waiting(self) -> Generator[None]:
        """A block that a signal ends at once, for it waits for what may never come, and half of it is worth nothing.

        Raises:
            StopAsked: there was a signal, now or before.
        """
        self._is_waiting = True
        try:
            self.heed()
            yield
        finally:
            self._is_waiting = False

    def heed(self) -> None:
        """Raise StopAsked in the main thread if a signal has come and somebody waits."""
        if self.requested and self._is_waiting:
            raise StopAsked(self.requested)


class StopAsked(Exception):  # noqa: N818 - no error: the user's wish
    """Leaves work that is not worth finishing, on all ranks alike, for a signal has asked one of them to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(f"asked to stop by signal {number}")
        self.number = number


def exit_code_for(number: int) -> int:
    """130 for Ctrl-C, 143 for every other request to stop, as shells count them."""
    return 130 if number == signal.SIGINT else 143


def deafen() -> None:
    """Have SIGTERM do nothing from now on, in a process that is to say why it ends.

    torchrun sends it to all others as soon as one has ended, and the first to end is rarely the one that speaks.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def is_deaf() -> bool:
    """Whether `deafen` was called: this process and the others settle who says why."""
    return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


@contextmanager
def listening(interrupt: Interrupt, answer: Callable[[], None] = lambda: None) -> Generator[None]:
    """Let SIGINT, SIGTERM and SIGUSR1 ask `interrupt` within the block, and let `answer` tell the user at once.

    In another thread than the main one, where Python hands no signals out, it does nothing.
    """

    def hear(number: int, _frame: FrameType | None) -> None:
        interrupt.ask(number)
        # In a thread of its own: the main one may have been interrupted in the middle of a print.
        threading.Thread(target=answer, name="answer").start()
        interrupt.heed()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, hear) for number in _ASKING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
