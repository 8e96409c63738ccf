"""Rows of tagged words: what a file has of them, read into words and well-formed tags, or why it can't be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import cast

from ftcli.data.conll import TAGS, WORDS
from ftcli.data.labels import LabelNames, kind_of
from ftcli.data.rows import BadRow, Row, shown
from ftcli.data.spans import Offsets, entities_in, words_of
from ftcli.data.tags import PREFIXES, Entity, Scheme, detect_scheme, entities_of, problems_of, repair, tags_of
from ftcli.spec.card import Columns, Tags
from ftcli.spec.wording import counted

TEXT, OFFSETS = "text", "offsets"
ROWS_LOOKED_AT = 5000
ILL_FORMED = "an invalid sequence of "
REPAIRS = 'have such repaired (tags.invalid = "repair")'
IN_ANOTHER = 'these are well-formed `{0}` tags: have all files in one scheme, and name it (tags.scheme = "{0}")'


@dataclass(frozen=True, slots=True)
class Sentence:
    """A row's words; where they were cut out of a text, that text and where they stand in it."""

    words: list[str]
    text: str | None = None
    offsets: Offsets | None = None

    @property
    def origin(self) -> dict[str, object]:
        """The fields that say where the words come from."""
        return {} if self.text is None else {TEXT: self.text, OFFSETS: self.offsets}


@dataclass(frozen=True, slots=True)
class Mended:
    """The line at which something was repaired, and what it was."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """A sentence with its tags, None where it has none, the types of its entities, and what was repaired."""

    sentence: Sentence
    tags: list[str] | None
    types: tuple[str, ...]
    mended: Mended | None = None

    def fields(self, row: Row, columns: Columns, *, written: Columns) -> dict[str, object]:
        """The row as it is written: words, tags and what it has besides those columns."""
        fields: dict[str, object] = {written.text: self.sentence.words}
        if self.tags is not None:
            fields[written.label or TAGS] = self.tags
        fields |= self.sentence.origin
        used = {columns.text, columns.label, *fields}
        return fields | {name: value for name, value in row.fields.items() if name not in used}


def sentence_of(value: object, column: str) -> Sentence | str:
    """Return the words of a list, or of a text, or the reason why there are none."""
    match value:
        case str():
            offsets = words_of(value)
            words = [value[start:end] for start, end in offsets]
            return Sentence(words, value, offsets) if words else f"column `{column}` is empty"
        case list():
            words = cast("list[object]", value)
            for number, word in enumerate(words):
                if not isinstance(word, str):
                    return f"token {number} of column `{column}` is {kind_of(word)}, not text"
                if not word:
                    return f"token {number} of column `{column}` is empty"
            return Sentence(cast("list[str]", words)) if words else f"column `{column}` has no tokens"
        case None:
            return f"column `{column}` is missing"
        case _:
            return f"column `{column}` holds {kind_of(value)}, not a text or a list of tokens"


def written_columns(columns: Columns, *, is_text: bool) -> Columns:
    """Return what words and tags are called in a prepared folder: as in the file, unless they are made of a text."""
    return Columns(text=WORDS, label=TAGS) if is_text else Columns(text=columns.text, label=columns.label or TAGS)


def find_scheme(rows: Iterable[Row | BadRow], columns: Columns) -> Scheme:
    """Return the scheme of a file's tags, as its first rows show it."""
    first = (row.fields.get(columns.label or TAGS) for row in islice(rows, ROWS_LOOKED_AT) if isinstance(row, Row))
    lists = (cast("list[object]", value) for value in first if isinstance(value, list))
    return detect_scheme([tag for tag in tags if isinstance(tag, str)] for tags in lists)


def read_tagged(row: Row, *, columns: Columns, tags: Tags, scheme: Scheme, names: LabelNames) -> Tagged | BadRow:
    """Read a row: words with a tag each, or a text with spans of it."""
    sentence = sentence_of(row.fields.get(columns.text), columns.text)
    if isinstance(sentence, str):
        return _bad(row, sentence)
    value = row.fields.get(columns.label or TAGS)
    if value is None:
        return Tagged(sentence, None, ())
    if sentence.text is None:
        return _read_tags(row, value, sentence, columns=columns, tags=tags, scheme=scheme, names=names)
    entities = entities_in(value, sentence.text, sentence.offsets or [])
    if isinstance(entities, str):
        return _bad(row, f"column `{columns.label}`: {entities}")
    return _named(row, Tagged(sentence, None, ()), entities, columns=columns, tags=tags, names=names)


def _read_tags(
    row: Row, value: object, sentence: Sentence, *, columns: Columns, tags: Tags, scheme: Scheme, names: LabelNames
) -> Tagged | BadRow:
    given = _tags_in(value, sentence, columns.label or TAGS)
    if isinstance(given, str):
        return _bad(row, given)
    mended: Mended | None = None
    if problems := problems_of(given, scheme):
        position, reason = problems[0]
        if tags.invalid == "refuse":
            return _ill_formed(row, given, position, reason, columns=columns, scheme=scheme)
        mended = Mended(_line(row, position), f"token {position}: {reason}")
        given = repair(given, scheme)
    entities = entities_of(given, scheme)
    return _named(row, Tagged(sentence, None, (), mended), entities, columns=columns, tags=tags, names=names)


def _named(
    row: Row, tagged: Tagged, entities: Sequence[Entity], *, columns: Columns, tags: Tags, names: LabelNames
) -> Tagged | BadRow:
    renamed = [replace(entity, type=names.name(entity.type)) for entity in entities]
    for entity in renamed:
        if reason := names.refusal((entity.type,)):
            return _bad_word(row, entity.start, reason, columns=columns)
    written = tags_of(renamed, len(tagged.sentence.words), tags.to)
    return replace(tagged, tags=written, types=tuple(entity.type for entity in renamed))


def _tags_in(value: object, sentence: Sentence, column: str) -> list[str] | str:
    if not isinstance(value, list):
        return f"column `{column}` holds {kind_of(value)}, not a list of tags"
    found = cast("list[object]", value)
    if len(found) != len(sentence.words):
        return f"{counted(len(found), 'tag')} for {counted(len(sentence.words), 'token')}"
    for number, tag in enumerate(found):
        if not isinstance(tag, str) or not tag:
            return f"tag {number} of column `{column}` is {kind_of(tag)}"
    return cast("list[str]", found)


def _ill_formed(
    row: Row, tags: Sequence[str], position: int, reason: str, *, columns: Columns, scheme: Scheme
) -> BadRow:
    place = "" if row.lines else f" (token {position})"
    other = next((other for other in PREFIXES if not problems_of(tags, other)), None)
    remedy = REPAIRS if other is None else f"{IN_ANOTHER.format(other)}, {REPAIRS}"
    what = f"{ILL_FORMED}{scheme} tags: {reason}{place}"
    return _bad_word(row, position, what, columns=columns, remedy=remedy)


def _bad_word(row: Row, position: int, reason: str, *, columns: Columns, remedy: str | None = None) -> BadRow:
    """The bad row of one word, which has a line of its own in a file of words."""
    if not row.lines:
        return BadRow(row.line, reason, row.text, remedy)
    cells = (cast("list[str]", row.fields[name])[position] for name in (columns.text, columns.label or TAGS))
    return BadRow(row.lines[position], reason, shown(" ".join(cells)), remedy)


def _line(row: Row, position: int) -> int:
    return row.lines[position] if row.lines else row.line


def _bad(row: Row, reason: str) -> BadRow:
    return BadRow(row.line, reason, row.text)
