"""A row as it was read, and a row that couldn't be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `line` is where it begins, counted from 1. `lines` are those of its words where each has its own."""

    line: int
    fields: dict[str, object]
    lines: Sequence[int] | None = None

    @property
    def text(self) -> str:
        """The beginning of it, fit to stand in a message."""
        return shown(orjson.dumps(self.fields).decode())


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that can't be used: the line to look at, why, the beginning of its text, and what else may be done."""

    line: int
    reason: str
    text: str
    remedy: str | None = None


def shown(text: str | bytes) -> str:
    """Return the beginning of a row's text, fit to stand in a message."""
    beginning = text[: 4 * SHOWN_CHARACTERS]
    decoded = beginning if isinstance(beginning, str) else beginning.decode(errors="backslashreplace")
    line = decoded.split("\n", 1)[0].rstrip("\r")
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…"


def not_decodable(error: UnicodeDecodeError) -> str:
    """Return the reason why a line can't be used."""
    return f"not valid {error.encoding.upper()} (byte {error.start + 1} of the line)"
