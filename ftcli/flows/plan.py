"""`ftcli train --dry-run`: everything that a run would do, worked out and tried on one batch, and nothing trained."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch

from ftcli.data.plan import Cut, EpochPlan, deal, padding_share
from ftcli.data.tokens import TokenizedSplit
from ftcli.data.tokenstore import TokenStore
from ftcli.flows.data import place_for, prepared_for
from ftcli.flows.footprint import Footprints, footprints
from ftcli.flows.opening import remarks
from ftcli.modeling.freezing import apply_stage, frozen_modules, set_training_mode
from ftcli.modeling.packing import skips_padding
from ftcli.modeling.prefix import find_prefix
from ftcli.runtime.activity import Working
from ftcli.runtime.joining import open_world
from ftcli.runtime.seeding import seed_step
from ftcli.spec.run import RunSpec
from ftcli.spec.wording import counted
from ftcli.tasks.base import collate
from ftcli.train.assemble import Parts, load_parts, tokens_of
from ftcli.train.cache import Decision, decide, passes_of, tried_inputs
from ftcli.train.events import Noted
from ftcli.train.feed import choose_cut
from ftcli.train.precision import Precision
from ftcli.train.schedules import multiplier

_MOST_GROUPS = 4096
"""So many tell the padding of an epoch to a few hundredths of a percent; to cut a million takes many minutes."""
_SCHEDULE_POINTS = 9


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """Parameters that are trained alike; `first_step` is None where they never are."""

    group: str
    num_tensors: int
    num_parameters: int
    lr: float
    weight_decay: float
    first_step: int | None


@dataclass(frozen=True, slots=True)
class PatternRow:
    """What one freezing pattern matches; `effect` says what it does and when."""

    pattern: str
    effect: str
    num_tensors: int
    num_parameters: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class TriedBatch:
    """One micro-batch that went through the model: shapes, and the mean loss over its rows."""

    shapes: dict[str, tuple[int, ...]]
    logits: tuple[int, ...]
    loss: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do. Bytes are estimates."""

    data: str
    rows: dict[str, int]
    steps_per_epoch: int
    total_steps: int
    batch_size: int
    cut: str
    padding: float
    padding_unsorted: float
    stages: list[tuple[int, str]]
    schedule: list[tuple[int, float]]
    patterns: list[PatternRow]
    parameters: list[ParameterRow]
    new_parameters: tuple[str, ...]
    precision: str
    device: str
    footprints: Footprints
    checkpoint_bytes: int
    disk_bytes: int
    tried: TriedBatch
    caches: list[Decision]
    remarks: tuple[Noted, ...]


def plan(spec: RunSpec, *, num_processes: int | None = None) -> Working[Plan | None]:
    """Work out a run and pass one batch through its model. Prepares the data if need be; writes no run folder.

    Under torchrun the plan is that of all its processes together, and only rank 0 returns it. Its memory is that of one
    of `num_processes` like this one, if they are given.

    Raises:
        FtcliError: whatever would stop the run itself.
    """
    with open_world(spec.distributed, device=spec.run.device) as world:
        place = place_for(spec)
        with world.leading() as leads:
            if leads:
                yield from prepared_for(place)
        parts = load_parts(spec, world=world, prepared=place.open())
        store = yield from tokens_of(parts)
        with world.gathered(parts.loaded.model):
            return _plan(parts, store, num_processes or world.size) if world.is_main else None


def _plan(parts: Parts, store: TokenStore, num_processes: int) -> Plan:
    spec, world, prepared = parts.spec, parts.world, parts.prepared
    split, limits = store.splits["train"], parts.limits
    packs = skips_padding(parts.loaded.model)
    cut = choose_cut(spec.batch, world, skips_padding=packs)
    epoch = EpochPlan.of(split.row_lengths, spec.batch, seed=spec.run.seed, epoch=0)
    sizes = footprints(parts, split, epoch, num_processes=num_processes, skips_padding=packs)
    return Plan(
        data=prepared.facts.name,
        rows={name: facts.rows for name, facts in prepared.facts.splits.items()},
        steps_per_epoch=limits.steps_per_epoch,
        total_steps=limits.total_steps,
        batch_size=spec.batch.size,
        cut=str(cut),
        padding=padding_share(epoch, split, cut, world.size, groups=_MOST_GROUPS),
        padding_unsorted=padding_share(epoch, split, Cut(rows=spec.batch.size), 1, groups=_MOST_GROUPS),
        stages=[(stage.start, stage.description) for stage in parts.freezing.stages],
        schedule=_schedule(spec, limits.total_steps),
        patterns=list(_pattern_rows(parts)),
        parameters=_parameter_rows(parts),
        new_parameters=parts.loaded.new,
        precision=parts.precision,
        device=str(world.device),
        footprints=sizes,
        checkpoint_bytes=sizes.checkpoint,
        disk_bytes=sizes.checkpoint * (spec.checkpoint.keep + 1),
        tried=_try_batch(parts, split, epoch, cut),
        caches=[_cache(parts, store, stage) for stage in range(len(parts.freezing.stages))],
        remarks=(*remarks(parts), *_idle(sizes, spec.batch.size), *(Noted(0, note) for note in parts.notes)),
    )


