"""The part of the screen that is drawn anew: what runs, its last steps, and how far it has come.

A state is replaced, never changed, because it is drawn by another thread than the one that reports events.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from rich.console import Group, RenderableType
from rich.text import Text

from ftcli.cli.table import Column, Phrase, bar, packed, table
from ftcli.flows.figures import clock, figure, flat, percent, rate, short, size, trainable
from ftcli.flows.lines import MANY_GROUPS, so_far, stage_name, stage_size
from ftcli.runtime.activity import Activity
from ftcli.train.events import Evaluated, Event, RunStarted, StageEntered, StepDone

MOST_STEPS = 8
OTHER_LINES = 8
"""Lines of the view that are not steps; a low terminal shows fewer steps."""
SHOWN_AFTER_SECONDS = 0.3
"""Shorter activities would only flicker."""
SMOOTHING = 0.9
SHORT_TITLE_CELLS = 12


@dataclass(frozen=True, slots=True)
class Smoothed:
    """An exponential mean that is not biased towards its start."""

    total: float = 0.0
    weight: float = 0.0

    def with_value(self, value: float) -> Smoothed:
        """The mean after one more value; one that is no number is left out, or it would stay for good."""
        if not math.isfinite(value):
            return self
        return Smoothed(SMOOTHING * self.total + (1 - SMOOTHING) * value, SMOOTHING * self.weight + (1 - SMOOTHING))

    @property
    def value(self) -> float:
        """The mean; not a number before the first value."""
        return self.total / self.weight if self.weight else math.nan


@dataclass(frozen=True, slots=True)
class Doing:
    """An activity under way, when it began and with how much done (a download may go on from half a file)."""

    activity: Activity
    since: float
    done_before: int


@dataclass(frozen=True, slots=True)
class Pace:
    """The first step logged since a stage began; what came before it (warming up, filling a cache) tells nothing."""

    step: int
    since: float


@dataclass(frozen=True, slots=True)
class State:
    """All that the view shows. `began` is when this launch began."""

    started: RunStarted | None = None
    began: float = 0.0
    step: int = 0
    stage: StageEntered | None = None
    steps: tuple[tuple[StepDone, float], ...] = ()
    smoothed: Smoothed = field(default_factory=Smoothed)
    pace: Pace | None = None
    pace_before: float | None = None
    best: tuple[float, int | None] | None = None
    doing: Doing | None = None


def after(state: State, event: Event, now: float) -> State:
    """The state once an event has happened."""
    match event:
        case RunStarted():
            return State(event, now, event.step)
        case StageEntered():
            before = seconds_per_step(state, now)
            return replace(state, stage=event, pace=None, pace_before=before)
        case StepDone():
            smoothed = state.smoothed.with_value(event.mean_loss)
            steps = (*state.steps, (event, smoothed.value))[-MOST_STEPS:]
            pace = state.pace or Pace(event.step, now)
            return replace(state, step=event.step, steps=steps, smoothed=smoothed, pace=pace)
        case Evaluated() if event.best is not None:
            return replace(state, best=(event.best, event.best_step))
        case _:
            return state


def view(state: State, *, now: float, width: int, height: int) -> RenderableType:
    """The whole view, as it stands `now`."""
    parts: list[RenderableType] = []
    if state.started is not None:
        parts += [Text(), packed(list(_header(state, state.started)), width)]
        if state.steps:
            parts.append(steps_table(state.steps[-max(1, min(MOST_STEPS, height - OTHER_LINES)) :], width))
        parts.append(_progress(state, state.started, now, width))
    if state.doing is not None and now - state.doing.since >= SHOWN_AFTER_SECONDS:
        parts.append(_activity(state.doing, now, width))
    return Group(*parts or [Text()])


def _header(state: State, started: RunStarted) -> Iterator[Text]:
    world = f" x{started.world_size}" if started.world_size > 1 else ""
    yield Text(flat(started.name), style="bold")
    yield _named("data", started.data)
    yield _named("model", _tail(started.model))
    yield _named("on", f"{started.device} {started.precision}{world}")
    if state.stage is not None and state.stage.num_stages > 1:
        yield Text(f"{stage_name(state.stage)}: {stage_size(state.stage)}")
    else:
        yield Text(trainable(started.num_trainable, started.num_parameters))
    yield _named("batch", f"{started.batch_size} in {started.cut}")


def _named(name: str, value: str) -> Text:
    return Text.assemble((f"{name} ", "dim"), flat(value))


def _tail(path: str) -> str:
    """A long path by its last part."""
    return path if len(path) <= 40 or "/" not in path else f"…/{path.rstrip('/').rpartition('/')[2]}"


def steps_table(steps: Sequence[tuple[StepDone, float]], width: int) -> RenderableType:
    """The steps, oldest first, each with the smoothed loss after it; the newest is bold."""
    events = [event for event, _ in steps]
    columns = [
        Column("epoch", [f"{event.epoch:.2f}" for event in events], rank=4, least=5),
        Column("step", [str(event.step) for event in events], least=6),
        Column("loss", [figure(event.loss) for event in events], least=7),
        Column("smooth", [figure(value) for _, value in steps], rank=1, least=7),
        *_rates(events),
        Column("grad", [figure(event.grad_norm, 2) for event in events], rank=3, least=6),
        Column("rows/s", [short(event.rows_per_second) for event in events], rank=5, least=6),
        Column("tokens/s", [short(event.tokens_per_second) for event in events], rank=6, least=8),
        Column("padding", [percent(event.padding_share) for event in events], rank=8, least=7),
    ]
    return table(columns, width, styles=[""] * (len(events) - 1) + ["bold"])


def _rates(events: Sequence[StepDone]) -> list[Column]:
    """A column for each learning-rate group; the lowest and the highest where they are many."""
    names = list(dict.fromkeys(name for event in events for name in event.rates))
    if len(names) > MANY_GROUPS:
        return [
            Column("lr high", [rate(max(event.rates.values(), default=math.nan)) for event in events], rank=2),
            Column("lr low", [rate(min(event.rates.values(), default=math.nan)) for event in events], rank=7),
        ]
    columns: list[Column] = []
    for number, name in enumerate(names):
        title = f"lr {name}" if len(name) <= SHORT_TITLE_CELLS else f"lr {number + 1}"
        cells = [rate(event.rates[name]) if name in event.rates else "" for event in events]
        columns.append(Column(title if number else "lr", cells, rank=7 if number else 2))
    return columns


def _progress(state: State, started: RunStarted, now: float, width: int) -> RenderableType:
    tail = [
        Phrase(Text(f"{percent(state.step / started.total_steps if started.total_steps else 1):>4}"), 4),
        Phrase(Text(clock(now - state.began), style="dim"), 3),
        Phrase(Text(f"eta {_left(state, started, now)}"), 1),
    ]
    if state.best is not None:
        value, step = state.best
        where = "" if step is None else f" at {step}"
        tail.append(Phrase(Text(f"best {flat(started.best_metric)} {figure(value)}{where}", style="green"), 2))
    lead = Text(f"step {state.step:>{len(str(started.total_steps))}}/{started.total_steps}")
    return bar(lead, done=state.step, total=started.total_steps, tail=tail, width=width)


def _left(state: State, started: RunStarted, now: float) -> str:
    per_step = seconds_per_step(state, now)
    return "-:--" if per_step is None else clock(per_step * (started.total_steps - state.step))


def seconds_per_step(state: State, now: float) -> float | None:
    """How long a step takes on average in this stage, evaluations included; at its begin, in the one before."""
    if state.pace is None or state.step <= state.pace.step:
        return state.pace_before
    return (now - state.pace.since) / (state.step - state.pace.step)


def _activity(doing: Doing, now: float, width: int) -> RenderableType:
    activity, seconds = doing.activity, now - doing.since
    if activity.is_idle:
        return Text.assemble(flat(activity.name), "  ", (clock(seconds), "dim"))
    speed = (activity.done - doing.done_before) / seconds if seconds > 0 else 0.0
    shown = size(speed) if activity.unit == "bytes" else f"{short(speed)} {activity.unit}"
    tail = [Phrase(Text(so_far(activity)), 1), Phrase(Text(f"{shown}/s", style="dim"), 3)]
    if activity.total is not None and speed > 0:
        tail.append(Phrase(Text(f"eta {clock((activity.total - activity.done) / speed)}"), 2))
    return bar(Text(flat(activity.name)), done=activity.done, total=activity.total, tail=tail, width=width)
