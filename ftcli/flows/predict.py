"""`ftcli predict`: rows in, the same rows out in the same order with a label and its probability.

Rows stream through in windows. Within one they are sorted by length, so that little is padded; memory does not grow
with the input.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath
from typing import IO, cast

from ftcli.data.checks import row_inputs
from ftcli.data.readers import BadRow, Row
from ftcli.errors import DataError, Location, Problem, UsageError
from ftcli.flows.inputs import STANDARD, RowFile
from ftcli.flows.predictions import ERRORS, OutputFormat, RowWriter, answered, kept
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.runtime.activity import Activity, Working, finish
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Columns
from ftcli.spec.choices import card_task
from ftcli.train.snapshot import ModelCard

WINDOW_ROWS = 1024
FORMATS: dict[str, OutputFormat] = {
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    **dict.fromkeys((".conll", ".bio", ".bioes", ".txt"), "conll"),
}
GOES_ON = "`--keep-going` gives such rows an `error` field and goes on"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What became of an input: rows predicted, and rows that could not be read."""

    num_rows: int
    num_errors: int


@dataclass(frozen=True, slots=True)
class Input(RowFile):
    """Where rows come from, and what happens with a bad one.

    `text` and `pair` are the input's names for the model's text columns, where they differ.
    """

    text: str | None = None
    pair: str | None = None
    keep_going: bool = False

    def reserved(self, results: tuple[str, ...]) -> tuple[str, ...]:
        """The names of what is said of a row, which its own fields can't have."""
        return (*results, *ERRORS) if self.keep_going else results

    def names(self, columns: Columns) -> tuple[str, ...]:
        """The text columns under the input's names."""
        text = self.text or columns.text
        return (text,) if columns.pair is None else (text, self.pair or columns.pair)


def predict(
    checkpoint: Path,
    *,
    source: Input,
    output: str = STANDARD,
    output_format: OutputFormat | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    code: Path | None = None,
) -> Working[Prediction]:
    """Predict every row of the input.

    Args:
        checkpoint: A checkpoint or an exported folder.
        source: The input.
        output: A file's path, which appears once it is whole (ending in .gz: compressed), or "-" for standard output.
        output_format: JSON lines or CSV; by the output's ending where it is not given.
        device: "auto", "cpu" or "cuda".
        batch_size: Rows that are scored at once.
        code: Where code of the user's own is, if not where it was.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, or of another task.
        DataError: a row can't be used, with file and line.
        UsageError: the output can't be written, or its ending doesn't say in which format.
    """
    _check_output(output)
    chosen = output_format or _format_of(output)
    source.check()
    predictor = open_predictor(checkpoint, device=device, batch_size=batch_size, code=code)
    if chosen == "conll" and predictor.task.outputs.per != "token":
        what = f"columns of words and tags are for taggers, and {checkpoint} is none"
        raise UsageError(what, hint="--output-format jsonl or csv")
    if chosen == "conll" and source.keep_going:
        raise UsageError("columns have no place for a row's error", hint="--output-format jsonl, or no --keep-going")
    num_rows = num_errors = 0
    with ExitStack() as stack:
        rows = stack.enter_context(closing(_read(source, predictor.card, in_columns=chosen == "conll")))
        reserved = source.reserved(predictor.task.results)
        writer = RowWriter(_open_output(output, stack), chosen, last=reserved)
        while window := list(islice(rows, WINDOW_ROWS)):
            writer.write(list(_predict_window(window, predictor, reserved)))
            num_errors += sum(row.failure is not None for row in window)
            num_rows += len(window)
            yield Activity("predict", num_rows)
    yield Activity("predict", num_rows, num_rows)
    return Prediction(num_rows - num_errors, num_errors)


def _check_output(output: str) -> None:
    path = Path(output)
    if output != STANDARD and not path.parent.is_dir():
        raise UsageError(f"the output's folder does not exist: {path.parent}")
    if output != STANDARD and path.is_dir():
        raise UsageError(f"the output {path} is a folder", hint="name a file in it")


