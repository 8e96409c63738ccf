"""`ftcli eval`: a checkpoint's scores on a prepared split, or on a file of labelled rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ftcli.data.checks import RowCheck, Rules
from ftcli.data.dataset import Prepared, open_prepared
from ftcli.data.readers import BadRow, label_text
from ftcli.data.tagging import ILL_FORMED
from ftcli.errors import CheckpointError, DataError, Location, Problem
from ftcli.flows.inputs import SAY_SCHEME, Form, RowFile, open_rows
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.runtime.activity import Working
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Columns
from ftcli.spec.choices import card_task
from ftcli.tasks.breakdown import ClassRow
from ftcli.train.snapshot import ModelCard


@dataclass(frozen=True, slots=True)
class Report:
    """A checkpoint's scores, in all, label by label, and as counts [gold][predicted] where rows have one label each.

    `loss` is the mean over items; None where none of them has a label.
    """

    checkpoint: str
    data: str
    num_rows: int
    loss: float | None
    metrics: dict[str, float]
    labels: list[str]
    per_class: list[ClassRow]
    confusion: list[list[int]] | None


def evaluate(
    checkpoint: Path,
    *,
    split: str = "validation",
    data: Path | None = None,
    file: RowFile | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    code: Path | None = None,
) -> Working[Report]:
    """Score a checkpoint.

    Args:
        checkpoint: A checkpoint or an exported folder.
        split: The split of a prepared data set.
        data: A prepared data set's folder; the one that the checkpoint was trained on if not given.
        file: Labelled rows instead of a split.
        device: "auto", "cpu" or "cuda".
        batch_size: Rows that are scored at once.
        code: Where code of the user's own is, if not where it was.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, of another task, or knows other labels.
        DataError: the rows can't be used.
    """
    if file is not None:
        file.check()
    predictor = open_predictor(checkpoint, device=device, batch_size=batch_size, code=code)
    if file is not None:
        chosen = _Rows(file.name, _file_rows(file, predictor))
    else:
        chosen = _rows_of_split(data, split, predictor, checkpoint)
    read = yield from predictor.read(chosen.rows, total=chosen.total)
    scored = yield from predictor.score(read, name=chosen.name)
    detail = predictor.task.detail(scored.found, read)
    return Report(
        checkpoint=str(checkpoint),
        data=chosen.name,
        num_rows=read.num_rows,
        loss=scored.loss,
        metrics=predictor.task.measure(scored.found, read),
        labels=predictor.card.labels,
        per_class=detail.per_class,
        confusion=detail.confusion,
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Labelled rows: what they are called, and how many there are where that is known."""

    name: str
    rows: Iterator[Fields]
    total: int | None = None


def _rows_of_split(data: Path | None, split: str, predictor: Predictor, checkpoint: Path) -> _Rows:
    prepared = _open_data(data, predictor)
    _check_labels(prepared, predictor, checkpoint)
    total = {str(name): facts.rows for name, facts in prepared.facts.splits.items()}.get(split)
    return _Rows(f"{prepared.facts.name} {split}", _split_rows(prepared, split, predictor), total)


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
