"""`ftcli predict`: rows in, the same rows out in the same order with a label and its probability.

Rows stream through in windows. Within one they are sorted by length, so that little is padded; the next ones are
read and tokenised while the model computes. Memory does not grow with the input. A file is always cut into the same
windows, so that one that is gone on with comes out as if it had never stopped, and the scores of a window under way are
kept every few seconds; of a pipe, a window holds what is there.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ftcli.data.tokens import TokenizedSplit
from ftcli.flows.checks import check_predict
from ftcli.flows.given import Given, read_given
from ftcli.flows.inputs import Input
from ftcli.flows.outputs import Destination, Output
from ftcli.flows.partfile import Facts, Written, scores_of
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.flows.provenance import facts_of
from ftcli.flows.rowcount import RowCount
from ftcli.flows.unwritten import Unwritten
from ftcli.flows.writing import ERRORS, RowEncoder, answered, kept
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.ahead import ahead, in_lots
from ftcli.runtime.encoding import Fields
from ftcli.runtime.interrupt import Interrupt, StopAsked, listening
from ftcli.spec.probabilities import Probabilities
from ftcli.tasks.probabilities import probabilities_of
from ftcli.train.evaluate import Scores

TO_STANDARD = Output()
NO_PROBABILITIES = Probabilities()
WINDOW_ROWS = 2048
LINGER_SECONDS = 0.02
"""How long after its first row others of a pipe may still join a window."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What became of an input: rows predicted, rows that could not be read, and the signal that ended it early, or 0.

    `num_before` of them an earlier command had written, which was stopped.
    """

    num_rows: int
    num_errors: int
    num_before: int = 0
    signal: int = 0


def predict(
    checkpoint: Path,
    *,
    source: Input,
    output: Output = TO_STANDARD,
    asked: Probabilities = NO_PROBABILITIES,
    device: str = "auto",
    batch_size: int | None = None,
    code: Path | None = None,
) -> Working[Prediction]:
    """Predict every row of the input.

    A first signal (SIGINT, SIGTERM, SIGUSR1) ends it after the batch under way. What was written consists of whole
    rows, and the same command goes on with a file.

    Args:
        checkpoint: A checkpoint or an exported folder.
        source: The input.
        output: Where predictions go. A file takes its name once it is whole.
        asked: Which probabilities are told besides.
        device: "auto", "cpu" or "cuda".
        batch_size: Rows that are scored at once.
        code: Where code of the user's own is, if not where it was.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, or of another task.
        DataError: a row can't be used, with file and line.
        UsageError: the output can't be written, or doesn't go with the rest.
    """
    check_predict(checkpoint, source, output, asked, device=device)
    predictor = open_predictor(checkpoint, device=device, batch_size=batch_size, code=code)
    facts = facts_of(checkpoint, predictor.card, source, output, asked)
    unwritten, count = _unwritten(output, facts, predictor), RowCount(source, predictor.card)
    labeller, signal = _Labeller(predictor, asked, source, Interrupt(), unwritten, count), 0
    with output.open(facts) as destination, listening(labeller.interrupt):
        before = destination.written.rows
        yield Activity("predict", before)
        try:
            yield from _through(labeller, output, destination)
        except StopAsked as stop:
            signal = stop.number
    written = destination.written
    if not signal:
        yield Activity("predict", written.rows, written.rows)
    return Prediction(written.rows - written.errors, written.errors, before, signal)


def _unwritten(output: Output, facts: Facts | None, predictor: Predictor) -> Unwritten:
    """What keeps scores; others than rows, they also depend on how a window is cut into batches."""
    layout = {"batch_size": predictor.batch_size, "device": str(predictor.world.device), "window": WINDOW_ROWS}
    path = scores_of(output.path) if facts is not None else None
    return Unwritten(path, {"facts": facts, **layout}, every_seconds=output.keep_seconds)


def _through(labeller: _Labeller, output: Output, destination: Destination) -> Working[None]:
    """Read, label and write what is still to be written, to the end."""
    before, form = destination.written, output.form
    encoder = RowEncoder(form, last=labeller.reserved, delimiter=output.delimiter, columns=before.columns)
    rows = read_given(labeller.source, labeller.predictor.card, in_columns=form == "conll", skip=before.rows)
    with closing(ahead(_windows(rows, labeller.predictor, is_live=labeller.source.is_live))) as windows:
        while (window := labeller.await_one_of(windows)) is not None:
            done = destination.written
            content = encoder.encode((yield from labeller.label(window, behind=done.rows)))
            num_bad = len(window.rows) - len(window.good)
            written = Written(done.rows + len(window.rows), done.errors + num_bad, columns=encoder.columns)
            destination.append(content, written)
            yield labeller.progress(window, behind=done.rows, done=len(window.rows))
    destination.finish()


@dataclass(frozen=True, slots=True)
class _Window:
    """Some rows in order, and those of them that could be read as the model reads them; None where none could."""

    rows: list[Given]
    split: TokenizedSplit | None

    @property
    def good(self) -> list[Given]:
        """The rows that could be read."""
        return [row for row in self.rows if row.failure is None]


def _windows(rows: Generator[Given], predictor: Predictor, *, is_live: bool) -> Generator[_Window]:
    lots = in_lots(rows, most=WINDOW_ROWS, within_seconds=LINGER_SECONDS) if is_live else _full_lots(rows)
    with closing(lots):
        for lot in lots:
            inputs = [row.inputs for row in lot if row.failure is None]
            yield _Window(lot, predictor.split(inputs) if inputs else None)


def _full_lots(rows: Generator[Given]) -> Generator[list[Given]]:
    with closing(rows):
        while lot := list(islice(rows, WINDOW_ROWS)):
            yield lot


@dataclass(frozen=True, slots=True)
class _Labeller:
    """What makes of windows of rows the same rows with answers."""

    predictor: Predictor
    asked: Probabilities
    source: Input
    interrupt: Interrupt
    unwritten: Unwritten
    count: RowCount

    @property
    def reserved(self) -> tuple[str, ...]:
        """The names of what is said of a row, which its own fields can't have."""
        said = dict.fromkeys((*self.predictor.task.results, *self.asked.fields))
        return (*said, *ERRORS) if self.source.keep_going else tuple(said)

    def await_one_of(self, windows: Generator[_Window]) -> _Window | None:
        """The next window, however long it takes to come; None behind the last.

        Raises:
            StopAsked: there was a signal.
        """
        with self.interrupt.waiting():
            return next(windows, None)

    def label(self, window: _Window, *, behind: int) -> Working[list[Fields]]:
        """The window's rows in order, predicted where they could be read; it stands behind so many rows.

        Raises:
            StopAsked: there was a signal.
        """
        predicted: Iterator[Fields] = iter(())
        if window.split is not None:
            scored = yield from self._scored(window, window.split, behind=behind)
            answers = self._answers(window.split, scored, [row.inputs for row in window.good])
            predicted = answered((row.fields for row in window.good), answers, reserved=self.reserved)
        return [
            next(predicted) if row.failure is None else {**kept(row.fields, reserved=self.reserved), **row.failure}
            for row in window.rows
        ]

    def _scored(self, window: _Window, split: TokenizedSplit, *, behind: int) -> Working[Scores]:
        """Score a window, and report how far that brings the whole."""
        work = self.predictor.score(split, interrupt=self.interrupt, scored=self.unwritten.begin(behind=behind))
        while True:
            try:
                activity = next(work)
            except StopIteration as stop:
                return stop.value
            except StopAsked:
                self.unwritten.keep(at_once=True)
                raise
            self.unwritten.keep()
            if activity.total and activity.done < activity.total:
                done = len(window.rows) * activity.done // activity.total
                yield self.progress(window, behind=behind, done=done)

    def progress(self, window: _Window, *, behind: int, done: int) -> Activity:
        """How far it has come when so many rows of a window are done."""
        total = self.count.about(behind + len(window.rows), line=window.rows[-1].line)
        is_before = total is not None and behind + done < total  # else it might pass for the end
        return Activity("predict", behind + done, total if is_before else None, is_about=is_before)

    def _answers(self, split: TokenizedSplit, scored: Scores, inputs: list[Fields]) -> Iterator[Fields]:
        predictor = self.predictor
        answers = predictor.task.answers(scored.found, split, inputs)
        if not self.asked.fields:
            return answers
        scores, found = scored.scores, scored.found
        more = probabilities_of(self.asked, predictor.task, predictor.model, split, scores=scores, found=found)
        return ({**answer, **each} for answer, each in zip(answers, more, strict=True))
