"""TOML text that remembers where each key and value stands, so that an error can point at it.

`tomllib` gives no positions. Values are found by growing a line until it parses, which is exact and needs no
grammar of our own; a key inside an inline table or an item of an array is then searched for in that value's text.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ftcli.errors import Location, RecipeError

Key = tuple[str | int, ...]

_ABSENT = object()
_SETTING = "such as --set optimizer.lr=1e-5"

_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEY_PART = re.compile(_PART)
_ASSIGNMENT = re.compile(rf"^\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=\s*")


@dataclass(frozen=True, slots=True)
class Span:
    """Where something stands: line and column from 1, and its width on that line."""

    line: int
    column: int
    width: int


@dataclass(frozen=True, slots=True)
class Document:
    """One layer of TOML: its data, and where each key and value of it stands.

    `name` is what an error calls it; a `flag` document is one `--set` option, which has no lines to show.
    """

    name: str
    text: str
    data: dict[str, Any]
    flag: bool = False
    keys: dict[Key, Span] = field(default_factory=dict[Key, Span])
    values: dict[Key, Span] = field(default_factory=dict[Key, Span])

    def locate(self, key: Key, *, of_key: bool = False) -> Location | None:
        """Where `key` (or else the nearest table around it) is written here; None if nothing of it is."""
        if self.flag:
            return Location(self.name) if contains(self.data, key) else None
        spans = (self.keys, self.values) if of_key else (self.values, self.keys)
        for length in range(len(key), 0, -1):
            for span in (table.get(key[:length]) for table in spans):
                if span is not None:
                    return self._location(span)
        return None

    def _location(self, span: Span) -> Location:
        line = _lines(self.text)[span.line - 1]
        return Location(self.name, span.line, span.column, span.width, line)


def _lines(text: str) -> list[str]:
    """The lines as TOML counts them; `str.splitlines` would also break at U+2028 and its like."""
    return [line.removesuffix("\r") for line in text.split("\n")]


def contains(data: object, key: Key) -> bool:
    """Whether `data` holds a value under the whole of `key`."""
    return value_at(data, key, _ABSENT) is not _ABSENT


def value_at(data: object, key: Key, absent: object = None) -> object:
    """What `data` holds under the whole of `key`."""
    for part in key:
        if isinstance(data, dict) and part in data:
            data = cast("dict[object, object]", data)[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(cast("list[object]", data)):
            data = cast("list[object]", data)[part]
        else:
            return absent
    return data


def read_document(path: Path) -> Document:
    """Read a TOML file.

    Raises:
        RecipeError: the file can't be read, or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RecipeError(f"no such file: {path}", hint=_within(path.parent)) from None
    except IsADirectoryError:
        raise RecipeError(f"{path} is a folder, not a TOML file", hint=_within(path)) from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"can't read {path}: {error}", hint="save it as UTF-8") from None
    except OSError as error:
        raise RecipeError(f"can't read {path}: {error.strerror}") from None
    return parse_document(text, str(path))


def _within(folder: Path) -> str | None:
    found = sorted(p.name for p in folder.glob("*.toml")) if folder.is_dir() else []
    return f"{folder}/ has {', '.join(found)}" if found else None


