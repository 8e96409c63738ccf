"""Laying out on a line of so many cells: whole columns and whole phrases are left out, none is wrapped or cut.

Widths are counted in terminal cells, so that Chinese text lines up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

GAP = "  "
LABEL_CELLS = 10
MOST_FOLDED_CELLS = 32
LEAST_BAR_CELLS, MOST_BAR_CELLS = 10, 48


@dataclass(frozen=True, slots=True)
class Column:
    """A column of text. Of columns that don't all fit, those of low `rank` are kept; rank 0 always is."""

    title: str
    cells: Sequence[str]
    rank: int = 0
    least: int = 0
    justify: Literal["left", "right"] = "right"
    folds: bool = False

    @property
    def width(self) -> int:
        """The cells it needs; long texts of a column that folds have lines of their own."""
        width = max(self.least, *map(cell_len, (self.title, *self.cells)))
        return min(width, MOST_FOLDED_CELLS) if self.folds else width


@dataclass(frozen=True, slots=True)
class Phrase:
    """A piece of a line; ranks as for columns."""

    text: Text
    rank: int = 0

    @property
    def width(self) -> int:
        """The cells it needs."""
        return self.text.cell_len


T = TypeVar("T", Column, Phrase)


def fitting(parts: Sequence[T], width: int) -> list[T]:
    """The parts that fit side by side into `width`, in their order; low ranks have the first choice."""
    kept: set[int] = set()
    room = width + len(GAP)
    for place in sorted(range(len(parts)), key=lambda place: parts[place].rank):
        needed = parts[place].width + len(GAP)
        if parts[place].rank == 0 or needed <= room:
            kept.add(place)
            room -= needed
    return [part for place, part in enumerate(parts) if place in kept]


def table(columns: Sequence[Column], width: int, *, styles: Sequence[str] = (), diagonal: bool = False) -> Table:
    """The columns that fit, under dim titles.

    Args:
        columns: Of equally many cells.
        width: The cells there are.
        styles: The rows' styles.
        diagonal: Whether this is a matrix whose diagonal is to stand out; its first column holds the rows' names.
    """
    kept = fitting(columns, width)
    shown = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    for column in kept:
        cells, is_folding = min(column.width, width), column.folds
        most = cells if is_folding else None
        shown.add_column(
            Text(column.title),
            justify=column.justify,
            no_wrap=not is_folding,
            min_width=cells,
            max_width=most,
            overflow="fold",
        )
    for row in range(len(kept[0].cells)):
        strong = {row + 1} if diagonal else set[int]()
        texts = [Text(column.cells[row], "bold green" if place in strong else "") for place, column in enumerate(kept)]
        shown.add_row(*texts, style=styles[row] if styles else None)
    return shown


def line(phrases: Sequence[Phrase], width: int) -> Text:
    """The phrases that fit on one line."""
    kept = fitting([phrase for phrase in phrases if phrase.text], width)
    return _within(Text(GAP).join(phrase.text for phrase in kept), width)


def packed(phrases: Sequence[Text], width: int) -> Text:
    """All phrases, on as many lines as they need; none is broken."""
    lines: list[Text] = []
    for phrase in phrases:
        if lines and lines[-1].cell_len + len(GAP) + phrase.cell_len <= width:
            lines[-1] = Text(GAP).join([lines[-1], phrase])
        else:
            lines.append(_within(phrase.copy(), width))
    return Text("\n").join(lines)


def _within(text: Text, width: int) -> Text:
    """The text with a single overlong phrase cut: nothing else is left to leave out."""
    text.truncate(width, overflow="ellipsis")
    return text


def bar(lead: Text, *, done: float, total: float | None, tail: Sequence[Phrase], width: int) -> Table:
    """A progress bar between its name and as much of `tail` as fits; no bar where the total isn't known."""
    room = width - lead.cell_len - len(GAP) - (0 if total is None else LEAST_BAR_CELLS + len(GAP))
    kept = fitting(tail, room)
    used = lead.cell_len + sum(phrase.width + len(GAP) for phrase in kept)
    shown = Table.grid(padding=(0, len(GAP), 0, 0))
    cells = [lead]
    if total is not None and (cells_left := width - used - len(GAP)) >= LEAST_BAR_CELLS:
        bar_cells = min(cells_left, MOST_BAR_CELLS)
        strip = ProgressBar(total or 1, done if total else 1, bar_cells, style="dim", complete_style="green")
        shown.add_row(*cells, strip, *(phrase.text for phrase in kept))
    else:
        shown.add_row(_within(line([Phrase(lead), *kept], width), width))
    for column in shown.columns:
        column.no_wrap = True
    return shown


def trimmed(console: Console, content: RenderableType, width: int | None = None) -> Text:
    """The content as text without the blanks that fill its lines, for output that may be kept or searched.

    Args:
        console: Where it is going to be printed.
        content: A table, for one.
        width: The cells there are; the console's, unless it is given.
    """
    options = console.options.update(width=width or console.width)
    lines = [
        Text.assemble(*((piece.text, piece.style or "") for piece in line))
        for line in console.render_lines(content, options, pad=False)
    ]
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def labelled(label: Text | str, content: Text) -> Table:
    """A row that stays: a short word on the left, the rest beside it and folded under itself."""
    shown = Table.grid(padding=(0, len(GAP), 0, 0))
    shown.add_column(min_width=LABEL_CELLS, no_wrap=True)
    shown.add_column(overflow="fold")
    shown.add_row(Text(label, style="dim") if isinstance(label, str) else label, content)
    return shown
