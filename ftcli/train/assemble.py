"""From what was asked to what is alive: the one place below the flows that sees the whole recipe.

Every builder gets its own section of it. The model is built before the tokens are, so that a recipe whose patterns
match nothing fails at once, not after minutes of tokenising.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ftcli.data.dataset import DATASET_FILE, Prepared
from ftcli.data.targets import LabelFacts
from ftcli.data.tokenstore import TokenStore, label_facts, tokenize
from ftcli.modeling.backbone import Loaded
from ftcli.modeling.freezing import FreezePlan, plan_freezing
from ftcli.modeling.packing import skips_padding
from ftcli.modeling.tokenizer import Tokenizer
from ftcli.runtime.activity import Working
from ftcli.runtime.checkpoint import CheckpointStore
from ftcli.runtime.code import look_in
from ftcli.runtime.codefiles import describe_code
from ftcli.runtime.interrupt import Interrupt
from ftcli.runtime.locks import taking_turns
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World
from ftcli.spec.choices import TaskChoice, card_task
from ftcli.spec.dump import dump_recipe
from ftcli.spec.factories import MODEL_FACTORIES, factories_in
from ftcli.spec.metrics import best_metric, better_values
from ftcli.spec.run import RunSpec
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Task
from ftcli.tasks.build import build_task as any_task
from ftcli.tasks.build import settled
from ftcli.train.average import Average
from ftcli.train.card import ModelCard
from ftcli.train.encoding import RowEncoder, row_encoder
from ftcli.train.feed import Feed, choose_cut
from ftcli.train.fitting import check_fit, limits_of
from ftcli.train.meter import Meter
from ftcli.train.models import bring_to, starting_model
from ftcli.train.optim import NamedOptimizer, ParameterRule, build_optimizer, rules_for
from ftcli.train.precision import Kind, Precision, choose_precision
from ftcli.train.progress import Limits, Progress
from ftcli.train.run import Run
from ftcli.train.saving import Saver
from ftcli.train.schedules import multiplier
from ftcli.train.snapshot import Writer, load_state, read_progress, read_step
from ftcli.train.trial import try_task

BuildTask = Callable[[TaskChoice, LabelFacts, EvaluateSection], Task]
"""Makes the task from the recipe's [task], the data's labels and the recipe's [evaluate]."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is built before the data is tokenised: model, optimizer, and every number that follows from row counts.

    `settled_task` and `evaluation` are the recipe's [task] and [evaluate] with what "balanced" and "auto" mean.
    """

    spec: RunSpec
    world: World
    prepared: Prepared
    tokenizer: Tokenizer
    loaded: Loaded
    task: Task
    settled_task: TaskChoice
    evaluation: EvaluateSection
    rules: list[ParameterRule]
    optimizer: NamedOptimizer
    freezing: FreezePlan
    limits: Limits
    precision: Kind
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def load_parts(
    spec: RunSpec, *, world: World, prepared: Prepared, start: Path | None = None, build_task: BuildTask = any_task
) -> Parts:
    """Build all of a run but its batches.

    Args:
        spec: The recipe.
        world: The processes that share the run.
        prepared: The data.
        start: A checkpoint to take the model and the tokenizer from, instead of the recipe's `model.path`.
        build_task: Makes the task.

    Raises:
        RecipeError: the model can't be had, a pattern matches nothing, or numbers don't fit each other.
    """
    look_in(spec.run.code)
    section, evaluation = settled(spec.task, prepared.facts.splits["train"].label_counts), _evaluation(spec)
    task = build_task(section, label_facts(prepared), evaluation)
    loaded, tokenizer = starting_model(spec.model, task.outputs, seed=spec.run.seed, start=start)
    check_fit(spec, loaded.model, tokenizer, prepared)
    _try_own_code(spec, loaded, task, label_facts(prepared))
    limits = limits_of(spec, prepared.facts.splits["train"].rows, read_step(start) if start else 0)
    rules = rules_for(spec.optimizer, loaded.model)
    freezing = _freezing(spec, loaded.model, limits)
    precision, warning = choose_precision(spec.precision, world.device)
    bring_to(world, loaded.model, recomputes=spec.train.recompute)
    return Parts(
        spec=spec,
        world=world,
        prepared=prepared,
        tokenizer=tokenizer,
        loaded=loaded,
        task=task,
        settled_task=section,
        evaluation=evaluation,
        rules=rules,
        optimizer=build_optimizer(loaded.model, spec.optimizer, rules, world),
        freezing=freezing,
        limits=limits,
        precision=precision,
        warnings=(*freezing.warnings, *([warning] if warning else [])),
        notes=tuple(_notes(loaded, spec, world)),
    )


def _own_code(spec: RunSpec) -> list[str]:
    """The code of the user's own that the model needs."""
    return list(factories_in(spec.model_dump(mode="json"), MODEL_FACTORIES))


