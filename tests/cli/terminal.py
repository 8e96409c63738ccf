"""A small terminal that events are shown on."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from rich.cells import cell_len
from rich.console import Console

from ftcli.cli.live import open_screen
from ftcli.train.events import Event

TOKEN = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])|(.)", re.DOTALL)


class Terminal:
    """As much of a terminal as the screen needs; it takes note of lines that are longer than it is wide."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: list[str] = [""]
        self.row = 0
        self.column = 0
        self.cursor_shown = True
        self.frames: list[list[str]] = []
        self.too_long: list[str] = []

    def feed(self, output: str) -> Terminal:
        for private, number, command, char in TOKEN.findall(output):
            if char:
                self._put(char)
            elif command == "A":
                self.row -= int(number or 1)
                assert self.row >= 0
            elif command == "K":
                self.frames.append(list(self.rows))
                self.rows[self.row] = ""
            elif private and command in "hl":
                self.cursor_shown = command == "h"
        return self

    def _put(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.too_long += [self.rows[self.row]] * (cell_len(self.rows[self.row]) > self.width)
            self.row, self.column = self.row + 1, 0
            self.rows += [""] * (self.row + 1 - len(self.rows))
        else:
            text = self.rows[self.row]
            assert cell_len(text) == self.column, "text is written over text"
            self.rows[self.row] = text + char
            self.column = cell_len(self.rows[self.row])

    @property
    def lines(self) -> list[str]:
        """What is on the screen, without blank lines at its end."""
        return "\n".join(row.rstrip() for row in self.rows).rstrip().splitlines()


def drawn(events: Iterable[Event], width: int = 80, height: int = 24) -> Terminal:
    """The screen after events that come a second apart."""
    file, now = io.StringIO(), [0.0]
    console = Console(file=file, width=width, height=height, force_terminal=True, get_time=lambda: now[0])
    with open_screen(is_main=True, console=console) as screen:
        for event in events:
            now[0] += 1
            screen.show(event)
    return Terminal(width).feed(file.getvalue())


def plain(events: Iterable[Event], *, is_main: bool = True, seconds: float = 0) -> str:
    """What is written of events that come so many seconds apart."""
    file, now = io.StringIO(), [0.0]
    with open_screen(is_main=is_main, console=Console(file=file, width=80, get_time=lambda: now[0])) as screen:
        for event in events:
            now[0] += seconds
            screen.show(event)
    return file.getvalue()


def frames_with(terminal: Terminal, pattern: str) -> list[str]:
    return [line for frame in terminal.frames for line in frame if re.search(pattern, line)]


def on_terminal(arguments: Sequence[str]) -> tuple[subprocess.Popen[bytes], Iterator[str]]:
    """A process whose stdin and stderr are a terminal, and what it writes there as it comes."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(arguments, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL, env=environment)
    os.close(theirs)

    def chunks() -> Iterator[str]:
        with suppress(OSError):  # what Linux makes of a terminal that nobody has open any more
            while chunk := os.read(ours, 65536):
                yield chunk.decode(errors="replace")
        os.close(ours)

    return process, chunks()