def _format_of(output: str) -> OutputFormat:
    if output == STANDARD:
        return "jsonl"
    ending = PurePath(output.lower().removesuffix(".gz")).suffix
    if ending not in FORMATS:
        hint = f"endings that are known: {', '.join(FORMATS)}, each also with .gz; or say --output-format"
        raise UsageError(f"can't tell the format of the output `{output}` from its ending", hint=hint)
    return FORMATS[ending]


def _open_output(output: str, stack: ExitStack) -> IO[bytes]:
    """Standard output, or a file that takes its name only when all went well."""
    if output == STANDARD:
        stack.callback(sys.stdout.buffer.flush)
        return sys.stdout.buffer
    path = Path(output)
    partial = path.with_name(f".{path.name}.partial")
    file = stack.enter_context(partial.open("wb"))
    # Neither a name nor a time goes into the compressed file, so that equal rows make equal files.
    packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if path.suffix.lower() == ".gz" else None

    def settle(error: type[BaseException] | None, *_: object) -> None:
        if packed is not None:
            packed.close()
        file.close()
        if error is None:
            partial.replace(path)
        else:
            partial.unlink()

    stack.push(settle)
    return file if packed is None else cast("IO[bytes]", packed)


@dataclass(frozen=True, slots=True)
class _Given:
    """A row of the input: its fields, what the model reads of it, or what stands beside it instead of a prediction."""

    fields: Fields
    inputs: Fields
    failure: Fields | None = None


def _read(source: Input, card: ModelCard, *, in_columns: bool) -> Generator[_Given]:
    names = source.names(card.columns)
    for row in source.rows():
        inputs = _inputs(row, source, names, card)
        if not isinstance(inputs, Problem):
            yield _Given(_fields(row) | (_words(row, inputs, card.columns) if in_columns else {}), inputs)
        elif source.keep_going:
            place = {"line": row.line} if isinstance(row, BadRow) else {}
            yield _Given(_fields(row), {}, {**place, "error": inputs.what})
        else:
            raise DataError([inputs])


def _words(row: Row | BadRow, inputs: Fields, columns: Columns) -> Fields:
    """What columns are written from besides the prediction: words, and true tags where the row has them."""
    gold = _fields(row).get(columns.label or "")
    tags: Fields = {"gold": gold} if isinstance(gold, list) and columns.label != "tags" else {}
    return {"tokens": inputs[columns.text], **tags}


def _fields(row: Row | BadRow) -> Fields:
    return row.fields if isinstance(row, Row) else {}


def _inputs(row: Row | BadRow, source: Input, names: tuple[str, ...], card: ModelCard) -> Fields | Problem:
    """What the model reads of a row, under its own names for it."""
    if isinstance(row, BadRow):
        return Problem(row.reason, Location(source.name, row.line, text=row.text), GOES_ON)
    where = Location(source.name, row.line)
    for option, name in zip(("--text", "--pair"), names, strict=False):
        if name not in row.fields:
            what = f"there is no column `{name}`; this row has {', '.join(row.fields)}"
            return Problem(what, where, f"`{option} COLUMN` says what it is called here; {GOES_ON}")
    found = row_inputs(row.fields, names, columns=card.columns, task=card_task(card.task))
    return Problem(found, where, GOES_ON) if isinstance(found, str) else found


def _predict_window(window: list[_Given], predictor: Predictor, reserved: tuple[str, ...]) -> Generator[Fields]:
    """The window's rows in order, predicted where they could be read."""
    good = [row for row in window if row.failure is None]
    predicted: Iterator[Fields] = iter(())
    if good:
        inputs = [row.inputs for row in good]
        split = predictor.split(inputs)
        answers = predictor.task.answers(finish(predictor.score(split)).found, split, inputs)
        predicted = answered((row.fields for row in good), answers, reserved=reserved)
    for row in window:
        yield next(predicted) if row.failure is None else {**kept(row.fields, reserved=reserved), **row.failure}
