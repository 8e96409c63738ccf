"""HTML, made of functions. Whatever is text is escaped; only what these functions made is taken as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

SHOWN = 8
"""More of a kind than this are shown when they are asked for."""
_EMPTY = frozenset({"br", "hr", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def join(parts: Iterable[str]) -> Markup:
    """Parts one after the other, those that are no markup escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def tag(name: str, /, *content: str, **attributes: str | None) -> Markup:
    """An element. `class_` is the attribute class; one that is None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>" if name in _EMPTY else f"<{name}{given}>{join(content)}</{name}>")


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, class_: str | None = None, marked: Sequence[bool] = ()
) -> Markup:
    """A table that scrolls by itself where it is too wide; some of its rows may be marked."""
    top = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head)))
    classes = ["best" if is_marked else None for is_marked in marked] or [None] * len(rows)
    body = [tag("tr", *(tag("td", cell) for cell in row), class_=mark) for row, mark in zip(rows, classes, strict=True)]
    return tag("div", tag("table", top, tag("tbody", *body), class_=class_), class_="wide")


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Names and what they are, line by line."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs))


def section(title: str, *content: str, note: str | None = None) -> Markup:
    """A part of the page under a heading; nothing where it has no content."""
    if not any(content):
        return Markup()
    remark = tag("p", note, class_="note") if note else Markup()
    return tag("section", tag("h2", title), remark, *content)


def folded(title: str, *content: str) -> Markup:
    """Content that is shown when its title is clicked."""
    return tag("details", tag("summary", title), *content)


def first_few(parts: Sequence[Markup], *, class_: str | None = None) -> list[Markup]:
    """Some parts, and the rest of them folded away."""
    shown, rest = (tag("div", *some, class_=class_) for some in (parts[:SHOWN], parts[SHOWN:]))
    return [shown, *([folded(f"{len(parts) - SHOWN} more", rest)] if len(parts) > SHOWN else [])] if parts else []
