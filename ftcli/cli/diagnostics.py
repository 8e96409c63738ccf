"""Errors as a compiler shows them: what is wrong, the line at fault with a caret under it, and how to mend it.

No line is wrapped, so that commands and paths in them can be copied whole. A source line that is wider than the
terminal (a row of data, say) is cut around the caret; columns count characters, the caret's place counts cells.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from ftcli.errors import FtcliError, Location, Problem
from ftcli.runtime.code import place_in

GUTTER_CELLS = 2
LEAST_SOURCE_CELLS = 20
LEAD_SHARE = 1 / 3
"""Of a line that is cut, the share of the width that shows what stands before the caret."""


def render(error: FtcliError) -> RenderableType:
    """The error with all its problems; print it with `soft_wrap=True`, as `show_error` does."""
    return _Report(error)


def show_error(error: FtcliError, console: Console) -> None:
    """Print an error a user can mend."""
    console.print(render(error), soft_wrap=True, highlight=False)


def show_bug(exception: BaseException, console: Console, debug: bool) -> None:  # noqa: FBT001 - a flag handed through
    """Print an error only we can mend, or whose code it is: one line, after the traceback if `debug`."""
    where = place_in(exception)
    advice = f"in code of your own, {where}" if where else "this is a bug in ftcli"
    if debug:
        lines = traceback.format_exception(exception)
        console.print(Text("".join(lines).rstrip()), soft_wrap=True, highlight=False)
    else:
        advice += "; run again with --debug for the traceback"
    name, what = type(exception).__name__, " ".join(str(exception).split())
    head = "error" if where else "bug"
    line = Text.assemble((head, "bold red"), (f": {name}: {what}" if what else f": {name}", "bold"), f" ({advice})")
    console.print(line, soft_wrap=True, highlight=False)
    for each in _notes(exception):
        console.print(each, soft_wrap=True, highlight=False)


def _notes(exception: BaseException) -> Iterator[Text]:
    """What was added to an error on its way up."""
    for text in getattr(exception, "__notes__", ()):
        yield Text.assemble(("note", "bold"), f": {_safe(text)}")


@dataclass(frozen=True, slots=True)
class _Report:
    error: FtcliError

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        problems = self.error.problems
        for number, problem in enumerate(problems):
            if number:
                yield Text()
            yield from _block(problem, self.error.kind, options.max_width)
        if len(problems) > 1:
            yield Text(f"\n{len(problems)} problems", style="bold")
        yield from _notes(self.error)


def _block(problem: Problem, kind: str, width: int) -> Iterator[Text]:
    head = "error" if kind == "error" else f"error[{kind}]"
    yield Text.assemble((head, "bold red"), (f": {_safe(problem.what)}", "bold"))
    if problem.where is not None:
        yield from _place(problem.where, width)
    if problem.hint:
        yield Text.assemble(("help", "bold green"), f": {_safe(problem.hint)}")


def _place(where: Location, width: int) -> Iterator[Text]:
    line = "" if where.line is None else str(where.line)
    gutter = GUTTER_CELLS if where.text is None else len(line)
    place = _safe(f"{where.file}:{line}" if line else where.file)
    yield Text.assemble((f"{'':{gutter}}--> ", "dim"), place)
    if where.text is None:
        return
    source, caret, caret_cells = _source(where, where.text, max(width - gutter - 3, LEAST_SOURCE_CELLS))
    yield Text(f"{'':{gutter}} |", style="dim")
    yield Text.assemble((f"{line} | ", "dim"), source)
    if where.column is not None:
        yield Text.assemble((f"{'':{gutter}} | ", "dim"), (" " * caret + "^" * caret_cells, "bold red"))


def _source(where: Location, text: str, width: int) -> tuple[str, int, int]:
    """The source line within `width` cells, and where under it the caret starts and how wide it is."""
    text = _one_celled(text.rstrip())
    start = min(max((where.column or 1) - 1, 0), len(text))
    marked = text[start : start + max(where.width, 1)]
    shown, before = text, text[:start]
    if cell_len(text) > width:
        before, after = _cut(before, text[start:], width)
        shown = before + after
        marked = after.removesuffix("…")[: len(marked)]
    caret = cell_len(before)
    return shown, caret, max(1, min(cell_len(marked), width - caret))


def _cut(before: str, after: str, width: int) -> tuple[str, str]:
    """Both sides of the caret, shortened to `width` cells together; an ellipsis stands for what is missing."""
    lead = max(int(width * LEAD_SHARE), width - cell_len(after))
    if cell_len(before) > lead:
        before = "…" + _last_cells(before, lead - 1)
    rest = width - cell_len(before)
    if cell_len(after) > rest:
        after = set_cell_size(after, rest - 1).rstrip() + "…"
    return before, after


def _last_cells(text: str, cells: int) -> str:
    start = max(0, len(text) - cells)
    while cell_len(text[start:]) > cells:
        start += 1
    return text[start:]


def _one_celled(text: str) -> str:
    """The text with tabs and control characters, whose width no one knows, as one cell each; columns stay true."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "�" for char in text)


def _safe(text: str) -> str:
    """The text with its line ends, but without characters that could steer a terminal."""
    return "\n".join(_one_celled(line) for line in text.splitlines())
