"""What a run folder tells of its run: the events of its log, its recipe, and where it was made."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

import orjson

from ftcli.runtime.journal import Journal, Record
from ftcli.runtime.rundir import RunDir
from ftcli.spec.card import further_sets
from ftcli.train.events import (
    EpochDone,
    Evaluated,
    RunEvent,
    RunFailed,
    RunFinished,
    RunStarted,
    StageEntered,
    event_name,
)

E = TypeVar("E")
_KINDS: dict[str, Any] = {event_name(kind): kind for kind in get_args(RunEvent)}


@dataclass(frozen=True, slots=True)
class Story:
    """A run as its folder tells it. `recipe` is the resolved recipe's text, `facts` what run.json says."""

    folder: RunDir
    events: list[RunEvent]
    recipe: str
    facts: dict[str, Any]

    def of(self, kind: type[E]) -> list[E]:
        """The events of a kind, oldest first."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def started(self) -> RunStarted | None:
        """How the latest launch began; None where none came so far."""
        return next(reversed(self.of(RunStarted)), None)

    @property
    def end(self) -> RunFinished | RunFailed | None:
        """How the run ended; None where it was cut off, or is under way."""
        last = self.events[-1] if self.events else None
        return last if isinstance(last, RunFinished | RunFailed) else None

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.started.name if self.started else self.folder.path.name

    @property
    def last_step(self) -> int:
        """The step that the run has come to."""
        return max((event.step for event in self.events), default=0)

    @property
    def stages(self) -> list[StageEntered]:
        """The stages in their order; each launch enters its own anew."""
        return list({event.stage: event for event in reversed(self.of(StageEntered))}.values())[::-1]

    @property
    def best(self) -> Evaluated | None:
        """The evaluation that scored best."""
        return next((event for event in reversed(self.evaluations()) if event.improved), None)

    @property
    def metric(self) -> str:
        """What decides which evaluation is the best."""
        return self.started.best_metric if self.started else "loss"

    @property
    def epoch_losses(self) -> dict[int, float]:
        """The mean training loss of each epoch, by its last step."""
        return {event.step: event.train_loss for event in self.of(EpochDone)}

    def evaluations(self, split: str = "validation") -> list[Evaluated]:
        """A split's evaluations, oldest first."""
        return [event for event in self.of(Evaluated) if event.split == split]

    @property
    def further_sets(self) -> list[str]:
        """The validation sets that were scored beside the validation split."""
        return further_sets(dict.fromkeys(event.split for event in self.of(Evaluated)))

    def scored(self, split: str) -> Evaluated | None:
        """The evaluation of a split that its predictions are of: the best one, or the last of the test split."""
        return self.best if split == "validation" else next(reversed(self.evaluations(split)), None)

    def settings(self) -> dict[str, Any]:
        """The recipe's values by key, such as `optimizer.lr`."""
        return dict(_flattened(tomllib.loads(self.recipe)))


def read_story(folder: RunDir, *, end: RunFinished | None = None) -> Story:
    """Read a run folder.

    Args:
        folder: The run folder.
        end: How the run is about to end, where that does not yet stand in its log.

    Raises:
        CheckpointError: it is none.
    """
    folder.check_is_run()
    events = [event for record in Journal(folder.journal).records() if (event := event_of(record)) is not None]
    text = folder.facts.read_bytes() if folder.facts.is_file() else b"{}"
    recipe = folder.recipe.read_text(encoding="utf-8")
    return Story(folder, events + ([end] if end else []), recipe, orjson.loads(text))


def event_of(record: Record) -> RunEvent | None:
    """The event that a record was made of; None of another version's that is not known, or has not what is needed."""
    kind = _KINDS.get(record.get("event", ""))
    if kind is None:
        return None
    known = {field.name: record[field.name] for field in dataclasses.fields(kind) if field.name in record}
    try:
        return kind(**known)
    except TypeError:
        return None


def _flattened(values: dict[str, Any], *above: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flattened(value, *above, name)  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield ".".join((*above, name)), value
