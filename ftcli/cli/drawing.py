"""A view at the foot of the terminal that is drawn anew, and lines printed above it.

Rich lets a redraw from its own thread come between the parts of a print; where the view's height changes at that
instant, a printed line is erased. So the clock ticks here, and one lock covers each redraw and each print whole.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Event, RLock, Thread

from rich.console import Console, RenderableType
from rich.live import Live

FRAMES_PER_SECOND = 8


class Drawing:
    """Draws `frame()` while it is started; print through it, so that the two don't meet."""

    def __init__(self, console: Console, frame: Callable[[], RenderableType]) -> None:
        self._console = console
        self._frame = frame
        self._lock = RLock()
        self._running: tuple[Live, Thread, Event] | None = None

    def start(self) -> None:
        """Begin to draw, if that isn't so already."""
        if self._running is not None:
            return
        # A new Live each time: an old one would erase what was printed since it stopped. And a result that is piped
        # elsewhere must not be caught and drawn on stderr.
        live = Live(
            get_renderable=self._frame,
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )
        stopped = Event()
        thread = Thread(target=self._tick, args=(live, stopped), name="screen", daemon=True)
        self._running = live, thread, stopped
        with self._lock:
            live.start(refresh=True)
        thread.start()

    def stop(self) -> None:
        """Take the view away; what was printed stays."""
        if self._running is None:
            return
        live, thread, stopped = self._running
        self._running = None
        stopped.set()
        thread.join()
        live.stop()

    def print(self, content: RenderableType, *, is_whole: bool = False) -> None:
        """Print above the view; what `is_whole` is not wrapped by us, so that it can be copied."""
        with self._lock:
            self._console.print(content, soft_wrap=is_whole, highlight=False)

    def _tick(self, live: Live, stopped: Event) -> None:
        while not stopped.wait(1 / FRAMES_PER_SECOND):
            with self._lock:
                live.refresh()
