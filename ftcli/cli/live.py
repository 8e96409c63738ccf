"""The screen: events in, a picture of the run out, all of it on stderr.

A terminal gets a view that is drawn anew, with rows above it that stay. Everything else (a file, a pipe, a dumb
terminal) gets one plain line per event. Ranks other than the first are silent.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from rich.console import Console, RenderableType
from rich.text import Text

from ftcli.cli.drawing import Drawing
from ftcli.cli.rows import closing, note, row_of
from ftcli.cli.table import labelled
from ftcli.cli.view import Doing, State, after, steps_table, view
from ftcli.flows.figures import flat, spent
from ftcli.flows.lines import line_of, so_far
from ftcli.runtime.activity import Activity
from ftcli.train.events import (
    Evaluated,
    Event,
    Noted,
    PredictionsWritten,
    RunFinished,
    RunStarted,
)

KEPT_AFTER_SECONDS = 1.0
"""An activity that took longer leaves a line, so that the user sees where the time went."""

SIGN_OF_LIFE_SECONDS = 30.0
"""Where lines stay, an activity tells no more often than this how far it has come."""


class Screen(Protocol):
    """Something that shows events."""

    def show(self, event: Event) -> None:
        """Show what has happened."""
        ...

    def warn(self, text: str) -> None:
        """Say a sentence that is not part of the run; from any thread."""
        ...


@contextmanager
def open_screen(*, is_main: bool, console: Console | None = None) -> Generator[Screen]:
    """A screen for a command; leaving it, also by an exception, leaves the terminal as it was, below what was said.

    Args:
        is_main: Whether this process is the one that speaks.
        console: Where to speak; stderr if not given.
    """
    console = console or Console(stderr=True)
    if not is_main:
        yield _SilentScreen()
    elif console.is_terminal and not console.is_dumb_terminal:
        screen = _LiveScreen(console)
        try:
            yield screen
        except BaseException:
            screen.close(failed=True)
            raise
        screen.close()
    else:
        yield _PlainScreen(console)


class _SilentScreen:
    def show(self, event: Event) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""


class _PlainScreen:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._total_steps: int | None = None
        self._last: str | None = None
        self._working: tuple[str, float] | None = None

    def show(self, event: Event) -> None:
        """Write the event's line; an activity that reports its end twice is written once."""
        if isinstance(event, Activity) and event.done != event.total:
            self._work(event)
            return
        self._working = None
        if isinstance(event, RunStarted):
            self._total_steps = event.total_steps
        line = line_of(event, total_steps=self._total_steps)
        if line is not None and not (isinstance(event, Activity) and line == self._last):
            self._console.print(Text(line), soft_wrap=True, highlight=False)
            self._last = line

    def _work(self, activity: Activity) -> None:
        """Now and then write how far a long activity has come."""
        now = self._console.get_time()
        name, since = self._working or ("", now)
        is_new = name != activity.name
        if not is_new and now - since < SIGN_OF_LIFE_SECONDS:
            return
        self._working = activity.name, now
        if activity.is_idle:
            self.warn(activity.name)
        elif not is_new:
            self.warn(flat(f"{activity.name}: {so_far(activity)} so far"))

    def warn(self, text: str) -> None:
        """Write a line."""
        self._console.print(Text(text), soft_wrap=True, highlight=False)


class _LiveScreen:
    """Keeps the state, draws it while there is something to draw, and prints the rows that stay above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state = State()
        self._drawing = Drawing(console, self._frame)
        self._finished: RenderableType | None = None

    def show(self, event: Event) -> None:
        """Bring the screen up to date."""
        if isinstance(event, Activity):
            self._work(event)
            return
        self._end_work(event)
        self._state = after(self._state, event, self._console.get_time())
        if isinstance(event, RunFinished):
            self._finish(event)
            return
        if isinstance(event, RunStarted):
            self._start(event)
        row = row_of(event, started=self._state.started, width=self._console.width)
        if row is not None:
            self._drawing.print(row)

    def warn(self, text: str) -> None:
        """Print a row above the view."""
        self._drawing.print(note(text, is_warning=True))

    def close(self, *, failed: bool = False) -> None:
        """Take the view away; after a failure the last steps stay, since they may tell why."""
        self._drawing.stop()
        self._end_work(None)
        if failed and self._state.steps:
            self._drawing.print(steps_table(self._state.steps, self._console.width))

    def _start(self, event: RunStarted) -> None:
        if event.step:
            self._drawing.print(labelled("resumed", Text(f"at step {event.step:,} of {event.total_steps:,}")))
        for text in event.notes:
            self._drawing.print(note(text))
        self._drawing.start()

    def _finish(self, event: RunFinished) -> None:
        self._drawing.stop()
        for line in closing(event):
            self._drawing.print(line, is_whole=True)
        self._state = State()

    def _work(self, activity: Activity) -> None:
        now, doing = self._console.get_time(), self._state.doing
        if doing is None or doing.activity.name != activity.name:
            self._end_work(activity)
            doing = Doing(activity, now, activity.done)
        if activity.done != activity.total:
            self._state = replace(self._state, doing=replace(doing, activity=activity))
            self._drawing.start()
            return
        self._end_work(activity)
        self._finished = _trace(activity, now - doing.since)

    def _end_work(self, event: Event | None) -> None:
        """Forget the activity under way; leave a line for a finished one, unless `event` itself tells of it."""
        if isinstance(event, Noted):
            return
        if self._state.started is None:
            self._drawing.stop()
        self._state = replace(self._state, doing=None)
        finished, self._finished = self._finished, None
        if finished is not None and not isinstance(event, Evaluated | PredictionsWritten):
            self._drawing.print(finished)

    def _frame(self) -> RenderableType:
        size = self._console.size
        return view(self._state, now=self._console.get_time(), width=size.width, height=size.height)


def _trace(activity: Activity, seconds: float) -> RenderableType | None:
    text = line_of(activity)
    if text is None or seconds < KEPT_AFTER_SECONDS:
        return None
    return Text(f"{text} in {spent(seconds)}", style="dim")
