"""`ftcli sweep`: the runs of a plan, some at a time, each an ordinary run in a process of its own.

Whatever ends a sweep, the same command goes on with it: finished runs are kept, and half ones are resumed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from ftcli.errors import UsageError
from ftcli.flows.sweeping.plan import PlannedRun, SweepPlan
from ftcli.flows.sweeping.process import RunProcess, Shop
from ftcli.flows.sweeping.progress import LogFollower, RunState, first_state
from ftcli.flows.sweeping.results import Results, results_of
from ftcli.flows.sweeping.search import with_next_trial, write_trials
from ftcli.flows.sweeping.wording import as_markdown
from ftcli.runtime.files import write_atomically, write_json
from ftcli.runtime.interrupt import Interrupt, exit_code_for, listening
from ftcli.runtime.locks import POLL_SECONDS, try_lock
from ftcli.runtime.tether import open_tether


@dataclass(frozen=True, slots=True)
class SweepStarted:
    """A sweep begins, or goes on: all of its runs, and how far each has come, by name."""

    plan: SweepPlan
    states: dict[str, RunState]
    jobs: int


@dataclass(frozen=True, slots=True)
class TrialDrawn:
    """A search has drawn a setting: the plan with its runs, and how far each run has come, by name."""

    plan: SweepPlan
    states: dict[str, RunState]


@dataclass(frozen=True, slots=True)
class WaitingForOthers:
    """Runs of a sweep that was killed are still saving."""

    folder: Path


@dataclass(frozen=True, slots=True)
class RunChanged:
    """A run has begun, come further, or ended."""

    run: PlannedRun
    state: RunState


@dataclass(frozen=True, slots=True)
class SweepFinished:
    """All runs have ended, or a signal has stopped them. `exit_code` is 1 where one has failed."""

    results: Results
    exit_code: int


SweepEvent = SweepStarted | TrialDrawn | WaitingForOthers | RunChanged | SweepFinished


@dataclass
class _Work:
    """A sweep under way: what is waiting, what runs in which slot, and how far each run is."""

    plan: SweepPlan
    shop: Shop
    states: dict[str, RunState]
    waiting: deque[PlannedRun]
    running: dict[int, tuple[PlannedRun, RunProcess, LogFollower]] = field(
        default_factory=dict[int, tuple[PlannedRun, RunProcess, LogFollower]]
    )


def sweep(plan: SweepPlan, *, jobs: int = 1, answer: Callable[[], None] = lambda: None) -> Generator[SweepEvent]:
    """Run what a plan holds and is not finished yet.

    Args:
        plan: The runs.
        jobs: How many run at a time.
        answer: Called at once when a signal asks the sweep to stop, which it does when its runs have saved.

    Raises:
        UsageError: the folder can't be used, or another sweep is at work in it.
    """
    interrupt = Interrupt()
    with _alone(plan.folder), _holding(plan.folder / ".runs.lock") as lock, listening(interrupt, answer):
        if not try_lock(lock):
            yield WaitingForOthers(plan.folder)
            while not interrupt.requested and not try_lock(lock):
                time.sleep(POLL_SECONDS)
        tether = open_tether()
        shop = Shop(plan.recipe, plan.folder / "logs", tether, lock.fileno(), jobs)
        states = {run.name: _first_state(plan, run) for run in plan.runs}
        waiting = deque(run for run in plan.runs if states[run.name].phase != "finished")
        work = _Work(plan, shop, states, waiting)
        write_trials(plan)
        yield SweepStarted(plan, dict(states), jobs)
        try:
            yield from _run_all(work, interrupt)
        finally:
            for _, process, _ in work.running.values():
                process.end()
            tether.close()
        yield _finished(work, interrupt)


@contextmanager
def _holding(path: Path) -> Generator[IO[bytes]]:
    """A file to lock, in a sweep's folder, which is made if need be.

    Raises:
        UsageError: it can't be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        what = f"can't write to {path.parent}: {error.strerror}"
        raise UsageError(what, hint="name another folder: --sweep-dir DIR") from None
    with file:
        yield file


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    with _holding(folder / ".sweep.lock") as lock:
        if not try_lock(lock):
            what = f"another sweep is at work in {folder}"
            raise UsageError(what, hint="wait for it, or name another folder: --sweep-dir DIR")
        yield


def _first_state(plan: SweepPlan, run: PlannedRun) -> RunState:
    return first_state(run.folder, metric=plan.metric, total_steps=run.total_steps)


def _run_all(work: _Work, interrupt: Interrupt) -> Generator[RunChanged | TrialDrawn]:
    is_asked = False
    while True:
        if interrupt.requested and not is_asked:
            is_asked = True
            for _, process, _ in work.running.values():
                process.ask_to_stop()
        if not interrupt.requested:
            yield from _draw(work)
            yield from _start(work)
        if not work.running:
            return
        for slot in list(work.running):
            yield from _look(work, slot, is_asked=is_asked)
        time.sleep(POLL_SECONDS)


def _draw(work: _Work) -> Generator[TrialDrawn]:
    """Draw what a search can draw by now. It is on disk before it runs, so that a kill changes no trial."""
    while (grown := with_next_trial(work.plan, work.states, jobs=work.shop.jobs)) is not None:
        new, work.plan = grown.runs[len(work.plan.runs) :], grown
        write_trials(grown)
        work.states.update({run.name: _first_state(grown, run) for run in new})
        work.waiting.extend(new)
        yield TrialDrawn(grown, dict(work.states))


def _start(work: _Work) -> Generator[RunChanged]:
    """Start runs while there is a free slot."""
    for slot in range(work.shop.jobs):
        if slot in work.running or not work.waiting:
            continue
        run = work.waiting.popleft()
        state = replace(work.states[run.name], phase="running")
        work.running[slot] = run, work.shop.start(run, slot=slot), LogFollower(run.folder, work.plan.metric, state)
        yield _changed(work, run, state)


def _look(work: _Work, slot: int, *, is_asked: bool) -> Generator[RunChanged]:
    """See how far a run has come, and whether it has ended."""
    run, process, follower = work.running[slot]
    code = process.exit_code  # before looking: nothing is logged after it
    state = follower.look()
    if code is not None:
        del work.running[slot]
        state = _ended(state, process, code, is_asked=is_asked)
    if state != work.states[run.name]:
        yield _changed(work, run, state)
    if code is not None:
        _write(work)


def _ended(state: RunState, process: RunProcess, code: int, *, is_asked: bool) -> RunState:
    if code == 0:
        return replace(state, phase="finished", seconds_left=None)
    if is_asked:
        return replace(state, phase="stopped", seconds_left=None)
    return replace(state, phase="failed", seconds_left=None, error=process.error())


def _changed(work: _Work, run: PlannedRun, state: RunState) -> RunChanged:
    work.states[run.name] = state
    return RunChanged(run, state)


def _write(work: _Work) -> Results:
    results = results_of(work.plan, work.states)
    write_json(work.plan.folder / "results.json", results)
    write_atomically(work.plan.folder / "results.md", as_markdown(results).encode())
    return results


def _finished(work: _Work, interrupt: Interrupt) -> SweepFinished:
    results = _write(work)
    has_failed = any(state.phase == "failed" for state in work.states.values())
    is_stopped = bool(interrupt.requested) and not results.is_complete
    return SweepFinished(results, exit_code_for(interrupt.requested) if is_stopped else int(has_failed))
