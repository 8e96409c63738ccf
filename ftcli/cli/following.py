"""Following a flow: its events onto the screen, its errors onto the recipe's lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext, suppress

import typer
from rich.console import Console

from ftcli.cli.live import Screen, open_screen
from ftcli.errors import DataError, FtcliError, OrphanedError, RecipeError
from ftcli.runtime.activity import T, Working
from ftcli.runtime.launch import under_torchrun
from ftcli.spec.recipe import Recipe
from ftcli.train.events import Event, RunFinished

_PATIENCE_SECONDS = 5.0
STOPPING = "stopping after this step; once more ends it at once"


def is_silent_rank() -> bool:
    """Whether torchrun started this process as another than the first; asks torch only under torchrun."""
    if not under_torchrun():
        return False
    from ftcli.runtime.launch import launched_rank

    return launched_rank() > 0


def wait_to_speak(error: FtcliError) -> bool:
    """Whether this process shows an error: the first on each machine does, and whoever speaks in its place.

    torchrun ends all processes as soon as one has ended. So until a run has settled who speaks, another than the first
    waits to be ended by the first's failing likewise, and speaks if that does not happen; of several, one is the first.
    """
    if not is_silent_rank() or isinstance(error, OrphanedError):
        return True
    from ftcli.runtime.interrupt import is_deaf
    from ftcli.runtime.launch import place_here

    if place_here() == 0 or is_deaf():
        return place_here() == 0
    with suppress(KeyboardInterrupt):
        time.sleep(_PATIENCE_SECONDS + place_here())
        return True
    return False


@contextmanager
def loading() -> Generator[None]:
    """Around the imports that take a command's first seconds: on a terminal, say what they are.

    Not under torchrun, where only torch can tell which of the processes is to speak.
    """
    console = Console(stderr=True)
    is_shown = console.is_terminal and not console.is_dumb_terminal and not under_torchrun()
    with console.status("loading torch", spinner="line") if is_shown else nullcontext():
        yield


@contextmanager
def pointing_at(recipe: Recipe | None) -> Generator[None]:
    """Show errors that come up later at the line of the recipe that caused them."""
    try:
        yield
    except (RecipeError, DataError) as error:
        keyed = any(problem.key for problem in error.problems)
        raise (recipe.pinpoint(error) if recipe and keyed else error) from error


def follow(work: Working[T], screen: Screen) -> T:
    """Show the activities of some work and return its result."""
    while True:
        try:
            screen.show(next(work))
        except StopIteration as stop:
            return stop.value


def drive(start: Callable[[Callable[[], None]], Generator[Event]]) -> None:
    """Show a run's events to the end; a run that a signal stopped ends with that signal's code.

    Args:
        start: Starts the run; it is given what to call when a signal asks it to stop.
    """
    code = 0
    with open_screen(is_main=not is_silent_rank()) as screen:
        events = start(lambda: screen.warn(STOPPING))
        try:
            for event in events:
                screen.show(event)
                if isinstance(event, RunFinished):
                    code = event.exit_code
        except KeyboardInterrupt as stop:
            with suppress(KeyboardInterrupt):
                events.throw(stop)  # while an event is shown, the run does not hear of it
            for note in getattr(stop, "__notes__", ()):
                screen.warn(note)
            raise
    if code:
        raise typer.Exit(code)
