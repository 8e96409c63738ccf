"""A run's own predictions: of its test split, and of the validation split when it scored best."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

from torch import Tensor

from ftcli.flows.writing import answered, as_columns, read_rows_of, write_whole
from ftcli.tasks.base import Task
from ftcli.tasks.calibration import calibrated
from ftcli.train.assemble import Parts
from ftcli.train.card import read_card
from ftcli.train.evaluate import score_split
from ftcli.train.events import Evaluated, Event, Noted, PredictionsWritten
from ftcli.train.models import restored
from ftcli.train.run import Run


def predict_test(run: Run, parts: Parts) -> Generator[Event]:
    """Score the test split with the best checkpoint, all ranks together, and write its predictions.

    Raises:
        StopAsked: a signal has asked to stop; nothing is written.
    """
    started, step = time.perf_counter(), run.progress.step
    split = run.splits["test"]
    best = run.run_dir.best.resolve()
    task = calibrated(run.task, read_card(best).calibration)
    model = restored(best, parts.spec.model, run.task.outputs).to(run.world.device)
    scored = yield from score_split(
        model,
        split,
        name="test",
        task=task,
        world=run.world,
        pad_id=run.pad_id,
        batch_size=run.evaluation.batch_size,
        interrupt=run.interrupt,
    )
    if split.is_labelled:
        yield Evaluated(
            step=step,
            epoch=run.limits.epoch_at(step),
            split="test",
            rows=split.num_rows,
            loss=scored.loss,
            metrics=task.measure(scored.found, split),
            seconds=time.perf_counter() - started,
        )
    path = run.run_dir.predictions / "test.jsonl"
    if run.world.writes:
        _write_split(path, run, parts, "test", task=task, found=scored.found)
    yield PredictionsWritten(step, "test", str(path), split.num_rows)


def predict_best(run: Run, parts: Parts) -> Generator[Event]:
    """Write what the model said of the validation split, which it has just scored best on.

    A run goes on without, if it must: whoever asks can have them from `ftcli predict`.
    """
    if not run.world.writes or run.best_found is None:
        return
    path = run.run_dir.predictions / "validation.jsonl"
    try:
        _write_split(path, run, parts, "validation", task=run.task, found=run.best_found)
    except Exception as error:
        yield Noted(run.progress.step, f"{path} could not be written: {error}", "warning")


def _write_split(path: Path, run: Run, parts: Parts, name: str, *, task: Task, found: Tensor) -> None:
    """Write a split's rows, each with what the model says of it; a tagger's also as columns of words."""
    answers = task.answers(found, run.splits[name], parts.prepared.rows(name))
    write_whole(path, answered(parts.prepared.rows(name), answers, reserved=task.results))
    if task.outputs.per == "token":
        rows = (as_columns(row, parts.prepared.facts.columns) for row in read_rows_of(path))
        write_whole(path.with_suffix(".txt"), rows, "conll")
