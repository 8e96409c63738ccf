"""A file that `ftcli predict` has written, held against labelled rows: the same rows in the same order, or none."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar, cast

import orjson
import torch
from torch import Tensor

from ftcli.data.archives import open_file
from ftcli.data.checks import row_inputs
from ftcli.data.conll import WORDS
from ftcli.data.readers import TEXT_COLUMN, BadRow, ending_of, read_rows
from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import DataError, Location, UsageError
from ftcli.flows.labelled import LabelledRows
from ftcli.flows.outputs import form_of_predictions
from ftcli.flows.predictor import Predictor
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Columns, Format
from ftcli.spec.choices import card_task
from ftcli.spec.wording import counted
from ftcli.tasks.classification import Classification
from ftcli.tasks.custom import inner_task
from ftcli.tasks.metrics import RowMetrics
from ftcli.tasks.multilabel import MultiLabel
from ftcli.tasks.regression import Regression
from ftcli.tasks.tagging import Tagging
from ftcli.train.card import ModelCard

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A predicted row, and where it is."""

    fields: Fields
    where: Location

    def get(self, name: str, read: Callable[[object], T]) -> T:
        """A field of it.

        Raises:
            DataError: it has none that can be read so.
        """
        try:
            return read(self.fields[name])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"there is no `{name}` here" if name not in self.fields else f"`{name}` can't be read: {error}"
            hint = "compare with a file that `ftcli predict` wrote with a model for this task"
            raise DataError(what, where=self.where, hint=hint) from None


Measured = Callable[[TokenizedSplit], RowMetrics]
"""The metrics of predictions for a split."""


def read_predictions(path: Path, rows: LabelledRows, predictor: Predictor) -> Measured:
    """Predictions for these rows, all of which are read before anything is scored.

    Raises:
        DataError: the file's rows are others, or hold no such predictions.
        UsageError: the task is a custom one.
    """
    task = inner_task(predictor.task)
    if not isinstance(task, Classification | MultiLabel | Regression | Tagging):
        what = f"what a custom task answers can't be read back from {path}"
        raise UsageError(what, hint="compare with the checkpoint that the predictions are from")
    answers = _matched(path, rows, predictor)
    match task:
        case Classification():
            return _of_labels(task, answers)
        case MultiLabel():
            return _of_label_sets(task, answers)
        case Regression():
            values = torch.tensor([each.get("value", _number) for each in answers]).double()
            return lambda split: task.row_metrics(values, split)
        case Tagging():
            return _of_tags(task, answers, rows)


def _matched(path: Path, rows: LabelledRows, predictor: Predictor) -> list[Answer]:
    """The predicted rows of a file, which are those that are to be scored."""
    answers: list[Answer] = []
    for expected, answer in zip_longest(rows.rows, _answers_in(path, predictor)):
        if answer is not None:
            answers.append(answer)
        if answer is not None and expected is not None:
            _check_same(answer, expected, rows.name, predictor.card)
    if len(answers) != rows.total:
        what = f"{path} has {counted(len(answers))}, and {rows.name} has {rows.total:,}"
        raise DataError(what, hint="compare with predictions for the very rows that are scored")
    return answers


def _answers_in(path: Path, predictor: Predictor) -> Iterator[Answer]:
    form = form_of_predictions(path)
    delimiter = "\t" if form == "conll" else _delimiter_of(path, predictor.task.results[0])
    format = Format(kind=form, quotes="standard", delimiter=delimiter)
    with open_file(path) as stream:
        for row in read_rows(stream, format, name=path.name, columns=Columns(text="0", label="-1")):
            where = Location(str(path), row.line)
            if isinstance(row, BadRow):
                raise DataError(row.reason, where=where)
            yield Answer({name: _value(value) for name, value in row.fields.items()}, where)


def _delimiter_of(path: Path, result: str) -> str | None:
    """What parts the cells of a table where it is not what its ending says: then the header has the result's name."""
    usual = {".csv": ",", ".tsv": "\t"}.get(ending_of(path.name))
    if usual is None:
        return None
    with open_file(path) as stream:
        header = stream.readline().decode(errors="replace").rstrip("\r\n")
    others = (each for each in dict.fromkeys(header) if each != '"')
    fitting = (each for each in (usual, *others) if result in next(csv.reader([header], delimiter=each), list[str]()))
    return next(fitting, None)