def parse_document(text: str, name: str) -> Document:
    """Parse TOML text; `name` is what errors call it.

    Raises:
        RecipeError: the text is not TOML, with the line.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"not valid TOML: {error}", where=_toml_location(str(error), text, name)) from None
    document = Document(name, text, data)
    _Scanner(document).scan()
    return document


def _toml_location(message: str, text: str, name: str) -> Location:
    lines = _lines(text)
    found = re.search(r"line (\d+), column (\d+)", message)
    line, column = (int(found[1]), int(found[2])) if found else (len(lines), 1)
    return Location(name, line, column, 1, lines[min(line, len(lines)) - 1])


def parse_setting(setting: str) -> Document:
    """Parse one `--set key=value`: TOML, where a bare word is a string.

    Raises:
        RecipeError: there is no `key=`, or neither reading is TOML.
    """
    name = f"--set {setting}"
    key, equals, value = setting.partition("=")
    if not equals or not key.strip():
        raise RecipeError("a setting is written section.key=value", where=Location(name), hint=_SETTING)
    for text in (f"{key} = {value}", f"{key} = {_quoted(value)}"):
        try:
            return Document(name, text, tomllib.loads(text), flag=True)
        except tomllib.TOMLDecodeError:
            continue
    raise RecipeError(f"`{key}` is not a key", where=Location(name), hint=_SETTING)


def _quoted(text: str) -> str:
    escaped = text.strip().replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _parts(dotted: str) -> Key:
    return tuple(part.strip("\"'") for part in _KEY_PART.findall(dotted))


class _Scanner:
    """Walks the lines of a document that is known to parse, noting where keys and values stand."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.lines = _lines(document.text)
        self.table: Key = ()
        self.counts: dict[Key, int] = {}

    def scan(self) -> None:
        number = 0
        while number < len(self.lines):
            line = self.lines[number]
            if header := _TABLE.match(line):
                self._enter(header, number + 1)
            elif assignment := _ASSIGNMENT.match(line):
                number += self._assign(assignment, number)
            number += 1

    def _enter(self, header: re.Match[str], line: int) -> None:
        name = self._indexed(_parts(header[2]))
        if header[1] == "[[":
            index = self.counts.get(name, -1) + 1
            self.counts[name] = index
            self.document.keys.setdefault(name, Span(line, header.start(1) + 1, len(header[0].strip())))
            name = (*name, index)
        self.table = name
        self.document.keys[name] = Span(line, header.start(1) + 1, len(header[0].strip()))

    def _indexed(self, name: Key) -> Key:
        """`freeze.stages.at` below `[[freeze.stages]]` means the array's latest entry."""
        result: Key = ()
        for part in name[:-1]:
            result = (*result, part)
            if result in self.counts:
                result = (*result, self.counts[result])
        return (*result, name[-1])

    def _assign(self, assignment: re.Match[str], number: int) -> int:
        """Note the key and its value; returns how many further lines the value takes."""
        key = (*self.table, *_parts(assignment[1]))
        self.document.keys[key] = Span(number + 1, assignment.start(1) + 1, len(assignment[1]))
        start = assignment.end()
        for extra in range(len(self.lines) - number):
            text = "\n".join([self.lines[number][start:], *self.lines[number + 1 : number + 1 + extra]])
            try:
                value = tomllib.loads(f"v = {text}")["v"]
            except tomllib.TOMLDecodeError:
                continue
            shown = text.split("\n", 1)[0]
            width = len(shown.split(" #")[0].rstrip()) or 1
            self.document.values[key] = Span(number + 1, start + 1, width)
            self._inside(key, value, number + 1, extra)
            return extra
        return 0

    def _inside(self, key: Key, value: Any, line: int, extra: int) -> None:
        """Find the keys of an inline table and the items of an array in the lines that hold the value."""
        if isinstance(value, dict):
            for name, item in cast("dict[str, Any]", value).items():
                self._find((*key, name), rf"(?<![\w-])(['\"]?{re.escape(name)}['\"]?)\s*=", line, extra, of_key=True)
                self._inside((*key, name), item, line, extra)
        elif isinstance(value, list):
            for index, item in enumerate(cast("list[Any]", value)):
                if isinstance(item, str):
                    quoted = item.replace("\\", "\\\\")
                    self._find((*key, index), f"(['\"](?:{re.escape(item)}|{re.escape(quoted)})['\"])", line, extra)

    def _find(self, key: Key, pattern: str, line: int, extra: int, *, of_key: bool = False) -> None:
        for number in range(line, line + extra + 1):
            if found := re.search(pattern, self.lines[number - 1]):
                span = Span(number, found.start(1) + 1, len(found[1]))
                (self.document.keys if of_key else self.document.values)[key] = span
                return
