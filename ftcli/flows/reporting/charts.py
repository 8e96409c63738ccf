"""Pictures for a page, as SVG that takes its colours and its font from there.

matplotlib draws in colours that stand for roles; the page's style sheet says what they are in light and in dark. No
text of the user's goes into a picture: names stand in legends beside it, which are HTML.
"""

from __future__ import annotations

import importlib.util
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from ftcli.flows.reporting.html import Markup, tag

NUM_COLOURS = 6
_WIDTH, _HEIGHT, _POINTS_PER_INCH = 420, 250, 72
_TEXT, _GRID, _SHADE, _PAGE = "#fd0000", "#fd0001", "#fd0002", "#fd0003"
_ROLES = {_TEXT: "currentColor", _GRID: "var(--line)", _SHADE: "var(--shade)", _PAGE: "var(--page)"}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ftcli",
    "font.size": 11,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.edgecolor": _GRID,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _TEXT,
    "ytick.labelcolor": _TEXT,
    "figure.facecolor": "none",
    "lines.linewidth": 2.0,
}

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A curve and the name it has in the legend; `best` is the point that is marked."""

    name: str
    points: Sequence[Point]
    colour: int = 0
    style: Literal["line", "dots", "points", "faint", "dashed"] = "line"
    best: Point | None = None

    @property
    def finite(self) -> list[Point]:
        """The points that can be drawn."""
        return [point for point in self.points if all(map(math.isfinite, point))]


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over an axis. `bands` are spans of it that are shaded by turns; a `diagonal` is where both axes agree.

    `y_range` is what the values' axis has room for at the least.
    """

    title: str
    lines: Sequence[Line]
    x: str = "step"
    y: str = ""
    x_range: Point | None = None
    y_range: Point | None = None
    bands: Sequence[Point] = ()
    is_log: bool = False
    diagonal: bool = False


def can_draw() -> bool:
    """Whether matplotlib is here."""
    return importlib.util.find_spec("matplotlib") is not None


def figure_of(chart: Chart, name: str) -> Markup:
    """A chart with its title and legend; nothing where it has no point. `name` tells its parts from other charts'."""
    if not any(line.finite for line in chart.lines):
        return Markup()
    legend = [_key(line) for line in chart.lines if line.name]
    key = tag("p", *legend, class_="legend") if legend else Markup()
    return tag("figure", tag("figcaption", chart.title), key, Markup(_drawn(chart, name)))


def _key(line: Line) -> Markup:
    return tag(
        "span", tag("i", class_=f"key {line.style}", style=f"--k:var(--c{line.colour % NUM_COLOURS})"), line.name
    )


def _drawn(chart: Chart, name: str) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        size = (_WIDTH / _POINTS_PER_INCH, _HEIGHT / _POINTS_PER_INCH)
        figure = Figure(figsize=size, dpi=_POINTS_PER_INCH, layout="constrained")
        _fill(figure.add_subplot(), chart)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _for_page(buffer.getvalue(), title=chart.title, name=name)


def _fill(axes: Any, chart: Chart) -> None:
    for number, (start, end) in enumerate(chart.bands):
        axes.axvspan(start, end, color=_SHADE if number % 2 else "none", linewidth=0)
        if len(chart.bands) > 1:
            place = {"xycoords": ("data", "axes fraction"), "xytext": (0, 2), "textcoords": "offset points"}
            axes.annotate(f"stage {number + 1}", (start, 1), va="bottom", size=9, annotation_clip=False, **place)
    if chart.diagonal:
        axes.axline((0, 0), (1, 1), color=_TEXT, linewidth=1, linestyle=":")
    for line in chart.lines:
        _draw_line(axes, line)
    _set_scales(axes, chart)
    axes.set_xlabel(chart.x)
    axes.set_ylabel(chart.y)


def _set_scales(axes: Any, chart: Chart) -> None:
    if chart.is_log:
        axes.set_yscale("log")
    if chart.y_range is not None:
        axes.update_datalim([(0, y) for y in chart.y_range], updatex=False)
        axes.autoscale_view(scalex=False)
    if chart.x_range is not None:
        axes.set_xlim(*chart.x_range)
        if chart.diagonal:
            axes.set_ylim(*chart.x_range)


def _draw_line(axes: Any, line: Line) -> None:
    colour = f"#fe000{line.colour % NUM_COLOURS}"
    xs, ys = [x for x, _ in line.finite], [y for _, y in line.finite]
    match line.style:
        case "line":
            axes.plot(xs, ys, color=colour, marker="o" if len(xs) == 1 else "")
        case "dots":
            axes.plot(xs, ys, color=colour, marker="o", markersize=4.5, clip_on=False)
        case "points":
            axes.plot(xs, ys, color=colour, linestyle="", marker="o", markersize=3.5, alpha=0.6)
        case "faint":
            axes.plot(xs, ys, color=colour, linewidth=1, alpha=0.35, marker="o" if len(xs) == 1 else "")
        case "dashed":
            axes.plot(xs, ys, color=colour, linewidth=1.5, linestyle="--", marker="o", markersize=3)
    if line.best is not None:
        axes.plot(
            *line.best, color=colour, marker="o", markersize=11, fillstyle="none", markeredgewidth=2, clip_on=False
        )


def _for_page(svg: str, *, title: str, name: str) -> str:
    """The picture without what is of its own file: sizes, font, colours, and ids that other pictures have, too."""
    svg = svg[svg.index("<svg") :]
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
    svg = re.sub(r"<svg[^>]*>", lambda _: head, svg, count=1)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg).replace("xlink:href", "href")
    svg = re.sub(r"#fe000(\d)", r"var(--c\1)", svg)
    svg = re.sub(r"#fd000\d", lambda match: _ROLES[match[0]], svg)
    return re.sub(r" font-family: [^;]*;|<style.*?</style>", "", svg)
