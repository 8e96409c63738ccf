"""What stays on the screen of a run: one row per evaluation, stage, checkpoint and note, and the end.

Every row begins with one word in a column of its own, and what rows of a kind share stands at the same place.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ftcli.cli.table import GAP, LABEL_CELLS, Phrase, labelled, line
from ftcli.flows.figures import clock, figure, flat, rate, size, spent
from ftcli.flows.lines import ending, stage_size
from ftcli.spec.wording import counted
from ftcli.train.events import (
    CheckpointSaved,
    EpochDone,
    Evaluated,
    Event,
    Noted,
    PredictionsWritten,
    RecipeChanged,
    RunFinished,
    RunStarted,
    StageEntered,
)

BEST = "best"


def row_of(event: Event, *, started: RunStarted | None, width: int) -> RenderableType | None:  # noqa: PLR0911 - one case per event
    """The row that stays on the screen for an event; None for the others."""
    digits = len(str(started.total_steps)) if started else 1
    match event:
        case Evaluated():
            metric = started.best_metric if started else ""
            return _row(event.split, _scores(event, metric, digits), width, style="green" if event.improved else "")
        case EpochDone():
            loss = Phrase(_value("loss", event.train_loss))
            phrases = [*_when(event.step, event.epoch, digits), loss, _dim(f"in {spent(event.seconds)}", 1)]
            return _row("train", phrases, width)
        case CheckpointSaved():
            facts = f"{size(event.num_bytes):>7} in {spent(event.seconds)}"
            phrases = [_dim(_step(event.step, digits)), _dim(facts, 1), _dim(flat(event.path), 2)]
            return _row("saved", phrases, width)
        case RecipeChanged():
            return _changes(event)
        case StageEntered() if event.num_stages > 1:
            facts = f"{event.stage + 1}/{event.num_stages}  {stage_size(event)}  {flat(event.description)}"
            return labelled("stage", Text(f"{_step(event.step, digits)}  {facts}".rstrip()))
        case PredictionsWritten():
            return labelled(
                "written", Text(f"{event.split} predictions, {counted(event.rows, 'row')}{GAP}{event.path}")
            )
        case Noted():
            return note(event.text, is_warning=event.level == "warning")
        case _:
            return None


def _changes(event: RecipeChanged) -> Table:
    """What a resumed run does otherwise than before."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("changed", style="dim", no_wrap=True)
    for name in ("before", "after", "kind", "effect"):
        table.add_column(name, overflow="fold")
    for change in event.changes:
        table.add_row(*map(Text, (change.key, change.before, change.after, change.kind, change.effect)))
    for group, before, after in event.rates:
        table.add_row(*map(Text, (f"lr {group}", rate(before), rate(after), "", f"in step {event.step + 1}")))
    return table


def note(text: str, *, is_warning: bool = False) -> RenderableType:
    """A sentence the user should know."""
    return labelled(Text("warning", style="bold yellow") if is_warning else "note", Text(flat(text)))


def _row(label: str, phrases: Sequence[Phrase], width: int, *, style: str = "") -> Text:
    name = Text(label + " " * max(0, LABEL_CELLS - cell_len(label)), style="" if style else "dim")
    return Text(style=style).append_text(line([Phrase(name), *phrases], width))


def _when(step: int, epoch: float, digits: int) -> list[Phrase]:
    return [Phrase(Text(_step(step, digits))), Phrase(Text(f"epoch {epoch:.2f}"), 1)]


def _step(step: int, digits: int) -> str:
    return f"step {step:>{digits}}"


def _scores(event: Evaluated, metric: str, digits: int) -> list[Phrase]:
    """The metric that decides comes first and always stays; `best` has its place reserved, so that columns agree."""
    values = {name: value for name, value in {"loss": event.loss, **event.metrics}.items() if value is not None}
    names = sorted(values, key=lambda name: name != metric)
    mark = Text(BEST if event.improved else " " * len(BEST), style="bold")
    scores = [Phrase(_value(name, values[name]), rank=0 if name == metric else 2) for name in names]
    ranked = [Phrase(score.text, rank=min(score.rank, 1) * (2 + place)) for place, score in enumerate(scores)]
    return [*_when(event.step, event.epoch, digits), *ranked, Phrase(mark)]


def _value(name: str, value: float) -> Text:
    return Text(f"{flat(name)} {figure(value):>6}")


def _dim(text: str, rank: int = 0) -> Phrase:
    return Phrase(Text(text, style="dim"), rank)


def closing(event: RunFinished) -> Iterator[Text]:
    """The last lines of a run: how it went, where it is, and what to do next."""
    yield Text()
    goes_on = event.resume is not None
    style = "bold yellow" if goes_on else "bold green"
    word = "stopped" if goes_on else "finished"
    reason = "" if ending(event) == word else f" ({ending(event).removeprefix('stopped ')})"
    facts = f"step {event.step:,} of {event.total_steps:,}, {clock(event.seconds)}{reason}"
    yield _last(word, Text(facts), style)
    if event.best is not None:
        yield _last("best", Text(f"{event.best_metric} {figure(event.best)} at step {event.best_step}"))
    yield _last("run folder", Text(flat(event.run_dir)))
    if event.report:
        yield _last("report", Text(flat(event.report)))
    if event.resume:
        yield _last("go on", Text(event.resume, style="bold"))
    elif event.exit_code == 0:
        best = shlex.quote(f"{event.run_dir.rstrip('/')}/best")
        yield _last("next", Text(f"ftcli eval --ckpt {best}", style="bold"))
        yield _last("", Text(f"ftcli predict --ckpt {best} --input FILE", style="bold"))


def _last(label: str, content: Text, style: str = "dim") -> Text:
    return Text.assemble((f"{label:{LABEL_CELLS}}", style), GAP, content)
