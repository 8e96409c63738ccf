"""A run that is ready, from its first step to what is made of it at its end."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from ftcli.flows.predictions import predict_best, predict_test
from ftcli.flows.recorder import Recorder
from ftcli.flows.report import try_report
from ftcli.runtime.interrupt import StopAsked
from ftcli.train.assemble import Parts
from ftcli.train.ending import stopped
from ftcli.train.events import Evaluated, Event, Noted, RunFinished
from ftcli.train.loop import fit
from ftcli.train.run import Run


def run_to_end(run: Run, parts: Parts, recorder: Recorder) -> Generator[Event]:
    """Train to the end, keeping what the model says of the validation split whenever it scores best.

    Then the test split is predicted, if there is one, and a page made of it all.
    """
    for event in fit(run):
        if isinstance(event, RunFinished):
            yield from _end(run, parts, recorder, event)
            continue
        yield from recorder.passing(event)
        if isinstance(event, Evaluated) and event.improved:
            yield from recorder.passing(*predict_best(run, parts))


def _end(run: Run, parts: Parts, recorder: Recorder, end: RunFinished) -> Generator[Event]:
    """Predict the test split, if there is one, and make the page. A signal leaves the first for the resumed run."""
    try:
        if end.is_run_over and "test" in run.splits:
            for event in predict_test(run, parts):
                yield from recorder.passing(event)
    except StopAsked as stop:
        end = stopped(run, end, stop.number)
    if run.world.writes and parts.spec.log.report:
        page = try_report(run.run_dir, end=end)
        if isinstance(page, Path):
            end = replace(end, report=str(page))
        else:
            yield from recorder.passing(Noted(end.step, page, "warning"))
    yield from recorder.passing(end)
