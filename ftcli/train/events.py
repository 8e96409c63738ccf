"""What a run says of itself while it goes on. Screens, logs and tests consume these; nothing below them prints.

Every event carries the step it happened after (0 before the first). Losses are means over items.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, Literal

from ftcli.runtime.activity import Activity


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins, or goes on from `step`. `group_sizes` counts the parameters of each rate.

    `cut` says in words how steps are cut. `notes` are facts; what may need a change comes as a warning of its own.
    """

    step: int
    total_steps: int
    steps_per_epoch: int
    run_dir: str
    name: str
    data: str
    model: str
    rows: dict[str, int]
    num_parameters: int
    num_trainable: int
    world_size: int
    device: str
    precision: str
    batch_size: int
    cut: str
    group_sizes: dict[str, int]
    best_metric: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs from what the run was started with. `kind` is free, re-derives or layout."""

    key: str
    before: str
    after: str
    kind: str
    effect: str


@dataclass(frozen=True, slots=True)
class RecipeChanged:
    """A run goes on with other values.

    `rates` are (group, rate before, rate after) of the coming step, where the two differ.
    """

    step: int
    changes: tuple[Change, ...]
    rates: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class StageEntered:
    """Another set of parameters is trained from here on; stage 0 is the start of the run."""

    step: int
    stage: int
    num_stages: int
    num_trainable: int
    num_parameters: int
    description: str


@dataclass(frozen=True, slots=True)
class StepDone:
    """A logged step; speeds and the padding share are over the steps since the last logged one.

    `loss` is the mean over the items of this step, `mean_loss` over all items since the last logged step. `rates` maps
    learning-rate groups to the rate used. `num_overflows` counts the steps that fp16's loss scaling has skipped so far.
    """

    step: int
    epoch: float
    loss: float
    mean_loss: float
    rates: dict[str, float]
    grad_norm: float
    rows_per_second: float
    tokens_per_second: float
    padding_share: float
    num_overflows: int = 0


@dataclass(frozen=True, slots=True)
class EpochDone:
    """An epoch's last step is done, or the run's; `train_loss` is the mean over its items as they were trained on.

    `seconds` is the time spent training. `epoch` is a fraction where the run ends within one.
    """

    step: int
    epoch: float
    train_loss: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A split was scored. `improved` says whether this is the best so far by the recipe's `evaluate.best`.

    `train_loss` is the mean loss of the current epoch's steps so far; None at its end, where EpochDone tells it.
    """

    step: int
    epoch: float
    split: str
    rows: int
    loss: float | None
    metrics: dict[str, float]
    seconds: float
    improved: bool = False
    best: float | None = None
    best_step: int | None = None
    train_loss: float | None = None


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """A checkpoint is whole and on disk."""

    step: int
    path: str
    num_bytes: int
    seconds: float
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class PredictionsWritten:
    """Predictions of a split, made with the best checkpoint, are on disk."""

    step: int
    split: str
    path: str
    rows: int


@dataclass(frozen=True, slots=True)
class Noted:
    """Something the user should know, in one sentence."""

    step: int
    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run ends here. `exit_code` is 0 unless a signal stopped it; `resume` is the command that goes on.

    `seconds` is the time of all launches, `peak_bytes` the most memory that this launch's first process has held.
    `report` is the path of the page that was made of the run, if one was.
    """

    step: int
    total_steps: int
    reason: Literal["finished", "patience", "stop_after", "signal", "already_finished"]
    seconds: float
    best_metric: str
    best: float | None
    best_step: int | None
    run_dir: str
    exit_code: int = 0
    resume: str | None = None
    peak_bytes: int | None = None
    report: str | None = None

    @property
    def is_run_over(self) -> bool:
        """Whether this launch has brought all that the recipe asks for to its end."""
        return self.reason in {"finished", "patience"}


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The run ends here, and not as it was meant to. `error` is the kind, `text` what happened."""

    step: int
    error: str
    text: str
    exit_code: int
    resume: str


RunEvent = (
    RunStarted
    | RecipeChanged
    | StageEntered
    | StepDone
    | EpochDone
    | Evaluated
    | CheckpointSaved
    | PredictionsWritten
    | Noted
    | RunFinished
    | RunFailed
)
Event = RunEvent | Activity


def as_record(event: RunEvent) -> dict[str, Any]:
    """The event as one flat record for log.jsonl; its `event` names the kind, in snake case."""
    return {"event": event_name(type(event)), **dataclasses.asdict(event)}


def event_name(kind: type[RunEvent]) -> str:
    """What log.jsonl calls a kind of event: `step_done` of StepDone."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__).lstrip("_")


def scalars_of(event: Event) -> dict[str, float]:
    """The event's numbers by name, for whatever draws curves over steps; empty where it has none.

    `train/lr/GROUP` is a group's learning rate, its pattern without the characters that trackers don't allow.
    """
    match event:
        case StepDone():
            speeds = {"rows_per_second": event.rows_per_second, "tokens_per_second": event.tokens_per_second}
            values = {"loss": event.mean_loss, "grad_norm": event.grad_norm, **speeds}
            rates = {f"lr/{_plain(name)}": value for name, value in event.rates.items()}
            return {f"train/{name}": value for name, value in (values | rates).items()}
        case EpochDone():
            return {"train/epoch_loss": event.train_loss}
        case Evaluated():
            values = event.metrics if event.loss is None else {"loss": event.loss, **event.metrics}
            part = "train_scored" if event.split == "train" else event.split
            return {f"{part}/{name}": value for name, value in values.items()}
        case _:
            return {}


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("_")