def _try_own_code(spec: RunSpec, loaded: Loaded, task: Task, facts: LabelFacts) -> None:
    if _own_code(spec):
        try_task(loaded.model, task, facts, _evaluation(spec))


def _freezing(spec: RunSpec, model: nn.Module, limits: Limits) -> FreezePlan:
    names = [name for name, _ in model.named_parameters()]
    return plan_freezing(spec.freeze, names, total_steps=limits.total_steps, steps_per_epoch=limits.steps_per_epoch)


def _evaluation(spec: RunSpec) -> EvaluateSection:
    best = best_metric(spec.evaluate.best, card_task(spec.task))
    return spec.evaluate.model_copy(update={"best": best, "better": better_values(spec.evaluate.better, best)})


def _notes(loaded: Loaded, spec: RunSpec, world: World) -> Iterator[str]:
    """What starts from random weights, and what determinism costs."""
    if loaded.new_modules:
        yield f"new weights: {', '.join(loaded.new_modules)}"
    if spec.train.deterministic:
        cost = "some of them slower" if world.device.type == "cuda" else "which on a CPU costs nothing"
        yield f"deterministic kernels only, {cost}"


def encoder_of(parts: Parts) -> RowEncoder:
    """What makes token ids of the run's rows."""
    return row_encoder(
        parts.tokenizer,
        task=parts.spec.task,
        columns=parts.prepared.facts.columns,
        max_length=parts.spec.data.max_length,
    )


def tokens_of(parts: Parts) -> Working[TokenStore]:
    """The data as the model reads it; rank 0 of one run makes it where it does not exist yet."""
    prepared, encoder = parts.prepared, encoder_of(parts)
    with parts.world.leading() as leads:
        if leads:
            work = tokenize(prepared, encode=encoder.encode, fingerprint=encoder.fingerprint)
            yield from taking_turns(prepared.folder / DATASET_FILE, work)
    return (yield from tokenize(prepared, encode=encoder.encode, fingerprint=encoder.fingerprint))


def assemble(parts: Parts, *, run_dir: RunDir, start: Path | None = None) -> Working[Run]:
    """Bring a run to life, at the start or where a checkpoint left it."""
    spec, world = parts.spec, parts.world
    store = yield from tokens_of(parts)
    progress = Progress() if start is None else read_progress(start)
    run = Run(
        model=parts.loaded.model,
        wrapped=parts.loaded.model,
        frozen_modules=[],
        task=parts.task,
        optimizer=parts.optimizer,
        precision=Precision(parts.precision, world.device, loss_scale=spec.precision.loss_scale),
        progress=progress,
        feed=Feed(
            store.splits["train"],
            task=parts.task,
            batch=spec.batch,
            cut=choose_cut(spec.batch, world, skips_padding=skips_padding(parts.loaded.model)),
            seed=spec.run.seed,
            world=world,
            pad_id=parts.tokenizer.pad_id,
        ),
        freezing=parts.freezing,
        schedule=lambda step: multiplier(spec.schedule, step, parts.limits.total_steps),
        limits=parts.limits,
        evaluation=parts.evaluation,
        splits=store.splits,
        pad_id=parts.tokenizer.pad_id,
        seed=spec.run.seed,
        max_grad_norm=float("inf") if spec.train.max_grad_norm == "off" else spec.train.max_grad_norm,
        world=world,
        run_dir=run_dir,
        meter=Meter(world, progress),
        saver=_saver(parts, run_dir),
        interrupt=Interrupt(),
        freeze=spec.freeze,
        tokens=store.folder,
        compiles=spec.train.compile,
        average=Average(parts.loaded.model, spec.train.average) if spec.train.average != "off" else None,
    )
    if start is not None:
        load_state(run, start)
    if run.progress.micro_tokens is not None:
        run.feed.shrink(run.progress.micro_tokens)
    return run


def _saver(parts: Parts, run_dir: RunDir) -> Saver:
    writer = Writer(parts.loaded.model, model_card(parts), dump_recipe(parts.spec), parts.tokenizer)
    return Saver(CheckpointStore(run_dir, keep=parts.spec.checkpoint.keep), writer)


def model_card(parts: Parts) -> ModelCard:
    """What predicting with the run's model needs to know."""
    spec, facts = parts.spec, parts.prepared.facts
    return ModelCard(
        task=parts.settled_task,
        labels=list(facts.labels),
        scheme=label_facts(parts.prepared).scheme,
        columns=facts.columns,
        reading=facts.reading,
        max_length=spec.data.max_length,
        head=spec.model.head,
        batch_size=spec.evaluate.batch_size,
        best_metric=parts.evaluation.best,
        data=facts.name,
        data_folder=str(parts.prepared.folder.resolve()),
        rows_sha256=facts.rows_sha256,
        head_factory=spec.model.head_factory,
        head_options=spec.model.head_options,
        code_folder=spec.run.code,
        evaluate_factory=spec.evaluate.factory,
        code=tuple(describe_code(_own_code(spec))),
    )
