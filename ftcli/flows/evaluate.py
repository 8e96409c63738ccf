"""`ftcli eval`: a checkpoint's scores on a prepared split, or on a file of labelled rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from ftcli.data.checks import row_texts
from ftcli.data.dataset import Prepared, open_prepared
from ftcli.data.readers import BadRow, label_text
from ftcli.errors import CheckpointError, DataError, Location, Problem
from ftcli.flows.inputs import RowFile
from ftcli.flows.predict import WINDOW_ROWS
from ftcli.flows.predictions import Fields
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.runtime.activity import Activity, Working
from ftcli.spec.card import Format
from ftcli.tasks.metrics import class_scores, confusion_matrix


@dataclass(frozen=True, slots=True)
class Report:
    """A checkpoint's scores: `per_class` (label, precision, recall, F1, rows) and `confusion` [gold][predicted]."""

    checkpoint: str
    data: str
    num_rows: int
    loss: float
    metrics: dict[str, float]
    labels: list[str]
    per_class: list[tuple[str, float, float, float, int]]
    confusion: list[list[int]]


def evaluate(
    checkpoint: Path,
    *,
    split: str = "validation",
    data: Path | None = None,
    file: Path | None = None,
    format: Format | None = None,
    device: str = "auto",
    batch_size: int | None = None,
) -> Working[Report]:
    """Score a checkpoint.

    Args:
        checkpoint: A checkpoint or an exported folder.
        split: The split of a prepared data set.
        data: A prepared data set's folder; the one that the checkpoint was trained on if not given.
        file: A file of labelled rows instead of a split, or "-" for standard input.
        format: How the file is cut into rows.
        device: "auto", "cpu" or "cuda".
        batch_size: Rows that are scored at once.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, of another task, or knows other labels.
        DataError: the rows can't be used.
    """
    given = None if file is None else RowFile(str(file), format or Format())
    if given is not None:
        given.check()
    predictor = open_predictor(checkpoint, device=device, batch_size=batch_size)
    if given is not None:
        name, total, rows = given.name, None, _file_rows(given, predictor)
    else:
        prepared = _open_data(data, predictor)
        _check_labels(prepared, predictor, checkpoint)
        name = f"{prepared.facts.name} {split}"
        rows = _split_rows(prepared, split, predictor)
        total = {str(s): facts.rows for s, facts in prepared.facts.splits.items()}.get(split)
    found = yield from _score(rows, total, predictor)
    return _report(predictor, found, checkpoint=checkpoint, data=name)


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


Labelled = tuple[Fields, int]


def _split_rows(prepared: Prepared, split: str, predictor: Predictor) -> Iterator[Labelled]:
    for number, row in enumerate(prepared.rows(split), start=1):
        yield row, _label_number(row, predictor, Location(str(prepared.folder / f"{split}.jsonl"), number))


def _file_rows(file: RowFile, predictor: Predictor) -> Iterator[Labelled]:
    for row in file.rows():
        if isinstance(row, BadRow):
            raise DataError(row.reason, where=Location(file.name, row.line, text=row.text))
        where = Location(file.name, row.line)
        texts = row_texts(row.fields, predictor.card.columns.texts)
        if isinstance(texts, str):
            raise DataError(texts, where=where)
        yield row.fields, _label_number(row.fields, predictor, where)


def _label_number(row: Fields, predictor: Predictor, where: Location) -> int:
    column, labels = predictor.card.columns.label, predictor.card.labels
    text = label_text(row.get(column)) if column else None
    if text is None:
        what = f"there is no label in column `{column}`, and only labelled rows can be scored"
        raise DataError(what, where=where, hint="`ftcli predict` needs no labels")
    if text not in labels:
        raise DataError(f"unknown label `{text}`; the checkpoint knows {', '.join(labels)}", where=where)
    return labels.index(text)


@dataclass(frozen=True, slots=True)
class _Found:
    """Scores [rows, labels], label numbers [rows], and the mean loss."""

    scores: Tensor
    labels: Tensor
    loss: float


def _score(rows: Iterator[Labelled], total: int | None, predictor: Predictor) -> Working[_Found]:
    scores: list[Tensor] = []
    labels: list[int] = []
    loss = 0.0
    while window := list(islice(rows, WINDOW_ROWS)):
        numbers = [number for _, number in window]
        scored = predictor.score([fields for fields, _ in window], numbers)
        scores.append(scored.scores)
        labels += numbers
        loss += (scored.loss or 0.0) * len(window)
        yield Activity("evaluate", len(labels), total)
    if not labels:
        raise DataError("there are no rows to evaluate")
    return _Found(torch.cat(scores), torch.tensor(labels), loss / len(labels))


def _report(predictor: Predictor, found: _Found, *, checkpoint: Path, data: str) -> Report:
    known = predictor.card.labels
    confusion = confusion_matrix(found.labels, found.scores.argmax(1), len(known))
    each = class_scores(confusion)
    return Report(
        checkpoint=str(checkpoint),
        data=data,
        num_rows=len(found.labels),
        loss=found.loss,
        metrics=predictor.task.measure(found.scores, found.labels),
        labels=known,
        per_class=[
            (label, float(each.precision[n]), float(each.recall[n]), float(each.f1[n]), int(each.support[n]))
            for n, label in enumerate(known)
        ],
        confusion=[[int(count) for count in row] for row in confusion],
    )
