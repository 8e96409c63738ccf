"""Rows with labels, of a prepared split or of a file, under the names that a checkpoint has for their columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ftcli.data.checks import RowCheck, Rules
from ftcli.data.dataset import Prepared, open_prepared
from ftcli.data.readers import BadRow, label_text
from ftcli.data.tagging import ILL_FORMED
from ftcli.errors import CheckpointError, DataError, Location, Problem
from ftcli.flows.inputs import SAY_SCHEME, Form, RowFile, open_rows
from ftcli.flows.predictor import Predictor
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Columns
from ftcli.spec.choices import card_task
from ftcli.train.card import ModelCard


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Labelled rows: what they are called, and how many there are where that is known."""

    name: str
    rows: Iterable[Fields]
    total: int | None = None

    def in_memory(self) -> LabelledRows:
        """The same rows, for more than one reader.

        Raises:
            DataError: they can't be used.
        """
        rows = list(self.rows)
        return LabelledRows(self.name, rows, len(rows))


def rows_of_file(file: RowFile, predictor: Predictor) -> LabelledRows:
    """The rows of a file, each of which has to have a label.

    Raises:
        DataError: they can't be used; as they are read.
    """
    return LabelledRows(file.name, _file_rows(file, predictor))


def rows_of_split(data: Path | None, split: str, predictor: Predictor, checkpoint: Path) -> LabelledRows:
    """The rows of a prepared split, of the data set that the checkpoint was trained on if no other is named.

    Raises:
        CheckpointError: the data set has other labels.
        DataError: there is no such data set or split, or rows have no labels; as they are read.
    """
    prepared = _open_data(data, predictor)
    _check_labels(prepared, predictor, checkpoint)
    facts = prepared.facts.splits.get(split)
    rows = _split_rows(prepared, split, predictor)
    return LabelledRows(f"{prepared.facts.name} {split}", rows, facts.rows if facts else None)


def _open_data(data: Path | None, predictor: Predictor) -> Prepared:
    try:
        return open_prepared(data or Path(predictor.card.data_folder))
    except DataError as error:
        if data is not None:
            raise
        hint = "say where rows are: --data DIR (a prepared data set) or --input FILE"
        raise DataError([Problem(p.what, p.where, hint) for p in error.problems]) from None


def _check_labels(prepared: Prepared, predictor: Predictor, checkpoint: Path) -> None:
    theirs, ours = list(prepared.facts.labels), predictor.card.labels
    if theirs != ours:
        what = f"{checkpoint} was trained for the labels {', '.join(ours)}; {prepared.folder} has {', '.join(theirs)}"
        raise CheckpointError(what, hint="evaluate a checkpoint on data with its own labels, in its own order")


def _split_rows(prepared: Prepared, split: str, predictor: Predictor) -> Iterator[Fields]:
    for number, row in enumerate(prepared.rows(split), start=1):
        where = Location(str(prepared.folder / f"{split}.jsonl"), number)
        _check_labelled(row, predictor.card.columns, predictor, where)
        yield row


def _file_rows(file: RowFile, predictor: Predictor) -> Iterator[Fields]:
    """The rows of a file, as `prepare` would write them. The first one tells the form of all."""
    opened = open_rows(file, predictor.card)
    check: RowCheck | None = None
    for row in opened.rows():
        if isinstance(row, BadRow):
            raise DataError(row.reason, where=Location(file.name, row.line, text=row.text))
        check = check or _check_of(opened.form_of(row.fields), predictor.card)
        _check_labelled(row.fields, check.columns, predictor, Location(file.name, row.line))
        checked = check.check(row)
        if isinstance(checked, BadRow):
            hint = SAY_SCHEME if checked.reason.startswith(ILL_FORMED) else None
            raise DataError(checked.reason, where=Location(file.name, checked.line), hint=hint)
        yield checked.fields


def _check_of(form: Form, card: ModelCard) -> RowCheck:
    """What is asked of rows of a form: what was asked in training, for the labels that the model knows."""
    tags = card.source.tags.model_copy(update={"scheme": form.scheme or "auto", "to": card.scheme or "bioes"})
    reading = card.source.model_copy(update={"columns": form.columns, "tags": tags})
    rules = Rules.of_known(card_task(card.task), card.labels, reading=reading, written=card.columns)
    return RowCheck("validation", form.columns, rules)


def _check_labelled(row: Fields, columns: Columns, predictor: Predictor, where: Location) -> None:
    value = row.get(columns.label) if columns.label else None
    may_be_none = card_task(predictor.card.task) == "multilabel"
    if value is None or (label_text(value) is None and not may_be_none):
        what = f"there is no label in column `{columns.label}`, and only labelled rows can be scored"
        raise DataError(what, where=where, hint="`ftcli predict` needs no labels")