def _idle(sizes: Footprints, batch_size: int) -> Iterator[Noted]:
    if sizes.num_with_rows < sizes.num_processes:
        idle = counted(sizes.num_processes - sizes.num_with_rows, "process", "es")
        text = f"{idle} of {sizes.num_processes} will have nothing to do: a step of {counted(batch_size)} is dealt to"
        yield Noted(0, f"{text} {sizes.num_with_rows}; use no more than that, or a larger batch.size", "warning")


def _schedule(spec: RunSpec, total_steps: int) -> list[tuple[int, float]]:
    last = total_steps - 1
    steps = sorted({round(last * part / (_SCHEDULE_POINTS - 1)) for part in range(_SCHEDULE_POINTS)})
    return [(step, multiplier(spec.schedule, step, total_steps)) for step in steps]


def _parameter_rows(parts: Parts) -> list[ParameterRow]:
    model = parts.loaded.model
    grouped: dict[tuple[str, float, float, int | None], list[int]] = defaultdict(list)
    for rule in parts.rules:
        key = (rule.group, rule.lr, rule.weight_decay, parts.freezing.first_step(rule.name))
        grouped[key].append(model.get_parameter(rule.name).numel())
    return [
        ParameterRow(group, len(sizes), sum(sizes), lr, decay, first)
        for (group, lr, decay, first), sizes in grouped.items()
    ]


def _pattern_rows(parts: Parts) -> Iterator[PatternRow]:
    section, parameters = parts.spec.freeze, dict(parts.loaded.model.named_parameters())
    effects = [(pattern, "frozen at the start") for pattern in section.patterns]
    for stage in section.stages:
        at = ", ".join(f"{unit} {value:g}" for unit, value in stage.at.model_dump(exclude_none=True).items())
        effects += [(pattern, f"trained from {at}") for pattern in stage.unfreeze]
        effects += [(pattern, f"frozen from {at}") for pattern in stage.freeze]
    for pattern, effect in effects:
        matched = [p for name, p in parameters.items() if re.search(pattern, name)]
        num_bytes = sum(p.numel() * p.element_size() for p in matched)
        yield PatternRow(pattern, effect, len(matched), sum(p.numel() for p in matched), num_bytes)


def _cache(parts: Parts, store: TokenStore, number: int) -> Decision:
    """What a stage does about its frozen layers."""
    model, stage = parts.loaded.model.eval(), parts.freezing.stages[number]
    apply_stage(model, stage)
    return decide(
        parts.spec.freeze,
        find_prefix(model),
        model,
        store.splits,
        passes=passes_of(store.splits, parts.limits, parts.freezing, parts.evaluation, stage=number, step=stage.start),
        tokens=store.folder,
        inputs=tried_inputs(store.splits["train"], parts.tokenizer.pad_id, parts.world.device),
    )


def _try_batch(parts: Parts, split: TokenizedSplit, epoch: EpochPlan, cut: Cut) -> TriedBatch:
    """Pass the rows of the first micro-batch of rank 0 through the model, in training's arithmetic."""
    device, task = parts.world.device, parts.task
    first = deal(split.sequences_of(epoch.rows(0)), split.lengths, cut, parts.world.size)[0][0]
    rows = torch.tensor(sorted(set(cast("list[int]", split.rows_of(first).tolist()))))
    batch = collate(split, split.sequences_of(rows), pad_id=parts.tokenizer.pad_id).to(device)
    apply_stage(parts.loaded.model, parts.freezing.stages[0])
    set_training_mode(parts.loaded.model, frozen_modules(parts.loaded.model))
    seed_step(parts.spec.run.seed, step=0, rank=0, device=device)
    with torch.no_grad(), Precision(parts.precision, device).autocast():
        tried = task.infer(parts.loaded.model, batch, with_loss=True)
    assert tried.loss is not None
    shapes = {name: tuple(value.shape) for name, value in batch.inputs.items()}
    return TriedBatch(shapes, tuple(tried.scores.shape), float(tried.loss) / task.count_items(split, rows))
