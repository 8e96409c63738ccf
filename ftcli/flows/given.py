"""The rows that `ftcli predict` is given, under the model's own names, each with what stands beside it if it is bad."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import islice
from typing import cast

from ftcli.data.checks import row_inputs
from ftcli.data.labels import LabelNames
from ftcli.data.readers import BadRow, Row
from ftcli.data.tagging import read_tagged
from ftcli.data.tags import Scheme
from ftcli.errors import DataError, Location, Problem
from ftcli.flows.inputs import SAY_SCHEME, Form, Input, Opened, open_rows
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Tags
from ftcli.spec.choices import card_task
from ftcli.train.card import ModelCard

GOES_ON = "`--keep-going` gives such rows an `error` field and goes on"
PLAIN_TEXT = "`--format text` reads plain lines"


@dataclass(frozen=True, slots=True)
class Given:
    """A row of the input: its fields, what the model reads of it, or what stands beside it instead of a prediction.

    It begins at `line`.
    """

    line: int
    fields: Fields
    inputs: Fields
    failure: Fields | None = None


def read_given(source: Input, card: ModelCard, *, in_columns: bool, skip: int = 0) -> Generator[Given]:
    """Stream the rows behind the first `skip` ones.

    Raises:
        DataError: a row can't be used, and the input does not say to keep going; or true tags that are to stand in
            columns are of another scheme.
    """
    opened = open_rows(source, card)
    for row in islice(opened.rows(), skip, None):
        inputs = _inputs(row, opened, card)
        if not isinstance(inputs, Problem):
            words = _in_columns(row, inputs, opened, card) if in_columns and isinstance(row, Row) else {}
            yield Given(row.line, _fields(row) | words, inputs)
        elif source.keep_going:
            place = {"line": row.line} if isinstance(row, BadRow) else {}
            yield Given(row.line, _fields(row), {}, {**place, "error": inputs.what})
        else:
            raise DataError([inputs])


def _in_columns(row: Row, inputs: Fields, opened: Opened, card: ModelCard) -> Fields:
    """What columns are written from besides the prediction: words, and true tags where the row has them."""
    words: Fields = {"tokens": inputs[card.columns.text]}
    form = opened.form_of(row.fields)
    if form.columns.label is None or card.scheme is None:
        return words
    return words | {"gold": _gold(row, form, opened, written=card.scheme, card=card)}


def _gold(row: Row, form: Form, opened: Opened, *, written: Scheme, card: ModelCard) -> list[str] | None:
    """A row's true tags in the scheme that is predicted; they may be of types that the model does not know.

    A tagger may itself have written them, in a sequence that is not well-formed: of the same scheme they stay as they
    are, of another they become the tags of what they spell.

    Raises:
        DataError: they are no tags of the scheme.
    """
    reading, is_known = card.source, form.knows_tags(row.fields)
    if is_known and form.scheme == written and not form.reads_tags(row.fields):
        return cast("list[str]", row.fields[form.columns.label or ""])
    tags = Tags(to=written, invalid="repair" if is_known else reading.tags.invalid)
    names = LabelNames(None, reading.label_map, "entity type")
    found = read_tagged(row, columns=form.columns, tags=tags, scheme=form.scheme or written, names=names)
    if isinstance(found, BadRow):
        hint = f"{SAY_SCHEME}, or leave them out: --output-format jsonl"
        raise DataError(found.reason, where=Location(opened.file.name, found.line, text=found.text), hint=hint)
    return found.tags


def _fields(row: Row | BadRow) -> Fields:
    return row.fields if isinstance(row, Row) else {}


def _inputs(row: Row | BadRow, opened: Opened, card: ModelCard) -> Fields | Problem:
    """What the model reads of a row, under its own names for it."""
    if isinstance(row, BadRow):
        return Problem(row.reason, Location(opened.file.name, row.line, text=row.text), GOES_ON)
    names, where = opened.form_of(row.fields).columns.texts, Location(opened.file.name, row.line)
    for option, name in zip(("--text", "--pair"), names, strict=False):
        if name not in row.fields:
            what = f"there is no column `{name}`; this row has {', '.join(row.fields)}"
            plain = f"{PLAIN_TEXT}; " if card.columns.pair is None and opened.is_table else ""
            return Problem(what, where, f"`{option} COLUMN` says what it is called here; {plain}{GOES_ON}")
    found = row_inputs(row.fields, names, columns=card.columns, task=card_task(card.task))
    return Problem(found, where, GOES_ON) if isinstance(found, str) else found
