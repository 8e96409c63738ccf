"""A file that `ftcli predict` has written, held against labelled rows: the same rows in the same order, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import orjson
import torch
from torch import Tensor

from ftcli.data.archives import open_file
from ftcli.data.checks import row_inputs
from ftcli.data.conll import WORDS
from ftcli.data.readers import TEXT_COLUMN, BadRow, ending_of, read_rows
from ftcli.errors import DataError, Location, UsageError
from ftcli.flows.outputs import FORMATS
from ftcli.flows.predictor import Predictor
from ftcli.flows.sample import Sample
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


def metrics_of_file(path: Path, sample: Sample, predictor: Predictor) -> RowMetrics:
    """The metrics of predictions for the rows of a sample.

    Raises:
        DataError: the file's rows are others, or hold no such predictions.
        UsageError: the task is a custom one.
    """
    answers = _matched(path, sample, predictor.card)
    match inner_task(predictor.task):
        case Classification() as task:
            return _of_labels(task, answers, sample)
        case MultiLabel() as task:
            return _of_label_sets(task, answers, sample)
        case Regression() as task:
            return task.row_metrics(
                torch.tensor([each.get("value", _number) for each in answers]).double(), sample.split
            )
        case Tagging() as task:
            return _of_tags(task, answers, sample)
        case _:
            what = f"what a custom task answers can't be read back from {path}"
            raise UsageError(what, hint="compare with the checkpoint that the predictions are from")


def _matched(path: Path, sample: Sample, card: ModelCard) -> list[Answer]:
    """The rows of a file, which are those of the sample."""
    answers: list[Answer] = []
    with open_file(path) as stream:
        for row in read_rows(stream, _format_of(path), name=path.name, columns=Columns(text="0", label="-1")):
            where = Location(str(path), row.line)
            if isinstance(row, BadRow):
                raise DataError(row.reason, where=where)
            answers.append(Answer({name: _value(value) for name, value in row.fields.items()}, where))
            if len(answers) <= len(sample.rows):
                _check_same(answers[-1], sample.rows[len(answers) - 1], sample, card)
    if len(answers) != len(sample.rows):
        what = f"{path} has {counted(len(answers))}, and {sample.name} has {len(sample.rows):,}"
        raise DataError(what, hint="compare with predictions for the very rows that are scored")
    return answers


def _format_of(path: Path) -> Format:
    """The format that predict writes under such a name.

    Raises:
        UsageError: it writes none.
    """
    kind = FORMATS.get(ending_of(path.name))
    if kind is None:
        what = f"can't tell from its ending how the predictions in {path} are written"
        raise UsageError(what, hint=f"endings that predict writes: {', '.join(FORMATS)}, each also with .gz")
    return Format(kind=kind, quotes="standard", delimiter="\t" if kind == "conll" else None)


def _value(cell: object) -> object:
    """What a cell of a CSV stands for where it holds more than a text."""
    if isinstance(cell, str) and cell[:1] in {"[", "{"}:
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(cell)
    return cell


def _check_same(answer: Answer, row: Fields, sample: Sample, card: ModelCard) -> None:
    names = _text_names(answer.fields, card)
    texts = card.columns.texts
    given = row_inputs(answer.fields, names, columns=card.columns, task=card_task(card.task)) if names else {}
    if isinstance(given, str) or [given.get(name) for name in texts] != [_plain(row[name]) for name in texts]:
        what = f"this is not the row that stands in its place in {sample.name}"
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


def _of_labels(task: Classification, answers: Sequence[Answer], sample: Sample) -> RowMetrics:
    predicted = torch.tensor([each.get("label", _place_in(task.labels)) for each in answers])
    return task.metrics_of(predicted, _log_probabilities(task, answers, predicted), sample.split)


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


def _of_label_sets(task: MultiLabel, answers: Sequence[Answer], sample: Sample) -> RowMetrics:
    found = torch.stack([each.get("probabilities", _each_of(task.labels)) for each in answers])
    decided = torch.zeros_like(found, dtype=torch.bool)
    place = _place_in(task.labels)
    for row, each in enumerate(answers):
        decided[row, each.get("labels", _places(place))] = True
    return task.metrics_of(decided, found, sample.split)


def _places(place: Callable[[object], int]) -> Callable[[object], list[int]]:
    def places(value: object) -> list[int]:
        if not isinstance(value, list):
            raise TypeError("it is no list")
        return [place(each) for each in cast("list[object]", value)]

    return places


def _of_tags(task: Tagging, answers: Iterable[Answer], sample: Sample) -> RowMetrics:
    place = _place_in(task.labels)
    numbers: list[int] = []
    for each, count in zip(answers, cast("list[int]", sample.split.row_item_counts().tolist()), strict=True):
        tags = each.get("tags", _places(place))
        if len(tags) != count:
            raise DataError(f"{counted(len(tags), 'tag')} for {counted(count, 'word')}", where=each.where)
        numbers += tags
    return task.row_metrics(torch.tensor(numbers), sample.split)
