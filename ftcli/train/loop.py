"""The loop, and the only one: `train` and `resume` start it from different progress.

It is a generator of events. Screens, logs and tests consume them; nothing here prints. A consumer must exhaust it or
close it, for checkpoints are saved as it advances.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from importlib.metadata import version
from typing import Any

from ftcli import __version__
from ftcli.errors import CheckpointError, FtcliError, NonFiniteError, OutOfMemoryError, RecipeError
from ftcli.runtime.interrupt import StopAsked
from ftcli.spec.card import further_sets
from ftcli.train.compiling import report_recompiling
from ftcli.train.ending import finished
from ftcli.train.evaluate import score_split
from ftcli.train.events import Evaluated, Event, Noted
from ftcli.train.run import Run
from ftcli.train.snapshot import take_snapshot
from ftcli.train.staging import enter_due_stage, enter_stage
from ftcli.train.step import NONFINITE_HINT, train_step

Events = Generator[Event]
_LIBRARIES = ("torch", "transformers", "safetensors")


def fit(run: Run) -> Events:
    """Drive a run from wherever its progress stands to its end.

    Raises:
        OutOfMemoryError: a micro-batch does not fit.
        NonFiniteError: a loss is no longer a number. The state before its step is saved.
        CheckpointError: a checkpoint can't be written.
    """
    run.meter.start()
    with run.saver:
        signal = yield from _begin(run)
        while not signal and not run.stops_here:
            signal = yield from _enter_stage(run)
            if signal:
                break
            signal = yield from _advance(run)
            yield from _report(run)
            signal = yield from _evaluate_and_save(run, signal)
        yield from _settle(run)
    yield finished(run, signal)


def _begin(run: Run) -> Generator[Event, None, int]:
    """Do what is due before the first step of this launch; returns the signal that asks to stop, or 0."""
    progress = run.progress
    try:
        if progress.stage >= 0:
            yield from enter_stage(run, progress.stage)
        if progress.owes_evaluation:
            return (yield from _evaluate_and_save(run))
        if progress.step == 0 and run.evaluation.at_start:
            yield from _evaluate_sets(run)
    except StopAsked as stop:
        return stop.number
    return 0


def _enter_stage(run: Run) -> Generator[Event, None, int]:
    """Enter the stage that is due, if one is; returns the signal that asks to stop, for which it has saved, or 0."""
    try:
        yield from enter_due_stage(run)
    except StopAsked as stop:
        if run.progress.step > 0:
            yield from _save(run, is_best=run.progress.best is None)
        return stop.number
    return 0


def _advance(run: Run) -> Generator[Event, None, int]:
    """Take a step, in smaller pieces where memory runs out; returns the signal that asks to stop, or 0."""
    while True:
        group = run.feed.group(run.progress.step)
        try:
            outcome = train_step(run, group)
            break
        except OutOfMemoryError as error:
            tokens = run.feed.halve(run.progress.step)
            if tokens is None:
                raise
            what = error.problems[0].what
        except NonFiniteError as error:
            yield from _save_before(run, error)
            raise
        run.progress.micro_tokens = tokens
        yield Noted(run.progress.step, f"{what}; micro-batches have at most {tokens} tokens from here on", "warning")
    run.meter.add(outcome, group)
    return outcome.signal


def _save_before(run: Run, error: FtcliError) -> Events:
    """Keep the state before what failed; a save that fails is not to hide why."""
    try:
        yield from _save(run, is_best=False)
        yield from _settle(run)
    except CheckpointError as failure:
        error.add_note(f"besides, the state before it could not be saved: {failure}")


def _report(run: Run) -> Events:
    progress, limits = run.progress, run.limits
    if limits.log.after(progress.step) or (progress.step == 1 and limits.log.period is not None):
        yield run.meter.step_done(limits, run.optimizer.rates())
        yield from report_recompiling(run)
    if limits.epoch_ends(progress.step) or progress.step == limits.total_steps:
        yield run.meter.epoch_done(limits)


def _evaluate_and_save(run: Run, signal: int = 0) -> Generator[Event, None, int]:
    """Do what is due between two steps; returns the signal that asks to stop, or 0."""
    progress, limits = run.progress, run.limits
    owed, improved = progress.owes_evaluation, False
    with run.meter.pause():
        if owed or limits.evaluate.after(progress.step):
            try:
                improved = yield from _evaluate_all(run)
                progress.owes_evaluation = False
            except StopAsked as stop:
                signal, progress.owes_evaluation = stop.number, True
            except RecipeError as error:  # from metrics of the user's own, which can be mended
                progress.owes_evaluation = True
                yield from _save_before(run, error)
                raise
        stops = bool(signal) or run.stops_here
        if stops or owed or improved or limits.save.after(progress.step):
            yield from _save(run, is_best=improved or progress.best is None)
        yield from run.saver.report()
    return signal


def _evaluate_all(run: Run) -> Generator[Event, None, bool]:
    if run.evaluation.train_metrics:
        yield from _evaluate(run, "train")
    return (yield from _evaluate_sets(run))


def _evaluate_sets(run: Run) -> Generator[Event, None, bool]:
    """Score the further validation sets, then the validation split: once that has decided, nothing can be cut short."""
    for name in further_sets(run.splits):
        yield from _evaluate(run, name)
    return (yield from _evaluate(run, "validation"))


def _evaluate(run: Run, name: str) -> Generator[Event, None, bool]:
    """Score a split, if the data has it; True if the validation split scored better than ever."""
    if name not in run.splits:
        return False
    started, split, metric = time.perf_counter(), run.splits[name], run.evaluation.best
    with run.averaged(), run.world.gathered(run.model):
        scored = yield from score_split(
            run.model,
            split,
            name=name,
            task=run.task,
            world=run.world,
            pad_id=run.pad_id,
            batch_size=run.evaluation.batch_size,
            cache=run.cache,
            interrupt=run.interrupt,
        )
    if scored.loss is not None and not math.isfinite(scored.loss):
        raise NonFiniteError(f"the {name} loss is {scored.loss} after step {run.progress.step}", hint=NONFINITE_HINT)
    metrics = run.task.measure(scored.found, split)
    value = scored.loss if metric == "loss" else metrics.get(metric)
    progress = run.progress
    improved = False
    if name == "validation" and progress.step > 0:
        progress.metrics = metrics
        improved = value is not None and progress.record_score(value, better=run.evaluation.better)
        run.best_found = scored.found if improved else run.best_found
    yield Evaluated(
        step=progress.step,
        epoch=run.limits.epoch_at(progress.step),
        split=name,
        rows=split.num_rows,
        loss=scored.loss,
        metrics=metrics,
        seconds=time.perf_counter() - started,
        improved=improved,
        best=progress.best,
        best_step=progress.best_step,
        train_loss=run.meter.epoch_loss(),
    )
    return improved


def _save(run: Run, *, is_best: bool) -> Events:
    """Copy the run's state, and let whoever writes write it while training goes on, once the one before is written."""
    yield from _settle(run)
    run.meter.read()
    snapshot = take_snapshot(run)
    if snapshot is not None:
        was_scored = run.progress.best is not None
        yield from run.saver.begin(snapshot, facts=_manifest_facts(run), is_best=is_best, was_scored=was_scored)


def _settle(run: Run) -> Events:
    """Wait, on all ranks, until everything is on disk."""
    with run.world.leading() as leads:
        if leads:
            yield from run.saver.settle()


def _manifest_facts(run: Run) -> dict[str, Any]:
    """What a manifest says beside its files: enough to tell a finished run without loading it."""
    return {
        "total_steps": run.limits.total_steps,
        "is_over": run.is_over,
        "best_metric": run.evaluation.best,
        "best": run.progress.best,
        "best_step": run.progress.best_step,
        "metrics": run.progress.metrics,
        "owes_evaluation": run.progress.owes_evaluation,
        "seconds": run.progress.seconds,
        "world_size": run.world.size,
        "has_test": "test" in run.splits,
        "versions": {"ftcli": __version__} | {name: version(name) for name in _LIBRARIES},
    }
