"""Events as plain lines, for log files and for a stderr that is no terminal; and how numbers are written everywhere.

One event is one line, whatever its texts hold, so that such a log can be searched with grep. Screens that draw use
the same spellings of numbers.
"""

from __future__ import annotations

import math
from typing import assert_never

from ftcli.runtime.activity import Activity
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
"""More learning-rate groups than this (layer decay makes dozens) are shown as a range."""


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
            return f"epoch {event.epoch} done at step {event.step}: {_epoch_loss(event)}"
        case Evaluated():
            return _evaluated(event)
        case CheckpointSaved():
            best = ", best so far" if event.is_best else ""
            return f"checkpoint at step {event.step}: {event.path} ({written(event.num_bytes, event.seconds)}{best})"
        case PredictionsWritten():
            return f"predictions for {event.split}: {event.rows:,} rows in {event.path}"
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
    steps, size = counted(event.total_steps, "step"), counted(event.batch_size, "row")
    parts = [
        f"run {event.name}" + (f" goes on from step {event.step}" if event.step else ""),
        f"{steps} of {size} ({event.steps_per_epoch:,} an epoch, "
        f"{counted(event.micro_batches, 'micro-batch', 'es')} a step)",
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
    elif event.best is not None:
        mark = f"  (best {figure(event.best)} at step {event.best_step})"
    return f"evaluation at step {event.step} (epoch {epoch_text(event.epoch)}): {event.split} {scores}{mark}"


def _finished(event: RunFinished) -> str:
    where = f"step {event.step}/{event.total_steps} in {spent(event.seconds)}"
    best = "" if event.best is None else f"; {best_text(event)}"
    resume = f"; resume with: {event.resume}" if event.resume else ""
    return f"{ending(event)}: {where}{best}; run folder {event.run_dir}{resume}"


def ending(event: RunFinished) -> str:
    """Why a run ended, in a word or two."""
    match event.reason:
        case "finished":
            return "finished"
        case "already_finished":
            return "already finished"
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


def trainable(part: int, whole: int) -> str:
    """`4.1M of 22.7M trainable (18%)`."""
    return f"{short(part)} of {short(whole)} trainable ({percent(part / whole if whole else 0.0)})"


def rates_text(rates: dict[str, float]) -> str:
    """The learning rates of a step; the first group stands bare, others by name, many as a range."""
    values = list(rates.values())
    if not values:
        return ""
    if len(values) > MANY_GROUPS:
        return f"lr {rate(min(values))} to {rate(max(values))} ({len(values)} groups)"
    others = ", ".join(f"{name} {rate(value)}" for name, value in list(rates.items())[1:])
    return f"lr {rate(values[0])}" + (f" ({others})" if others else "")


def flat(text: str) -> str:
    """The text on one line, and without characters that could steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def figure(value: float, digits: int = 4) -> str:
    """A loss or a score; very small and very large ones keep their leading digits."""
    if not math.isfinite(value):
        return str(value)
    if value != 0 and not 10 ** (1 - digits) <= abs(value) < 1e6:
        return f"{value:.1e}"
    return f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.1f}"


def rate(value: float) -> str:
    """A learning rate."""
    return f"{value:.1e}" if value else "0"


def short(value: float) -> str:
    """A count or a speed in at most five characters: `412`, `9.8k`, `22.7M`."""
    if not math.isfinite(value):
        return str(value)
    unit = ""
    for larger in "kMBT":
        if abs(value) < 999.5:
            break
        value, unit = value / 1000, larger
    text = f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}"
    return text + unit if unit else text.removesuffix(".0")


def percent(share: float) -> str:
    """A share as a whole percentage that says 0 or 100 only where that is exact."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def amount(number: int, unit: str) -> str:
    """`2,400 rows` or `91.4 MB`."""
    return size(number) if unit == "bytes" else f"{number:,} {unit}"


def size(num_bytes: float) -> str:
    """A size in decimal units: `91.4 MB`."""
    text = short(num_bytes)
    unit = {"k": "kB", "M": "MB", "B": "GB", "T": "TB"}.get(text[-1])
    return f"{text[:-1]} {unit}" if unit else f"{text} B"


def counted(number: int, noun: str, plural: str = "s") -> str:
    """`1 row`, `2,400 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def written(num_bytes: int, seconds: float) -> str:
    """`262 MB in 0.8 s`."""
    return f"{size(num_bytes)} in {spent(seconds)}"


def clock(seconds: float) -> str:
    """A duration as `0:41` or `1:02:03`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def spent(seconds: float) -> str:
    """A duration in a sentence: `0.8 s` below a minute, else as on a clock."""
    return f"{seconds:.1f} s" if seconds < 59.95 else clock(seconds)


def epoch_text(epoch: float) -> str:
    """`2`, `0.5` or `1.33`."""
    return f"{epoch:.2f}".rstrip("0").rstrip(".")
