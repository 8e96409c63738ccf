"""Texts whose entities are given by their characters: into words and entities of words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal, cast

from ftcli.data.rows import shown
from ftcli.data.tags import Entity

_TYPE_KEYS = ("type", "label", "entity")
# Scripts that are written without spaces between words, or whose entities end inside of what spaces part.
_ONE_BY_ONE = ("CJK ", "HIRAGANA ", "KATAKANA ", "HANGUL ", "BOPOMOFO ", "IDEOGRAPHIC ", "KATAKANA-HIRAGANA ")

Offsets = list[list[int]]
"""Where each word begins and ends in its text, the end not included."""


@dataclass(frozen=True, slots=True)
class _Span:
    type: str
    start: int
    end: int


def words_of(text: str) -> Offsets:
    """Cut a text into words.

    A Chinese, Japanese or Korean character is a word, and so are letters and digits in a row; of anything else but
    space, each character is. Combining marks and joiners stay with what they stand on.
    """
    offsets: Offsets = []
    before: str = "space"
    for position, character in enumerate(text):
        kind = _kind(character)
        if kind == "mark" and before != "space":
            offsets[-1][1] = position + 1
            continue
        if kind == "letter" == before:
            offsets[-1][1] = position + 1
        elif kind != "space":
            offsets.append([position, position + 1])
        before = kind
    return offsets


@cache
def _kind(character: str) -> Literal["space", "mark", "letter", "single"]:
    category = unicodedata.category(character)
    if character.isspace() or category in ("Cc", "Zl", "Zp", "Zs"):
        return "space"
    if category.startswith("M") or category == "Cf":
        return "mark"
    is_letter = category.startswith(("L", "N"))
    return "letter" if is_letter and not unicodedata.name(character, "").startswith(_ONE_BY_ONE) else "single"


def entities_in(value: object, text: str, offsets: Offsets) -> list[Entity] | str:
    """Return the entities of words that spans of a text's characters stand for, or the reason why they can't be used.

    Each span is `{"start": 0, "end": 2, "type": "X"}` (or with `label` or `entity` for `type`), or `[0, 2, "X"]`.
    """
    if not isinstance(value, list):
        return "a list of spans is expected"
    spans: list[_Span] = []
    for number, each in enumerate(cast("list[object]", value), start=1):
        span = _span(each)
        if span is None:
            return f'entity {number} isn\'t of the form {{"start": 0, "end": 2, "type": "X"}} or [0, 2, "X"]'
        if not 0 <= span.start < span.end <= len(text):
            place = f"{span.start} to {span.end}"
            return f"entity {number} ({shown(span.type)}, {place}) isn't within the {len(text)} characters of the text"
        spans.append(span)
    spans.sort(key=lambda span: span.start)
    for one, other in pairwise(spans):
        if other.start < one.end:
            return f"two entities overlap: {_described(one, text)} and {_described(other, text)}"
    return _of_words(spans, text, offsets)


def _span(value: object) -> _Span | None:
    if isinstance(value, dict):
        named = cast("dict[str, object]", value)
        parts = [named.get("start"), named.get("end"), *(named[key] for key in _TYPE_KEYS if key in named)][:3]
    else:
        parts = cast("list[object]", value) if isinstance(value, list) else []
    if len(parts) != 3:
        return None
    start, end, kind = parts
    if type(start) is not int or type(end) is not int or not isinstance(kind, str) or not kind.strip():
        return None
    return _Span(kind.strip(), start, end)


def _of_words(spans: Sequence[_Span], text: str, offsets: Offsets) -> list[Entity] | str:
    entities: list[Entity] = []
    word = 0
    for span in spans:
        while word < len(offsets) and offsets[word][1] <= span.start:
            word += 1
        first = word
        while word < len(offsets) and offsets[word][0] < span.end:
            word += 1
        if first == word:
            return f"the entity {_described(span, text)} has no word in it"
        for (start, end), border in ((offsets[first], span.start), (offsets[word - 1], span.end)):
            if start < border < end:
                return f"the entity {_described(span, text)} ends inside the word `{shown(text[start:end])}`"
        entities.append(Entity(span.type, first, word))
    return entities


def _described(span: _Span, text: str) -> str:
    return f"`{shown(text[span.start : span.end])}` ({span.type}, {span.start} to {span.end})"
