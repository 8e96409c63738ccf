"""`ftcli predict`: rows in, the same rows out in the same order with a label and its probability.

Rows stream through in windows. Within one they are sorted by length, so that little is padded; the next ones are
read and tokenised while the model computes. Memory does not grow with the input.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ftcli.data.checks import row_inputs
from ftcli.data.labels import LabelNames
from ftcli.data.readers import BadRow, Row
from ftcli.data.tagging import read_tagged
from ftcli.data.tags import Scheme
from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import DataError, Location, Problem, UsageError
from ftcli.flows.inputs import SAY_SCHEME, Form, Opened, RowFile, open_rows
from ftcli.flows.outputs import STANDARD, check_output, format_of, open_output
from ftcli.flows.predictions import ERRORS, OutputFormat, RowWriter, answered, kept
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.runtime.activity import Activity, Working, finish
from ftcli.runtime.ahead import ahead
from ftcli.runtime.encoding import Fields
from ftcli.spec.card import Tags
from ftcli.spec.choices import card_task
from ftcli.train.card import ModelCard

WINDOW_ROWS = 2048
GOES_ON = "`--keep-going` gives such rows an `error` field and goes on"
PLAIN_TEXT = "`--format text` reads plain lines"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What became of an input: rows predicted, and rows that could not be read."""

    num_rows: int
    num_errors: int


@dataclass(frozen=True, slots=True)
class Input(RowFile):
    """Where rows come from, and what happens with a bad one."""

    keep_going: bool = False

    def reserved(self, results: tuple[str, ...]) -> tuple[str, ...]:
        """The names of what is said of a row, which its own fields can't have."""
        return (*results, *ERRORS) if self.keep_going else results


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
        output_format: JSON lines, CSV or columns of words; by the output's ending where it is not given.
        device: "auto", "cpu" or "cuda".
        batch_size: Rows that are scored at once.
        code: Where code of the user's own is, if not where it was.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, or of another task.
        DataError: a row can't be used, with file and line.
        UsageError: the output can't be written, or its ending doesn't say in which format.
    """
    check_output(output)
    chosen = output_format or format_of(output)
    source.check()
    predictor = open_predictor(checkpoint, device=device, batch_size=batch_size, code=code)
    if chosen == "conll":
        _check_columns(predictor, source, checkpoint)
    num_rows = num_errors = 0
    with ExitStack() as stack:
        rows = _read(source, predictor.card, in_columns=chosen == "conll")
        reserved = source.reserved(predictor.task.results)
        writer = RowWriter(open_output(output, stack), chosen, last=reserved)
        for window in stack.enter_context(closing(ahead(_windows(rows, predictor)))):
            writer.write(list(_predict_window(window, predictor, reserved)))
            num_errors += sum(row.failure is not None for row in window.rows)
            num_rows += len(window.rows)
            yield Activity("predict", num_rows)
    yield Activity("predict", num_rows, num_rows)
    return Prediction(num_rows - num_errors, num_errors)


def _check_columns(predictor: Predictor, source: Input, checkpoint: Path) -> None:
    if predictor.task.outputs.per != "token":
        what = f"columns of words and tags are for taggers, and {checkpoint} is none"
        raise UsageError(what, hint="--output-format jsonl or csv")
    if source.keep_going:
        raise UsageError("columns have no place for a row's error", hint="--output-format jsonl, or no --keep-going")


@dataclass(frozen=True, slots=True)
class _Given:
    """A row of the input: its fields, what the model reads of it, or what stands beside it instead of a prediction."""

    fields: Fields
    inputs: Fields
    failure: Fields | None = None


def _read(source: Input, card: ModelCard, *, in_columns: bool) -> Generator[_Given]:
    opened = open_rows(source, card)
    for row in opened.rows():
        inputs = _inputs(row, opened, card)
        if not isinstance(inputs, Problem):
            words = _in_columns(row, inputs, opened, card) if in_columns and isinstance(row, Row) else {}
            yield _Given(_fields(row) | words, inputs)
        elif source.keep_going:
            place = {"line": row.line} if isinstance(row, BadRow) else {}
            yield _Given(_fields(row), {}, {**place, "error": inputs.what})
        else:
            raise DataError([inputs])


def _in_columns(row: Row, inputs: Fields, opened: Opened, card: ModelCard) -> Fields:
    """What columns are written from besides the prediction: words, and true tags where the row has them."""
    words: Fields = {"tokens": inputs[card.columns.text]}
    form = opened.form_of(row.fields)
    if form.columns.label is None or card.scheme is None:
        return words
    return words | {"gold": _gold(row, form, opened, written=card.scheme, card=card)}


def _gold(row: Row, form: Form, opened: Opened, *, written: Scheme, card: ModelCard) -> list[str] | None:
    """A row's true tags in the scheme that is predicted; they may be of types that the model does not know.

    Raises:
        DataError: they are not well-formed.
    """
    reading = card.source
    tags = Tags(to=written, invalid=reading.tags.invalid)
    names = LabelNames(None, reading.label_map, "entity type")
    found = read_tagged(row, columns=form.columns, tags=tags, scheme=form.scheme or written, names=names)
    if isinstance(found, BadRow):
        hint = f"{SAY_SCHEME}, or leave them out: --output-format jsonl"
        raise DataError(found.reason, where=Location(opened.file.name, found.line, text=found.text), hint=hint)
    return found.tags


def _fields(row: Row | BadRow) -> Fields:
    return row.fields if isinstance(row, Row) else {}


def _inputs(row: Row | BadRow, opened: Opened, card: ModelCard) -> Fields | Problem:
    """What the model reads of a row, under its own names for it."""
    if isinstance(row, BadRow):
        return Problem(row.reason, Location(opened.file.name, row.line, text=row.text), GOES_ON)
    names, where = opened.form_of(row.fields).columns.texts, Location(opened.file.name, row.line)
    for option, name in zip(("--text", "--pair"), names, strict=False):
        if name not in row.fields:
            what = f"there is no column `{name}`; this row has {', '.join(row.fields)}"
            plain = f"{PLAIN_TEXT}; " if card.columns.pair is None and opened.is_table else ""
            return Problem(what, where, f"`{option} COLUMN` says what it is called here; {plain}{GOES_ON}")
    found = row_inputs(row.fields, names, columns=card.columns, task=card_task(card.task))
    return Problem(found, where, GOES_ON) if isinstance(found, str) else found


@dataclass(frozen=True, slots=True)
class _Window:
    """Some rows in order, and those of them that could be read as the model reads them; None where none could."""

    rows: list[_Given]
    split: TokenizedSplit | None

    @property
    def good(self) -> list[_Given]:
        """The rows that could be read."""
        return [row for row in self.rows if row.failure is None]


def _windows(rows: Generator[_Given], predictor: Predictor) -> Generator[_Window]:
    with closing(rows):
        while chunk := list(islice(rows, WINDOW_ROWS)):
            inputs = [row.inputs for row in chunk if row.failure is None]
            yield _Window(chunk, predictor.split(inputs) if inputs else None)


def _predict_window(window: _Window, predictor: Predictor, reserved: tuple[str, ...]) -> Generator[Fields]:
    """The window's rows in order, predicted where they could be read."""
    predicted: Iterator[Fields] = iter(())
    if window.split is not None:
        found = finish(predictor.score(window.split)).found
        answers = predictor.task.answers(found, window.split, [row.inputs for row in window.good])
        predicted = answered((row.fields for row in window.good), answers, reserved=reserved)
    for row in window.rows:
        yield next(predicted) if row.failure is None else {**kept(row.fields, reserved=reserved), **row.failure}
