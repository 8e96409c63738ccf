"""Is a row fit to train on? Each answer names what is wrong, for whoever has to mend the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import orjson

from ftcli.data.labels import Answer, LabelNames, kind_of, label_names, listed, read_label, read_labels, read_number
from ftcli.data.readers import label_text
from ftcli.data.rows import BadRow, Row
from ftcli.data.tagging import Mended, read_tagged, sentence_of, written_columns
from ftcli.data.tags import Scheme, types_of
from ftcli.errors import DataError, Location, Problem
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import CardTask, Columns, DataCard, Reading, Split, Tags
from ftcli.spec.nearest import did_you_mean, nearest

ANY_NUMBER = "set task.multi_label = true if rows have any number of labels, also none"


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row that can be used: its line, its fields as written, its texts, and the labels it counts for.

    Labels are its label, its labels, or the types of its entities, and None where it is not labelled.
    """

    line: int
    fields: dict[str, object]
    texts: tuple[str, ...]
    labels: tuple[str, ...] | None
    mended: Mended | None = None
    num_words: int | None = None


@dataclass(slots=True)
class Rules:
    """What is asked of rows, and what the first of them have settled: labels, and what their columns are called."""

    task: CardTask
    names: LabelNames
    separator: str = ","
    tags: Tags = field(default_factory=Tags)
    scheme: Scheme = "bio"
    written: Columns | None = None

    @classmethod
    def of(cls, card: DataCard) -> Rules:
        """The rules of a data card; tags whose scheme it leaves open are bio."""
        scheme: Scheme = "bio" if card.tags.scheme == "auto" else card.tags.scheme
        return cls(card.task, label_names(card), card.label_separator, card.tags, scheme)

    @classmethod
    def of_known(cls, task: CardTask, labels: Iterable[str], *, reading: Reading, written: Columns) -> Rules:
        """The rules of rows that are read as others were, for labels that are known; then their columns are `written`.

        Tags are read in the scheme `reading.tags.scheme`.
        """
        is_tagged = task == "tagging"
        known = types_of(labels) if is_tagged else tuple(labels)
        names = LabelNames(known, reading.label_map, "entity type" if is_tagged else "label")
        scheme: Scheme = "bio" if reading.tags.scheme == "auto" else reading.tags.scheme
        return cls(task, names, reading.label_separator, reading.tags, scheme, written)


@dataclass(slots=True)
class RowCheck:
    """Checks the rows of one file, whose columns are called `columns`.

    Where labels are optional the first row decides for all, so that a split is labelled wholly or not at all.
    """

    split: Split
    columns: Columns
    rules: Rules
    labelled: bool | None = None

    def __post_init__(self) -> None:
        if self.split != "test":
            self.labelled = True

    def check(self, row: Row) -> CheckedRow | BadRow:
        """Return the row as it will be written, or the reason why it can't be used."""
        match self.rules.task:
            case "tagging":
                return self._tagged(row)
            case "custom":
                result = self._custom(row)
            case _:
                result = self._answered(row)
        return self._bad(row, result) if isinstance(result, str) else result

    def _bad(self, row: Row, reason: str) -> BadRow:
        """The bad row; of one without exactly one label, what would take it."""
        value = row.fields.get(self.columns.label or "")
        is_no_label = isinstance(value, list) or label_text(value) is None
        remedy = ANY_NUMBER if self.rules.task == "classification" and is_no_label else None
        return BadRow(row.line, reason, row.text, remedy)

    def _tagged(self, row: Row) -> CheckedRow | BadRow:
        rules = self.rules
        found = read_tagged(row, columns=self.columns, tags=rules.tags, scheme=rules.scheme, names=rules.names)
        if isinstance(found, BadRow):
            return found
        reason = self._unlike_the_others(is_labelled=found.tags is not None)
        if reason is not None:
            return BadRow(row.line, reason, row.text)
        if rules.written is None:
            rules.written = written_columns(self.columns, is_text=found.sentence.text is not None)
        fields = found.fields(row, self.columns, written=rules.written)
        types = found.types if found.tags is not None else None
        words = found.sentence.words
        return CheckedRow(row.line, fields, (" ".join(words),), types, found.mended, len(words))

    def _custom(self, row: Row) -> CheckedRow | str:
        texts: list[str] = []
        for column in self.columns.texts:
            value = row.fields.get(column)
            if value is None:
                return f"column `{column}` is missing"
            texts.append(value if isinstance(value, str) else orjson.dumps(value).decode())
        return CheckedRow(row.line, row.fields, tuple(texts), None)

    def _answered(self, row: Row) -> CheckedRow | str:
        texts = row_texts(row.fields, self.columns.texts)
        if isinstance(texts, str):
            return texts
        answer = self._answer(row.fields.get(self.columns.label or ""))
        if isinstance(answer, str):
            return answer
        reason = self._unlike_the_others(is_labelled=answer is not None)
        if reason is not None:
            return reason
        fields = row.fields | dict(zip(self.columns.texts, texts, strict=True))
        if answer is None:
            return CheckedRow(row.line, fields, texts, None)
        fields[self.columns.label or ""] = answer.value
        return CheckedRow(row.line, fields, texts, answer.labels)

    def _answer(self, value: object) -> Answer | str | None:
        column, names = self.columns.label or "", self.rules.names
        match self.rules.task:
            case "regression":
                return read_number(value, column=column)
            case "multilabel":
                return read_labels(value, names=names, column=column, separator=self.rules.separator)
            case _:
                return read_label(value, names=names, column=column)

    def _unlike_the_others(self, *, is_labelled: bool) -> str | None:
        if self.labelled is None:
            self.labelled = is_labelled
        if self.labelled == is_labelled:
            return None
        if is_labelled:
            return (
                f"it has a label (column `{self.columns.label}`), but the rows before it have none: label all or none"
            )
        others = ", but the rows before it have one: label all or none" if self.split == "test" else ""
        return f"it has no label in column `{self.columns.label}`{others}"


def row_texts(fields: Mapping[str, object], columns: Iterable[str]) -> tuple[str, ...] | str:
    """Return a row's texts, as the model will read them, or the reason why one of them is none."""
    texts: list[str] = []
    for column in columns:
        text, reason = _text(fields, column)
        if reason is not None:
            return reason
        texts.append(text)
    return tuple(texts)


def row_inputs(fields: Fields, names: Iterable[str], *, columns: Columns, task: str) -> Fields | str:
    """Return what the model reads of a row, under the columns' names, or the reason why it can't be used."""
    names = tuple(names)
    if task == "tagging":
        sentence = sentence_of(fields.get(names[0]), names[0])
        return sentence if isinstance(sentence, str) else {columns.text: sentence.words, **sentence.origin}
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
            return "", f"column `{column}` holds {kind_of(other)}, not text"


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
            near = nearest(name, row.fields)
            meant = f"{did_you_mean(near)} " if near is not None else ""
            problems.append(Problem(f"there is no column `{name}`", where, f"{meant}The columns are: {there}"))
    if problems:
        raise DataError(problems)
