"""The README as its reader meets it: blocks of commands, files and code, in their order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^`([\w.]+)`[^\n]*:\n\n\Z", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block; `file` is the name of the file that the line before it says it is."""

    language: str
    text: str
    file: str | None

    @property
    def first(self) -> str:
        return self.text.partition("\n")[0]


def blocks(text: str | None = None) -> list[Block]:
    """The blocks of the README, or of a part of it."""
    text = README.read_text(encoding="utf-8") if text is None else text
    found = []
    for fence in _FENCE.finditer(text):
        name = _FILE.search(text[: fence.start()])
        found.append(Block(fence[1], fence[2], name[1] if name else None))
    return found


def prose() -> str:
    """The README without its blocks."""
    return _FENCE.sub("", README.read_text(encoding="utf-8"))


def section(title: str) -> str:
    """The text under a heading, up to the next one."""
    text = README.read_text(encoding="utf-8")
    heading = re.search(rf"^#+ {re.escape(title)}$", text, re.MULTILINE)
    assert heading, title
    outside = _FENCE.sub(lambda fence: "." * len(fence[0]), text)
    following = re.compile(r"^#", re.MULTILINE).search(outside, heading.end())
    return text[heading.end() : following.start() if following else None]
