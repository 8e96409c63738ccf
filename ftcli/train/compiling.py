"""Compiling a stage's steps: tried once on the steps to come, reported on, and given up where it does not pay."""

from __future__ import annotations

import statistics
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch

from ftcli.errors import OutOfMemoryError, RecipeError
from ftcli.modeling.compiled import CompiledForward
from ftcli.modeling.origin import brief
from ftcli.modeling.packing import skips_padding
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.interrupt import StopAsked
from ftcli.spec.wording import counted
from ftcli.train.events import Event, Noted
from ftcli.train.run import Run
from ftcli.train.step import accumulate

_MOST_STEPS_TRIED = 20
_SHARE_TRIED = 0.2
"""A trial takes twice the time of its steps, so it is to be short beside those that it decides on."""
_LEAST_SPEED = 1.03
_FEW_GRAPHS = 3
_FAILED = 1000
"""What a rank has to say to the others beside the number of a signal, all of which are smaller."""


@dataclass
class _Trial:
    """What passes over some groups took, in seconds; `failure` is why they came to an end."""

    compiling: float = 0.0
    eager: list[float] = field(default_factory=list[float])
    compiled: list[float] = field(default_factory=list[float])
    failure: str = ""

    @property
    def speed(self) -> float:
        """How many times as fast a compiled step is, the median over groups."""
        return statistics.median(a / b for a, b in zip(self.eager, self.compiled, strict=True))


def compile_stage(run: Run, steps_left: int) -> Generator[Event]:
    """Let the steps of the stage run compiled, if they are to be and it pays; a run that goes on does as it did.

    Raises:
        StopAsked: on all ranks alike, when any was asked to stop.
    """
    _use(run, None)
    if not run.compiles or steps_left == 0 or run.progress.compiled is False:
        return
    if run.cache.prefix is not None:
        run.progress.compiled = False
        yield Noted(run.progress.step, "steps are not compiled: they start from cached states of the frozen layers")
        return
    yield Noted(run.progress.step, "steps are being compiled, which takes from seconds to minutes")
    is_known, forward = run.progress.compiled is True, CompiledForward(run.model)
    count = 1 if is_known else min(_MOST_STEPS_TRIED, max(1, int(steps_left * _SHARE_TRIED)))
    with _leaving_no_trace(run):
        trial = yield from _try(run, forward, count, with_eager=not is_known)
    yield _decide(run, forward, trial, is_known=is_known)
    forward.num_reported = forward.num_graphs
    _use(run, forward if run.progress.compiled else None)


def _use(run: Run, forward: CompiledForward | None) -> None:
    """Take steps with it, cut for what it computes."""
    run.compiled = forward
    run.feed.cut = replace(run.feed.cut, skips_padding=forward is None and skips_padding(run.model))


def _try(run: Run, forward: CompiledForward, count: int, *, with_eager: bool) -> Working[_Trial]:
    """Pass some groups through the model without a step, each both ways; on every rank by itself."""
    trial, start = _Trial(), run.progress.step
    for number in range(count):
        yield Activity("try compiled steps", number, count, "steps")
        try:
            _add_pair(run, forward, start + number, trial, with_eager=with_eager)
        except (RuntimeError, RecipeError, OutOfMemoryError) as error:  # what is compiled may also fail when it runs
            trial.failure = brief(error)
        verdict = run.world.largest(_FAILED if trial.failure else run.interrupt.requested)
        if verdict == _FAILED:
            trial.failure = run.world.share_text(trial.failure) or "another process could not"
            break
        if verdict:
            raise StopAsked(verdict)
    return trial


def _add_pair(run: Run, forward: CompiledForward, step: int, trial: _Trial, *, with_eager: bool) -> None:
    """A pass in which something was compiled tells how long that takes, and is made again."""
    eager = _seconds(run, step, None) if with_eager else 0.0
    while True:
        before = forward.num_graphs
        compiled = _seconds(run, step, forward)
        if forward.num_graphs == before:
            break
        trial.compiling += compiled
    trial.eager.append(eager)
    trial.compiled.append(compiled)


def _seconds(run: Run, step: int, forward: CompiledForward | None) -> float:
    _use(run, forward)
    group = run.feed.group(step)
    started = time.perf_counter()
    accumulate(run, group, alone=True)
    if run.world.device.type == "cuda":
        torch.cuda.synchronize(run.world.device)
    seconds = time.perf_counter() - started
    run.optimizer.inner.zero_grad(set_to_none=True)
    return seconds


@contextmanager
def _leaving_no_trace(run: Run) -> Generator[None]:
    """After the block, gradients and running statistics are what they were before; every step seeds its dropout."""
    before = [buffer.clone() for buffer in run.model.buffers()]
    try:
        yield
    finally:
        run.optimizer.inner.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, value in zip(run.model.buffers(), before, strict=True):
                buffer.copy_(value)


def _decide(run: Run, forward: CompiledForward, trial: _Trial, *, is_known: bool) -> Noted:
    """Decide for all ranks by rank 0's times, and say why."""
    if trial.failure:
        run.progress.compiled = False
        return Noted(run.progress.step, f"steps are not compiled, for that failed: {trial.failure}", "warning")
    cost = f"compiled in {trial.compiling:.0f} s to {counted(forward.num_graphs, 'graph')}"
    if is_known:
        return Noted(run.progress.step, f"steps are {cost}, as they were before")
    speed = float(run.world.share_text(repr(trial.speed)))
    run.progress.compiled = speed >= _LEAST_SPEED
    use = "used" if run.progress.compiled else "not used"
    return Noted(run.progress.step, f"{cost}; {speed:.2f}x as fast over {counted(len(trial.eager), 'step')}: {use}")


def report_recompiling(run: Run) -> Generator[Event]:
    """Warn when steps have had more than a few graphs compiled since the trial or the last warning."""
    forward = run.compiled
    if forward is not None and (more := forward.num_graphs - forward.num_reported) > _FEW_GRAPHS:
        forward.num_reported += more
        text = f"{more} more graphs were compiled, which takes time: consider train.compile = false"
        yield Noted(run.progress.step, text, "warning")
