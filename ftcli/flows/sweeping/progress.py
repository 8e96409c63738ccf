"""How far the runs of a sweep have come, as their own logs tell while they go on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import orjson

from ftcli.flows.reporting.story import event_of
from ftcli.runtime.journal import Record
from ftcli.runtime.rundir import RunDir
from ftcli.train.events import CheckpointSaved, Evaluated, RunEvent, RunFinished, RunStarted, StepDone

Phase = Literal["waiting", "running", "finished", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run has come: its step, its latest score on the validation split and when, and the seconds left.

    `error` is the first line of what a failed one says.
    """

    phase: Phase
    total_steps: int
    step: int = 0
    score: float | None = None
    scored_at: int | None = None
    seconds_left: float | None = None
    error: str | None = None


@dataclass
class LogFollower:
    """Reads what a run's log gets while it goes on; a resumed run begins the file anew."""

    folder: RunDir
    metric: str
    state: RunState
    _file: int = 0
    _read: int = 0
    _since: tuple[float, int] | None = None  # Unix seconds and step
    _rest: bytes = field(default=b"", repr=False)

    def look(self) -> RunState:
        """The run's state, once what is new has been read."""
        for record in self._new_records():
            if (event := event_of(record)) is not None:
                self._take(event, record["time"])
        return self.state

    def _new_records(self) -> list[Record]:
        try:
            found = self.folder.journal.stat()
        except FileNotFoundError:
            return []
        if found.st_ino != self._file or found.st_size < self._read:
            self._file, self._read, self._rest = found.st_ino, 0, b""
        with self.folder.journal.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        return [_record(line) for line in lines]

    def _take(self, event: RunEvent, now: float) -> None:
        if isinstance(event, RunStarted):
            self.state, self._since = replace(self.state, step=event.step, seconds_left=None), None
        elif isinstance(event, Evaluated) and event.split == "validation":
            score = event.loss if self.metric == "loss" else event.metrics.get(self.metric)
            self.state = replace(self.state, score=score, scored_at=event.step)
        if isinstance(event, StepDone | Evaluated | CheckpointSaved | RunFinished):
            self._come_to(event.step, now)

    def _come_to(self, step: int, now: float) -> None:
        """Note a step, and how long the rest takes at the pace since the first of this launch."""
        since, first = self._since = self._since or (now, step)
        per_step = (now - since) / (step - first) if step > first and now > since else None
        left = None if per_step is None else per_step * (self.state.total_steps - step)
        self.state = replace(self.state, step=step, seconds_left=left)


def _record(line: bytes) -> Record:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:  # torn by a kill
        return {}


def first_state(folder: RunDir, *, metric: str, total_steps: int) -> RunState:
    """How far a run has come that no process works on: waiting, stopped in the middle, or finished."""
    follower = LogFollower(folder, metric, RunState("waiting", total_steps))
    state = follower.look()
    if not folder.recipe.is_file():
        return state
    return replace(state, phase="finished" if is_finished(folder) else "stopped", seconds_left=None)


def is_finished(folder: RunDir) -> bool:
    """Whether a run has come to its end: the last it has logged is that."""
    try:
        last = folder.journal.read_bytes().rstrip().rpartition(b"\n")[2]
    except FileNotFoundError:
        return False
    event = event_of(_record(last))
    return isinstance(event, RunFinished) and event.is_run_over
