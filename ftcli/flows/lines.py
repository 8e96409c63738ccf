"""Events as plain lines, for log files and for a stderr that is no terminal.

One event is one line, whatever its texts hold, so that such a log can be searched with grep.
"""

from __future__ import annotations

from typing import assert_never

from ftcli.flows.figures import (
    amount,
    epoch_text,
    figure,
    flat,
    percent,
    rate,
    short,
    size,
    spent,
    trainable,
    written,
)
from ftcli.runtime.activity import Activity
from ftcli.spec.wording import counted
from ftcli.train.events import (
    CheckpointSaved,
    EpochDone,
    Evaluated,
    Event,
    Noted,
    PredictionsWritten,
    RecipeChanged,
    RunFailed,
    RunFinished,
    RunStarted,
    StageEntered,
    StepDone,
)

MANY_GROUPS = 3
"""More learning rates than this are shown as a range; a group with layer decay has two, its highest and lowest."""


def line_of(event: Event, *, total_steps: int | None = None) -> str | None:
    """One plain line for an event, or None where it is not worth one; `total_steps` gives steps their `/450`."""
    text = _text_of(event, total_steps)
    return None if text is None else flat(text)


def _text_of(event: Event, total_steps: int | None) -> str | None:  # noqa: C901, PLR0911, PLR0912 - one case per event
    match event:
        case RunStarted():
            return _started(event)
        case RecipeChanged():
            return _changed(event)
        case StageEntered():
            return f"{stage_name(event)} from step {event.step}: {stage_size(event)}  {event.description}".rstrip()
        case StepDone():
            return _step(event, total_steps)
        case EpochDone():
            return f"epoch {epoch_text(event.epoch)} done at step {event.step}: {_epoch_loss(event)}"
        case Evaluated():
            return _evaluated(event)
        case CheckpointSaved():
            best = ", best so far" if event.is_best else ""
            return f"checkpoint at step {event.step}: {event.path} ({written(event.num_bytes, event.seconds)}{best})"
        case PredictionsWritten():
            return f"predictions for {event.split}: {counted(event.rows)} in {event.path}"
        case Noted():
            return f"warning: {event.text}" if event.level == "warning" else event.text
        case RunFinished():
            return _finished(event)
        case RunFailed():
            return f"failed after step {event.step}: {event.text}; resume with: {event.resume}"
        case Activity():
            return f"{event.name}: {amount(event.done, event.unit)}" if event.done == event.total else None
        case _:
            assert_never(event)


def _started(event: RunStarted) -> str:
    rows = ", ".join(f"{split} {number:,}" for split, number in event.rows.items())
    world = f", {event.world_size} processes" if event.world_size > 1 else ""
    steps, rows_each = counted(event.total_steps, "step"), counted(event.batch_size, "row")
    parts = [
        f"run {event.name}" + (f" goes on from step {event.step}" if event.step else ""),
        f"{steps} of {rows_each} ({event.steps_per_epoch:,} an epoch, {event.cut})",
        f"data {event.data} ({rows} rows)" if rows else f"data {event.data}",
        f"model {event.model} ({trainable(event.num_trainable, event.num_parameters)})",
        f"{event.device} {event.precision}{world}",
        f"run folder {event.run_dir}",
    ]
    return "; ".join([*parts, *event.notes])


def _step(event: StepDone, total_steps: int | None) -> str:
    mean = "" if event.mean_loss == event.loss else f" (mean {figure(event.mean_loss)})"
    parts = [
        f"step {event.step}" + (f"/{total_steps}" if total_steps else ""),
        f"epoch {event.epoch:.2f}",
        f"loss {figure(event.loss)}{mean}",
        rates_text(event.rates),
        f"grad {figure(event.grad_norm, 2)}",
        f"{short(event.rows_per_second)} rows/s",
        f"{short(event.tokens_per_second)} tokens/s",
        f"padding {percent(event.padding_share)}",
        f"overflows {event.num_overflows}" if event.num_overflows else "",
    ]
    return "  ".join(filter(None, parts))


def _changed(event: RecipeChanged) -> str:
    parts = [f"{c.key} {c.before} -> {c.after} ({c.kind}: {c.effect})" for c in event.changes]
    parts += [f"lr {group} {rate(before)} -> {rate(after)}" for group, before, after in event.rates]
    return f"changed at step {event.step}: {'; '.join(parts)}"


def _epoch_loss(event: EpochDone) -> str:
    return f"mean training loss {figure(event.train_loss)}  in {spent(event.seconds)}"


def _evaluated(event: Evaluated) -> str:
    metrics = {"loss": event.loss, **event.metrics}
    scores = "  ".join(f"{name} {figure(value)}" for name, value in metrics.items() if value is not None)
    mark = ""
    if event.improved:
        mark = "  (best so far)"
    elif event.best is not None and event.split == "validation":
        mark = f"  (best {figure(event.best)} at step {event.best_step})"
    return f"evaluation at step {event.step} (epoch {epoch_text(event.epoch)}): {event.split} {scores}{mark}"


def _finished(event: RunFinished) -> str:
    where = f"step {event.step}/{event.total_steps} in {spent(event.seconds)}"
    best = "" if event.best is None else f"; {best_text(event)}"
    resume = f"; resume with: {event.resume}" if event.resume else ""
    report = f"; report {event.report}" if event.report else ""
    return f"{ending(event)}: {where}{best}; run folder {event.run_dir}{report}{resume}"


def so_far(activity: Activity) -> str:
    """How far some work has come: `1,200/2,400 rows`."""
    if activity.total is None:
        return amount(activity.done, activity.unit)
    if activity.unit == "bytes":
        return f"{size(activity.done)} of {size(activity.total)}"
    return f"{activity.done:,}/{'~' if activity.is_about else ''}{activity.total:,} {activity.unit}"


def ending(event: RunFinished) -> str:
    """Why a run ended, in a word or two."""
    match event.reason:
        case "finished":
            return "finished"
        case "already_finished":
            return "already finished"
        case "patience":
            return "finished early, for lack of a new best"
        case "stop_after":
            return "stopped as asked"
        case "signal":
            return "stopped by a signal"


def best_text(event: RunFinished) -> str:
    """The best score and where it was reached."""
    value = "none yet" if event.best is None else figure(event.best)
    return f"best {event.best_metric} {value} at step {event.best_step}"


def stage_name(event: StageEntered) -> str:
    """`stage 2/3`, counted from 1."""
    return f"stage {event.stage + 1}/{event.num_stages}"


def stage_size(event: StageEntered) -> str:
    """How much of the model a stage trains."""
    return trainable(event.num_trainable, event.num_parameters)


def rates_text(rates: dict[str, float]) -> str:
    """The learning rates of a step; the first group stands bare, others by name, many as a range."""
    values = list(rates.values())
    if not values:
        return ""
    if len(values) > MANY_GROUPS:
        return f"lr {rate(min(values))} to {rate(max(values))} ({len(values)} rates)"
    others = ", ".join(f"{name} {rate(value)}" for name, value in list(rates.items())[1:])
    return f"lr {rate(values[0])}" + (f" ({others})" if others else "")
