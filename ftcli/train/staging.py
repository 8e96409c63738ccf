"""Entering a stage: what is trained from here on, and what of the frozen rest is computed once for all."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import nullcontext

from ftcli.modeling.freezing import apply_stage, frozen_modules
from ftcli.modeling.prefix import Prefix, find_prefix
from ftcli.train.cache import PrefixCache, decide, passes_of, store_for, tried_inputs
from ftcli.train.compiling import compile_stage
from ftcli.train.events import Event, Noted, StageEntered
from ftcli.train.filling import Filler
from ftcli.train.run import Run


def enter_due_stage(run: Run) -> Generator[Event]:
    """Enter the stage of the coming step, if it is a new one; what was entered is never left for an earlier one.

    Raises:
        StopAsked: on all ranks alike, when any was asked to stop. The stage is entered anew when the run goes on.
    """
    stage = max(run.freezing.stage_at(run.progress.step), run.progress.stage)
    if stage != run.progress.stage:
        run.progress.cached = run.progress.compiled = None
        yield from enter_stage(run, stage)


def enter_stage(run: Run, stage: int) -> Generator[Event]:
    """Train what the stage says. DDP synchronises only what was trainable when it wrapped, so it wraps anew.

    Raises:
        StopAsked: as above.
    """
    apply_stage(run.model, run.freezing.stages[stage])
    run.optimizer.forget_frozen()
    run.wrapped = run.world.wrap(run.model)
    run.frozen_modules = frozen_modules(run.model)
    run.progress.stage = stage
    yield StageEntered(
        step=run.progress.step,
        stage=stage,
        num_stages=len(run.freezing.stages),
        num_trainable=sum(p.numel() for p in run.model.parameters() if p.requires_grad),
        num_parameters=sum(p.numel() for p in run.model.parameters()),
        description=run.freezing.stages[stage].description,
    )
    with run.meter.pause():
        with run.world.gathered(run.model) if run.freeze.cache != "off" else nullcontext():
            yield from _open_cache(run)
        end = run.freezing.end_of(stage, total_steps=run.limits.total_steps)
        yield from compile_stage(run, end - run.progress.step)


def _open_cache(run: Run) -> Generator[Event]:
    """Have the states of the stage's frozen prefix at hand, for the splits that are worth it."""
    run.cache = PrefixCache()
    run.model.eval()
    prefix = find_prefix(run.model)
    yield from _decide(run, prefix)
    if run.freeze.cache != "off" and run.progress.cached and isinstance(prefix, Prefix):
        store = store_for(run.freeze, prefix, run.tokens)
        filler = Filler(prefix, run.world, run.pad_id, run.interrupt)
        for name in run.progress.cached:
            run.cache.states[name] = yield from filler.fill(run.splits[name], name=name, store=store)
        run.cache.prefix = prefix
    run.feed.states = run.cache.states.get("train")


def _decide(run: Run, prefix: Prefix | str) -> Generator[Event]:
    """Decide once a stage what is cached; rank 0 decides for all, for each may see another disk."""
    if run.progress.cached is not None:
        return
    stage, step = run.progress.stage, run.progress.step
    decision = decide(
        run.freeze,
        prefix,
        run.model,
        run.splits,
        passes=passes_of(run.splits, run.limits, run.freezing, run.evaluation, stage=stage, step=step),
        tokens=run.tokens,
        inputs=tried_inputs(run.splits["train"], run.pad_id, run.world.device),
    )
    run.progress.cached = [name for name in run.world.share_text(" ".join(decision.splits)).split(" ") if name]
    if decision.reason:
        yield Noted(run.progress.step, decision.reason)
