"""A command line from arguments to exit code: the one place where errors end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer
from rich.console import Console

from ftcli.cli.app import app
from ftcli.cli.diagnostics import show_bug, show_error
from ftcli.cli.following import is_silent_rank, wait_to_speak
from ftcli.errors import FtcliError


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line; returns the exit code. Only bugs, and `--debug`, show a traceback."""
    debug = "--debug" in arguments
    console = Console(stderr=True, quiet=is_silent_rank())
    try:
        code = typer.main.get_command(app).main(list(arguments), prog_name="ftcli", standalone_mode=False)
        sys.stdout.flush()
    except FtcliError as error:
        show_error(error, Console(stderr=True, quiet=not wait_to_speak(error)))
        if debug:
            console.print_exception()
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except (typer.Exit, SystemExit, BrokenPipeError) as stop:
        if BrokenPipeError in (type(stop), type(stop.__context__)):  # Typer makes an exit with 1 of it
            return _unheard(arguments)
        return int(getattr(stop, "exit_code", getattr(stop, "code", 0)) or 0)
    except Exception as error:
        return _unforeseen(error, console, debug=debug)
    return int(code or 0)


def _unheard(arguments: Sequence[str]) -> int:
    """Whoever read our output, such as `head`, has gone, and has what it wanted; but a run did not end well."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing more can be said, nor complain of that at exit
    command = next((each for each in arguments if not each.startswith("-")), None)
    return int(command in {"train", "resume"} and "--dry-run" not in arguments)


def _unforeseen(error: Exception, console: Console, *, debug: bool) -> int:
    """A wrong command line, which Typer describes itself, or a bug."""
    show = getattr(error, "show", None)
    if callable(show):
        show()
        return int(getattr(error, "exit_code", 2))
    show_bug(error, console, debug)
    return 1
