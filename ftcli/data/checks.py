"""Is a row fit to train on? Each answer names what is wrong, for whoever has to mend the file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ftcli.data.dataset import BadRowFacts, BadRows
from ftcli.data.readers import BadRow, Row, label_text, shown
from ftcli.errors import DataError, Location, Problem
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Columns, Split

MAX_LABELS = 10_000
SHOWN_NAMES = 20
SHOWN_PROBLEMS = 10
KEPT_EXAMPLES = 100


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row that can be used: its fields as they will be written, its texts, and its label if it has one."""

    fields: dict[str, object]
    texts: tuple[str, ...]
    label: str | None


@dataclass(slots=True)
class RowCheck:
    """Checks the rows of one split.

    `labels` are the labels known; None means that every label is taken, and found afterwards in `seen`. Where
    labels are optional the first row decides for all, so that a split is labelled wholly or not at all.
    """

    split: Split
    columns: Columns
    labels: tuple[str, ...] | None
    seen: set[str] = field(default_factory=set[str])
    labelled: bool | None = None

    def __post_init__(self) -> None:
        if self.split != "test":
            self.labelled = True

    def check(self, row: Row) -> CheckedRow | str:
        """Return the row as it will be written, or the reason why it can't be used."""
        texts = row_texts(row.fields, self.columns.texts)
        if isinstance(texts, str):
            return texts
        label, reason = self._label(row.fields)
        if reason is not None:
            return reason
        fields = row.fields | dict(zip(self.columns.texts, texts, strict=True))
        if label is not None and self.columns.label is not None:
            fields[self.columns.label] = label
        return CheckedRow(fields, texts, label)

    def _label(self, fields: dict[str, object]) -> tuple[str | None, str | None]:
        value = fields.get(self.columns.label or "")
        label = label_text(value)
        if self.labelled is None:
            self.labelled = label is not None
        reason = self._refusal(value, label)
        if reason is None and label is not None:
            self.seen.add(label)
        return label, reason

    def _refusal(self, value: object, label: str | None) -> str | None:
        if label is None:
            others = ", but the rows before it have one: label all or none" if self.split == "test" else ""
            return f"it has no label in column `{self.columns.label}`{others}" if self.labelled else None
        if not self.labelled:
            return f"it has a label (`{shown(label)}`), but the rows before it have none: label all or none"
        if not isinstance(value, str | int | float):
            return f"column `{self.columns.label}` holds {_kind(value)}, not a label"
        if self.labels is not None and label not in self.labels:
            return f"unknown label `{shown(label)}`; the labels known are {listed(self.labels)}"
        return None


def row_texts(fields: Mapping[str, object], columns: Iterable[str]) -> tuple[str, ...] | str:
    """Return a row's texts, as the model will read them, or the reason why one of them is none."""
    texts: list[str] = []
    for column in columns:
        text, reason = _text(fields, column)
        if reason is not None:
            return reason
        texts.append(text)
    return tuple(texts)


def row_inputs(fields: Fields, names: Iterable[str], *, columns: Columns, task: str) -> Fields | str:  # noqa: ARG001
    """Return what the model reads of a row, under the columns' names, or the reason why it can't be used."""
    texts = row_texts(fields, names)
    return texts if isinstance(texts, str) else dict(zip(columns.texts, texts, strict=True))


def _text(fields: Mapping[str, object], column: str) -> tuple[str, str | None]:
    match fields.get(column):
        case str() as text if text.strip():
            return text, None
        case str():
            return "", f"column `{column}` is empty"
        case None:
            return "", f"column `{column}` is missing"
        case int() | float() as number if not isinstance(number, bool):
            return repr(number), None
        case other:
            return "", f"column `{column}` holds {_kind(other)}, not text"


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return "a list"
        case _:
            return "an object"


def check_columns(row: Row, *, columns: Columns, labelled: bool, where: Location) -> None:
    """Compare the columns that are wanted with those of a file's first row.

    Raises:
        DataError: Some are missing.
    """
    wanted = [*columns.texts, columns.label] if labelled else [*columns.texts]
    there = listed(row.fields) or "none"
    problems: list[Problem] = []
    for name in wanted:
        if name is not None and name not in row.fields:
            near = _nearest(name, row.fields)
            meant = f"did you mean `{near}`? " if near is not None else ""
            problems.append(Problem(f"there is no column `{name}`", where, f"{meant}The columns are: {there}"))
    if problems:
        raise DataError(problems)


def _nearest(name: str, there: Iterable[str]) -> str | None:
    by_folded = {other.casefold().strip(): other for other in there}
    near = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[near[0]] if near else None


def sort_labels(labels: Iterable[str], *, column: str | None) -> tuple[str, ...]:
    """Return labels in their order: by number if all are whole numbers, otherwise by text.

    Raises:
        DataError: There are so many that the column can't be one of labels.
    """
    found = sorted(labels)
    if len(found) > MAX_LABELS:
        what = f"column `{column}` has more than {MAX_LABELS} different values, too many for labels"
        raise DataError(what, hint="is it the right column? columns.label names it")
    if all(re.fullmatch(r"-?[0-9]+", label) for label in found):
        found.sort(key=int)
    return tuple(found)


def listed(names: Iterable[str]) -> str:
    """Return names as a list for a message, cut off where it gets long."""
    every = list(names)
    more = f" and {len(every) - SHOWN_NAMES} more" if len(every) > SHOWN_NAMES else ""
    return ", ".join(every[:SHOWN_NAMES]) + more


class BadRowTally:
    """Counts the rows that are left out, and stops when there are more than `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._examples: list[BadRowFacts] = []
        self._problems: list[Problem] = []

    def add(self, row: BadRow, *, split: Split, file: str, download: Path | None = None) -> None:
        """Leave a row out. `download` is the downloaded file that it comes from, if it does.

        Raises:
            DataError: It is one too many.
        """
        where = Location(file, row.line, text=row.text)
        self._count += 1
        if len(self._examples) < KEPT_EXAMPLES:
            self._examples.append(BadRowFacts(split=split, location=str(where), reason=row.reason))
        if len(self._problems) < SHOWN_PROBLEMS or self._count > self._limit:
            self._problems.append(Problem(f"a row can't be used: {row.reason}", where))
        if self._count > self._limit:
            raise self._too_many(download)

    def facts(self) -> BadRows:
        """Return the count and the first rows, for the record."""
        return BadRows(count=self._count, examples=tuple(self._examples))

    def _too_many(self, download: Path | None) -> DataError:
        last = self._problems.pop()
        mend = "mend the row" if download is None else f"delete {download} to download it again"
        allowed = f" (so far {self._limit} were left out)" if self._limit else ""
        hint = f"{mend}, or leave out up to N bad rows: ftcli prepare TARGET --max-bad-rows N{allowed}"
        return DataError([*self._problems, Problem(last.what, last.where, hint)])