def _value(cell: object) -> object:
    """What a cell of a CSV stands for where it holds more than a text."""
    if isinstance(cell, str) and cell[:1] in {"[", "{"}:
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(cell)
    return cell


def _check_same(answer: Answer, row: Fields, name: str, card: ModelCard) -> None:
    names = _text_names(answer.fields, card)
    texts = card.columns.texts
    given = row_inputs(answer.fields, names, columns=card.columns, task=card_task(card.task)) if names else {}
    if isinstance(given, str) or [given.get(text) for text in texts] != [_plain(row[text]) for text in texts]:
        what = f"this is not the row that stands in its place in {name}"
        raise DataError(what, where=answer.where, hint="compare with predictions for the very rows that are scored")


def _plain(value: object) -> object:
    return repr(value) if isinstance(value, int | float) else value


def _text_names(fields: Fields, card: ModelCard) -> tuple[str, ...]:
    """What a predicted row calls its texts: as prepared rows do, or as the files that the model was trained on."""
    known = (card.columns.texts, card.source.columns.texts, (TEXT_COLUMN,), (WORDS,))
    width = len(card.columns.texts)
    return next((names for names in known if len(names) == width and all(name in fields for name in names)), ())


def _number(value: object) -> float:
    return float(cast("str", value))


def _place_in(labels: Sequence[str]) -> Callable[[object], int]:
    numbers = {label: number for number, label in enumerate(labels)}

    def place(value: object) -> int:
        if str(value) not in numbers:
            raise ValueError(f"the model knows no label {value}")
        return numbers[str(value)]

    return place


def _of_labels(task: Classification, answers: Sequence[Answer]) -> Measured:
    predicted = torch.tensor([each.get("label", _place_in(task.labels)) for each in answers])
    found = _log_probabilities(task, answers, predicted)
    return lambda split: task.metrics_of(predicted, found, split)


def _log_probabilities(task: Classification, answers: Sequence[Answer], predicted: Tensor) -> Tensor | None:
    """Of all labels, where the file tells them: of two labels, one follows from the other."""
    if all("probabilities" in each.fields for each in answers):
        return torch.stack([each.get("probabilities", _each_of(task.labels)) for each in answers]).log()
    if len(task.labels) != 2 or not all("probability" in each.fields for each in answers):
        return None
    given = torch.tensor([each.get("probability", _number) for each in answers]).double()
    positive = torch.where(predicted == 1, given, 1 - given)
    return torch.stack((1 - positive, positive), dim=1).log()


def _each_of(labels: Sequence[str]) -> Callable[[object], Tensor]:
    return lambda value: torch.tensor([_number(cast("Fields", value)[label]) for label in labels]).double()


def _of_label_sets(task: MultiLabel, answers: Sequence[Answer]) -> Measured:
    found = torch.stack([each.get("probabilities", _each_of(task.labels)) for each in answers])
    decided = torch.zeros_like(found, dtype=torch.bool)
    place = _place_in(task.labels)
    for row, each in enumerate(answers):
        decided[row, each.get("labels", _places(place))] = True
    return lambda split: task.metrics_of(decided, found, split)


def _places(place: Callable[[object], int]) -> Callable[[object], list[int]]:
    def places(value: object) -> list[int]:
        if not isinstance(value, list):
            raise TypeError("it is no list")
        return [place(each) for each in cast("list[object]", value)]

    return places


def _of_tags(task: Tagging, answers: Iterable[Answer], rows: LabelledRows) -> Measured:
    place = _place_in(task.labels)
    numbers: list[int] = []
    for each, row in zip(answers, rows.rows, strict=True):
        tags, count = each.get("tags", _places(place)), len(cast("list[str]", row[task.words]))
        if len(tags) != count:
            raise DataError(f"{counted(len(tags), 'tag')} for {counted(count, 'word')}", where=each.where)
        numbers += tags
    return lambda split: task.row_metrics(torch.tensor(numbers), split)
