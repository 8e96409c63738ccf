"""Rows with what the model says of them, written as JSON lines or CSV, whole or not at all."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import IO, Literal, cast

import orjson
from torch import Tensor

from ftcli.errors import DataError
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Columns
from ftcli.tasks.base import Task
from ftcli.tasks.calibration import calibrated
from ftcli.train.assemble import Parts
from ftcli.train.card import read_card
from ftcli.train.evaluate import score_split
from ftcli.train.events import Evaluated, Event, Noted, PredictionsWritten
from ftcli.train.models import restored
from ftcli.train.run import Run

OutputFormat = Literal["jsonl", "csv", "conll"]


ERRORS = ("line", "error")
"""What a row that can't be used gets instead of results: its line, if it couldn't even be read, and why."""


def kept(row: Fields, *, reserved: Sequence[str]) -> Fields:
    """The input's fields; one that has a reserved name is kept under a free one: `input_...`, the first as `gold`.

    The first of the reserved names is that of the prediction itself.
    """
    result: Fields = {}
    for name, value in row.items():
        free = "gold" if name == reserved[0] else name
        while free in reserved or free in result or (free != name and free in row):
            free = f"input_{free}"
        result[free] = value
    return result


def answered(rows: Iterable[Fields], answers: Iterable[Fields], *, reserved: Sequence[str]) -> Generator[Fields]:
    """Each row with what the model says of it."""
    for row, answer in zip(rows, answers, strict=True):
        yield {**kept(row, reserved=reserved), **answer}


class RowWriter:
    """Writes windows of rows to a binary stream, as JSON lines, CSV, or columns (word, gold tag if known, tag).

    CSV takes its columns from the first window: the input's fields, then the `last` ones, whatever the window has.
    """

    def __init__(self, stream: IO[bytes], format: OutputFormat, *, last: Sequence[str] = ()) -> None:
        self._stream = stream
        self._format = format
        self._last = last
        self._columns: list[str] | None = None

    def write(self, rows: Sequence[Fields]) -> None:
        """Write some rows.

        Raises:
            DataError: CSV was asked for, and a later row has a field that the first ones had not.
        """
        if self._format == "jsonl":
            self._stream.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
            return
        if self._format == "conll":
            self._stream.writelines(_in_columns(row) for row in rows)
            return
        if self._columns is None:
            found = dict.fromkeys(name for row in rows for name in row if name not in self._last)
            self._columns = [*found, *self._last]
            self._stream.write(_csv_line(self._columns))
        for row in rows:
            if more := [name for name in row if name not in self._columns]:
                what = f"a row has a field `{more[0]}` that the CSV's header, made from the first rows, has not"
                raise DataError(what, hint="write JSON lines: --output-format jsonl")
            self._stream.write(_csv_line([_cell(row.get(name)) for name in self._columns]))


def _in_columns(row: Fields) -> bytes:
    """A sentence in columns, one word a line: the word, its true tag where the row has them, and the one predicted."""
    columns = [cast("list[str]", row[name]) for name in ("tokens", "gold", "tags") if isinstance(row.get(name), list)]
    return "".join("\t".join(cells) + "\n" for cells in zip(*columns, strict=True)).encode() + b"\n"


def as_columns(row: Fields, columns: Columns) -> Fields:
    """A predicted sentence's words, true tags and tags, by the names that columns are written from."""
    gold = row.get("gold" if columns.label == "tags" else columns.label or "gold")
    return {"tokens": row[columns.text], "gold": gold, "tags": row["tags"]}


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _csv_line(cells: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue().encode()


def predict_test(run: Run, parts: Parts) -> Generator[Event]:
    """Score the test split with the best checkpoint, all ranks together, and write its predictions.

    Raises:
        StopAsked: a signal has asked to stop; nothing is written.
    """
    started, step = time.perf_counter(), run.progress.step
    split = run.splits["test"]
    best = run.run_dir.best.resolve()
    task = calibrated(run.task, read_card(best).calibration)
    model = restored(best, parts.spec.model, run.task.outputs).to(run.world.device)
    scored = yield from score_split(
        model,
        split,
        name="test",
        task=task,
        world=run.world,
        pad_id=run.pad_id,
        batch_size=run.evaluation.batch_size,
        interrupt=run.interrupt,
    )
    if split.is_labelled:
        yield Evaluated(
            step=step,
            epoch=run.limits.epoch_at(step),
            split="test",
            rows=split.num_rows,
            loss=scored.loss,
            metrics=task.measure(scored.found, split),
            seconds=time.perf_counter() - started,
        )
    path = run.run_dir.predictions / "test.jsonl"
    if run.world.is_main:
        _write_split(path, run, parts, "test", task=task, found=scored.found)
    yield PredictionsWritten(step, "test", str(path), split.num_rows)


def predict_best(run: Run, parts: Parts) -> Generator[Event]:
    """Write what the model said of the validation split, which it has just scored best on.

    A run goes on without, if it must: whoever asks can have them from `ftcli predict`.
    """
    if not run.world.is_main or run.best_found is None:
        return
    path = run.run_dir.predictions / "validation.jsonl"
    try:
        _write_split(path, run, parts, "validation", task=run.task, found=run.best_found)
    except Exception as error:
        yield Noted(run.progress.step, f"{path} could not be written: {error}", "warning")


def _write_split(path: Path, run: Run, parts: Parts, name: str, *, task: Task, found: Tensor) -> None:
    """Write a split's rows, each with what the model says of it; a tagger's also as columns of words."""
    answers = task.answers(found, run.splits[name], parts.prepared.rows(name))
    write_whole(path, answered(parts.prepared.rows(name), answers, reserved=task.results))
    if task.outputs.per == "token":
        rows = (as_columns(row, parts.prepared.facts.columns) for row in read_rows_of(path))
        write_whole(path.with_suffix(".txt"), rows, "conll")


def read_rows_of(path: Path) -> Generator[Fields]:
    """Stream the rows of predictions that were written as JSON lines."""
    with path.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)


def write_whole(path: Path, rows: Iterable[Fields], format: OutputFormat = "jsonl") -> None:
    """Write rows to a file that appears only once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        writer = RowWriter(file, format)
        for row in rows:
            writer.write([row])
    partial.replace(path)
