"""`ftcli eval`: a checkpoint's scores on a prepared split, or on a file of labelled rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ftcli.data.checks import RowCheck, Rules
from ftcli.data.dataset import Prepared, open_prepared
from ftcli.data.readers import BadRow, label_text
from ftcli.errors import CheckpointError, DataError, Location, Problem
from ftcli.flows.inputs import RowFile
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.runtime.activity import Working
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Format
from ftcli.spec.choices import card_task
from ftcli.tasks.breakdown import ClassRow


@dataclass(frozen=True, slots=True)
class Report:
    """A checkpoint's scores, in all, label by label, and as counts [gold][predicted] where rows have one label each."""

    checkpoint: str
    data: str
    num_rows: int
    loss: float
    metrics: dict[str, float]
    labels: list[str]
    per_class: list[ClassRow]
    confusion: list[list[int]] | None


def evaluate(
    checkpoint: Path,
    *,
    split: str = "validation",
    data: Path | None = None,
    file: Path | None = None,
    format: Format | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    code: Path | None = None,
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
        code: Where code of the user's own is, if not where it was.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, of another task, or knows other labels.
        DataError: the rows can't be used.
    """
    given = None if file is None else RowFile(str(file), format or Format())
    if given is not None:
        given.check()
    predictor = open_predictor(checkpoint, device=device, batch_size=batch_size, code=code)
    total = None
    if given is not None:
        name, rows = given.name, _file_rows(given, predictor)
    else:
        prepared = _open_data(data, predictor)
        _check_labels(prepared, predictor, checkpoint)
        name = f"{prepared.facts.name} {split}"
        rows = _split_rows(prepared, split, predictor)
        total = {str(s): facts.rows for s, facts in prepared.facts.splits.items()}.get(split)
    read = yield from predictor.read(rows, total=total)
    scored = yield from predictor.score(read, name=name)
    detail = predictor.task.detail(scored.found, read)
    return Report(
        checkpoint=str(checkpoint),
        data=name,
        num_rows=read.num_rows,
        loss=scored.loss or 0.0,
        metrics=predictor.task.measure(scored.found, read),
        labels=predictor.card.labels,
        per_class=detail.per_class,
        confusion=detail.confusion,
    )


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
        _check_labelled(row, predictor, Location(str(prepared.folder / f"{split}.jsonl"), number))
        yield row


def _file_rows(file: RowFile, predictor: Predictor) -> Iterator[Fields]:
    card = predictor.card
    rules = Rules.of_known(card_task(card.task), card.labels, scheme=card.scheme, columns=card.columns)
    check = RowCheck("validation", card.columns, rules)
    for row in file.rows():
        if isinstance(row, BadRow):
            raise DataError(row.reason, where=Location(file.name, row.line, text=row.text))
        where = Location(file.name, row.line)
        _check_labelled(row.fields, predictor, where)
        checked = check.check(row)
        if isinstance(checked, BadRow):
            raise DataError(checked.reason, where=Location(file.name, checked.line))
        yield checked.fields


def _check_labelled(row: Fields, predictor: Predictor, where: Location) -> None:
    column = predictor.card.columns.label
    value = row.get(column) if column else None
    may_be_none = card_task(predictor.card.task) == "multilabel"
    if value is None or (label_text(value) is None and not may_be_none):
        what = f"there is no label in column `{column}`, and only labelled rows can be scored"
        raise DataError(what, where=where, hint="`ftcli predict` needs no labels")
