"""`ftcli predict`: rows in, the same rows out in the same order with a label and its probability.

Rows stream through in windows. Within one they are sorted by length, so that little is padded; memory does not grow
with the input.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, BinaryIO

from ftcli.data.archives import open_file
from ftcli.data.readers import BadRow, Row, read_rows
from ftcli.errors import DataError, Location, UsageError
from ftcli.flows.predictions import Fields, OutputFormat, RowWriter, kept, label_rows
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.runtime.activity import Activity, Working
from ftcli.spec.card import Columns, Format

WINDOW_ROWS = 1024
STANDARD = "-"
"""What stands for standard input and output."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What became of an input: rows predicted, and rows that could not be read."""

    num_rows: int
    num_errors: int


@dataclass(frozen=True, slots=True)
class Input:
    """Where rows come from: a file's path or "-", how it is cut into rows, and what happens with a bad one.

    `text` and `pair` are the input's names for the model's text columns, where they differ.
    """

    path: str
    format: Format
    text: str | None = None
    pair: str | None = None
    keep_going: bool = False

    @property
    def name(self) -> str:
        """What errors call it."""
        return "standard input" if self.path == STANDARD else self.path

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
) -> Working[Prediction]:
    """Predict every row of the input.

    Args:
        checkpoint: A checkpoint or an exported folder.
        source: The input.
        output: A file's path, which appears once it is whole, or "-" for standard output.
        output_format: JSON lines or CSV; by the output's ending where it is not given.
        device: "auto", "cpu" or "cuda".
        batch_size: Rows that are scored at once.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, or of another task.
        DataError: a row can't be used, with file and line.
    """
    chosen = output_format or ("csv" if output.lower().endswith(".csv") else "jsonl")
    _check_input(source)
    predictor = open_predictor(checkpoint, device=device, batch_size=batch_size)
    num_rows = num_errors = 0
    with ExitStack() as stack:
        rows = _read(source, stack, predictor)
        writer = RowWriter(_open_output(output, stack), chosen, with_errors=source.keep_going)
        while window := list(islice(rows, WINDOW_ROWS)):
            writer.write(list(_predict_window(window, predictor, source.names(predictor.card.columns))))
            num_errors += sum(reason is not None for _, reason in window)
            num_rows += len(window)
            yield Activity("predict", num_rows)
    yield Activity("predict", num_rows, num_rows)
    return Prediction(num_rows - num_errors, num_errors)


def _check_input(source: Input) -> None:
    if source.path != STANDARD and not Path(source.path).is_file():
        raise DataError(f"no such file: {source.path}", hint="`--input -` reads standard input")


def _open_output(output: str, stack: ExitStack) -> IO[bytes]:
    """Standard output, or a file that takes its name only when all went well."""
    if output == STANDARD:
        stack.callback(sys.stdout.buffer.flush)
        return sys.stdout.buffer
    path = Path(output)
    if not path.parent.is_dir():
        raise UsageError(f"the output's folder does not exist: {path.parent}")
    if path.is_dir():
        raise UsageError(f"the output {path} is a folder", hint="name a file in it")
    partial = path.with_name(f".{path.name}.partial")
    file = stack.enter_context(partial.open("wb"))

    def settle(error: type[BaseException] | None, *_: object) -> None:
        file.close()
        if error is None:
            partial.replace(path)
        else:
            partial.unlink()

    stack.push(settle)
    return file


Checked = tuple[Fields, str | None]
"""A row's fields, and why it can't be predicted if it can't."""


def _read(source: Input, stack: ExitStack, predictor: Predictor) -> Iterator[Checked]:
    stream: BinaryIO
    if source.path == STANDARD:
        stream, name = sys.stdin.buffer, "stdin.jsonl"
    else:
        stream, name = stack.enter_context(open_file(Path(source.path))), source.path
    for row in read_rows(stream, source.format, name=name):
        fields, reason = _check(row, source, predictor)
        if reason is not None and not source.keep_going:
            where = Location(source.name, row.line, text=row.text if isinstance(row, BadRow) else None)
            raise DataError(reason, where=where, hint="`--keep-going` gives such rows an `error` field and goes on")
        yield fields, reason


def _check(row: Row | BadRow, source: Input, predictor: Predictor) -> Checked:
    if isinstance(row, BadRow):
        return {"line": row.line}, row.reason
    for name in source.names(predictor.card.columns):
        if name not in row.fields:
            given = ", ".join(row.fields)
            return row.fields, f"there is no column `{name}`; this row has {given}"
        if not isinstance(row.fields[name], str | int | float) or not str(row.fields[name]).strip():
            return row.fields, f"column `{name}` holds no text"
    return row.fields, None


def _predict_window(window: list[Checked], predictor: Predictor, columns: tuple[str, ...]) -> Generator[Fields]:
    """The window's rows in order, predicted where they could be read."""
    good = [fields for fields, reason in window if reason is None]
    labelled = iter(())
    if good:
        labelled = label_rows(good, predictor.score(good, columns=columns).scores, task=predictor.task)
    for fields, reason in window:
        yield {**kept(fields), "error": reason} if reason is not None else next(labelled)
