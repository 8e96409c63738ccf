"""What a run writes of itself while it goes on: log.jsonl, out.log and metrics.json, all made from events."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ftcli.errors import CheckpointError
from ftcli.flows.lines import line_of
from ftcli.flows.tensorboard import Board
from ftcli.runtime.activity import Activity
from ftcli.runtime.files import write_json
from ftcli.runtime.journal import Journal, Record
from ftcli.runtime.rundir import RunDir
from ftcli.train.events import EpochDone, Evaluated, Event, RunEvent, RunFinished, RunStarted, as_record


class Recorder:
    """Writes a run's events to its folder, on the one rank that does."""

    def __init__(self, run_dir: RunDir, *, writes: bool, board: Board | None = None) -> None:
        """Record into a run folder and, where there is one, for a board."""
        self._run_dir = run_dir
        self._board = board
        self._writes = writes
        self._held: list[RunEvent] | None = None
        self._journal = Journal(run_dir.journal)
        self._metrics = Metrics()
        self._total_steps: int | None = None

    def hold(self) -> None:
        """Write nothing before `rewind`: what can't go on is to stay as it was."""
        self._held = []

    def rewind(self, step: int) -> None:
        """Forget what was written after `step`, the step that a resumed run goes on from, and write what was held."""
        if not self._writes:
            return
        records = list(self._journal.records())
        self._journal.keep(lambda record: _outlasts(record, step))
        if not all(_outlasts(record, step) for record in records):
            self._say(f"going back to step {step}: what stands above of later steps is void, and done anew")
        for record in self._journal.records():
            self._metrics.add(record)
        self._let_go()

    def passing(self, *events: Event) -> Generator[Event]:
        """Record events and pass them on, one by one; activities are for the screen alone."""
        for event in events:
            if self._writes and not isinstance(event, Activity):
                self._write(event)
            yield event

    def record(self, event: RunEvent) -> None:
        """Record an event that nobody is left to be shown, behind all that was held."""
        if self._writes:
            self._let_go()
            self._write(event)

    def close(self) -> None:
        """Bring to disk what is still on its way there."""
        if self._board is not None:
            self._board.close()

    def _let_go(self) -> None:
        held, self._held = self._held or [], None
        for event in held:
            self._write(event)

    def _write(self, event: RunEvent) -> None:
        if self._held is not None:
            self._held.append(event)
            return
        try:
            self._append(event)
        except OSError as error:
            hint = f"free some space under {self._run_dir.path}, then `{self._run_dir.resume_command}`"
            raise CheckpointError(f"can't write to {self._run_dir.path}: {error}", hint=hint) from error

    def _append(self, event: RunEvent) -> None:
        record = as_record(event)
        self._journal.write(record)
        if self._board is not None:
            self._board.write(event)
        if isinstance(event, RunStarted):
            self._total_steps = event.total_steps
        if line := line_of(event, total_steps=self._total_steps):
            self._say(line)
        if isinstance(event, EpochDone | Evaluated | RunFinished):
            self._metrics.add(record)
            write_json(self._run_dir.metrics, self._metrics.summary())

    def _say(self, line: str) -> None:
        with self._run_dir.out_log.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def _outlasts(record: Record, step: int) -> bool:
    """Whether a record stays true of a run that goes on from `step`: a failure happened, whatever came of it."""
    if record["event"] == "run_failed":
        return True
    return record.get("step", 0) <= step and record["event"] != "run_finished"


class Metrics:
    """metrics.json: per evaluation the losses and metrics of each split, the best, and the test."""

    def __init__(self) -> None:
        self._epochs: dict[int, dict[str, Any]] = {}
        self._test: dict[str, Any] | None = None
        self._best: dict[str, Any] | None = None

    def add(self, record: Record) -> None:
        """Take in a record of the journal; those of other kinds are passed over."""
        match record["event"]:
            case "epoch_done":
                self._at(record["step"], record["epoch"])["train"]["loss"] = record["train_loss"]
            case "evaluated" if record["split"] == "test":
                self._test = _scores(record)
            case "evaluated":
                entry = self._at(record["step"], record["epoch"])
                if record["train_loss"] is not None:
                    entry["train"]["loss"] = record["train_loss"]
                entry.setdefault(record["split"], {}).update(_scores(record))
                if record["best"] is not None:
                    self._best = {"value": record["best"], "step": record["best_step"]}
            case "run_finished" if self._best is not None:
                self._best["metric"] = record["best_metric"]
            case _:
                return

    def _at(self, step: int, epoch: float) -> dict[str, Any]:
        return self._epochs.setdefault(step, {"epoch": epoch, "step": step, "train": {}, "validation": {}})

    def summary(self) -> dict[str, Any]:
        """The content of metrics.json."""
        epochs = [self._epochs[step] for step in sorted(self._epochs)]
        return {"epochs": epochs, "best": self._best, "test": self._test}


def _scores(record: Record) -> dict[str, Any]:
    """The evaluation's loss and metrics. On the training split, the loss as trained keeps its own name."""
    name = "eval_loss" if record["split"] == "train" else "loss"
    return {name: record["loss"], **record["metrics"], "rows": record["rows"]}
