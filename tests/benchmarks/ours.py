"""The experiments on ftcli, through its Python API, and through torchrun where they take two processes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import FtcliError
from ftcli.flows.data import place_of, prepared_for
from ftcli.flows.train import resume, train
from ftcli.runtime.activity import finish
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World
from ftcli.spec.recipe import load_recipe
from ftcli.spec.run import RunSpec
from ftcli.tasks.base import Batch, Task
from ftcli.tasks.classification import Classification
from ftcli.train.assemble import assemble, load_parts
from ftcli.train.events import Event, Noted, RunStarted, StageEntered, StepDone
from ftcli.train.loop import fit
from ftcli.train.run import Run
from ftcli.train.step import accumulate
from tests.benchmarks.experiments import (
    RATE,
    RATE_FACTOR,
    SCORED_ROWS,
    STOPPED_AT,
    TRAIN_ROWS,
    UNFROZEN_AT,
    Damage,
    Files,
    Frozen,
    OtherCut,
    OtherRate,
    Resumed,
    Step,
    Steps,
    TwoRanks,
    Unfrozen,
    apply_damage,
    copied_state,
    flat_gradient,
    fresh_copy,
    largest_change,
    same_bits,
    watched_dropouts,
)
from tests.conftest import spawn

FILES = Files(optimizer="state/optimizer.safetensors", progress="state/progress.json")
ONE_STEP = ("data.train=step.jsonl", "batch.size=32", "train.steps=1", "model.dropout=0.0", "train.max_grad_norm=off")
WHOLE, CUT = (*ONE_STEP, "batch.micro_size=32"), (*ONE_STEP, "batch.micro_size=4")
BACKBONE = r"freeze.patterns=['^bert\.']"
SAVED_OFTEN = ("checkpoint.every=4", "checkpoint.keep=9")


@dataclass(frozen=True, slots=True)
class TokenIdentity(Classification):
    """Each token's number in the vocabulary, from its hidden state: all tokens of a row labelled 1, else one."""

    def count_items(self, split: TokenizedSplit, rows: Tensor) -> int:
        return int(torch.where(split.labels[rows] == 1, split.lengths[rows], 1).sum())

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        hidden = model(**batch.inputs, output_hidden_states=True).hidden_states[-1]
        places = torch.arange(hidden.shape[1])
        counted = batch.inputs["attention_mask"].bool() & ((batch.labels == 1)[:, None] | (places == 0))
        targets = batch.inputs["input_ids"] % hidden.shape[2]
        return cross_entropy(hidden[counted], targets[counted], reduction="sum")


class Ours:
    """ftcli, in the folder that `laid_out` filled, which is the working directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def accumulation(self) -> Steps:
        return Steps(self._first_step("rows", WHOLE), self._first_step("cut-rows", CUT))

    def uneven_items(self) -> Steps:
        task = TokenIdentity(labels=("no", "yes"), metrics=())
        return Steps(self._first_step("tokens", WHOLE, task), self._first_step("cut-tokens", CUT, task))

    @cached_property
    def two_ranks(self) -> TwoRanks:
        one, two = (self._spawned(f"ranks-{ranks}", ranks) for ranks in (1, 2))
        later = (self._spawned(f"later-{ranks}", ranks, "evaluate.at_start=true") for ranks in (1, 2))
        predicted = _records(two / "predictions" / "test.jsonl")
        losses = [_logged(run, "evaluated")[0]["loss"] for run in (one, two)]
        return TwoRanks(
            Steps(*map(_first_logged, (one, two))),
            Steps(*map(_first_logged, later)),
            evaluation_loss_ratio=losses[1] / losses[0],
            rows=len(predicted),
            in_order=[(row["a"], row["b"]) for row in predicted] == [(row["a"], row["b"]) for row in SCORED_ROWS],
        )

    def resumed(self, *, sorted_by_length: bool = False) -> Resumed:
        window = f"batch.window={3 if sorted_by_length else 1}"
        whole, stopped = (self.folder / f"{name}-{sorted_by_length}" for name in ("whole", "stopped"))
        list(train(_spec(window), run_dir=str(whole)))
        list(train(_spec(window, f"train.stop_after={STOPPED_AT}"), run_dir=str(stopped)))
        return _continued(stopped, whole)

    def damaged(self, damage: Damage) -> Resumed:
        run = fresh_copy(self._stopped, self.folder / damage.name)
        apply_damage(run / "checkpoints" / f"step-{STOPPED_AT:06d}", damage, FILES)
        return _continued(run, self._whole)

    def frozen(self) -> Frozen:
        run = _assembled(self.folder / "frozen", _spec(BACKBONE, "train.steps=1", "evaluate.every=never"))
        active = watched_dropouts(run.model.get_submodule("bert"))
        list(fit(run))
        held = {key.partition("/")[2] for key in run.optimizer.state()}
        return Frozen(sum(active.values()), len(active), sum(name.startswith("bert.") for name in held))

    def unfrozen(self) -> Unfrozen:
        stages = rf"freeze.stages=[{{at={{step={UNFROZEN_AT}}}, unfreeze=['^bert\.']}}]"
        spec = _spec(BACKBONE, stages, "train.steps=6", "evaluate.every=never")
        run = _assembled(self.folder / "unfrozen", spec)
        backbone = run.model.get_submodule("bert")
        start = border = copied_state(backbone)
        for event in fit(run):
            if isinstance(event, StageEntered) and event.step == UNFROZEN_AT:
                border = copied_state(backbone)
        return Unfrozen(largest_change(start, border), largest_change(border, copied_state(backbone)))

    def other_rate(self) -> OtherRate:
        rates = [
            next(event for event in self._resumed_with(change) if isinstance(event, StepDone)).rates["base"]
            for change in (f"optimizer.lr={RATE}", f"optimizer.lr={RATE * RATE_FACTOR}")
        ]
        return OtherRate(asked=RATE_FACTOR, found=rates[1] / rates[0])

    def other_cut(self) -> OtherCut:
        events = self._resumed_with("batch.accumulation=4")
        progress = json.loads((self.folder / "changed" / "last" / FILES.progress).read_text())
        steps = sum(isinstance(event, StepDone) for event in events)
        before = json.loads((self._stopped / "last" / FILES.progress).read_text())
        return OtherCut(progress["rows"] / len(TRAIN_ROWS), steps, progress["rows"] - before["rows"])

    @cached_property
    def _whole(self) -> Path:
        """A run that was not stopped."""
        run = self.folder / "whole"
        list(train(_spec(*SAVED_OFTEN), run_dir=str(run)))
        return run

    @cached_property
    def _stopped(self) -> Path:
        """The same run, stopped in the middle of its second epoch, with an older checkpoint."""
        run = self.folder / "stopped"
        list(train(_spec(*SAVED_OFTEN, f"train.stop_after={STOPPED_AT}"), run_dir=str(run)))
        return run

    def _resumed_with(self, change: str) -> list[Event]:
        return list(resume(fresh_copy(self._stopped, self.folder / "changed"), changes=[change]))

    def _first_step(self, name: str, settings: Sequence[str], task: Task | None = None) -> Step:
        """The gradient of step 1 as it is accumulated, and what the step then says of itself."""
        run = _assembled(self.folder / name, _spec(*settings, "evaluate.every=never"))
        run.model.double()
        run.task = task or run.task
        accumulate(run, run.feed.group(0))
        gradient = flat_gradient(run.model)
        run.model.zero_grad(set_to_none=True)
        step = next(event for event in fit(run) if isinstance(event, StepDone))
        return Step(step.loss, step.grad_norm, gradient)

    def _spawned(self, name: str, ranks: int, *more: str) -> Path:
        run = self.folder / name
        settings = [part for setting in (*WHOLE, *more) for part in ("--set", setting)]
        done = spawn("train", "tiny.toml", "--run-dir", run, *settings, ranks=ranks, cwd=self.folder)
        if done.code:
            raise RuntimeError(done.err)
        return run


def _spec(*settings: str) -> RunSpec:
    return load_recipe(Path("tiny.toml"), settings).spec


def _assembled(folder: Path, spec: RunSpec) -> Run:
    prepared = finish(prepared_for(place_of(spec.data)))
    return finish(assemble(load_parts(spec, world=World(), prepared=prepared), run_dir=RunDir(folder)))


def _continued(run: Path, whole: Path) -> Resumed:
    """Resume a run that stopped at `STOPPED_AT`, and hold its end against that of the whole one."""
    events: list[Event] = []
    error: str | None = None
    try:
        events += resume(run)
    except FtcliError as failure:
        error = type(failure).__name__
    return Resumed(
        newest_step=STOPPED_AT,
        from_step=next((event.step for event in events if isinstance(event, RunStarted)), None),
        warnings=[event.text for event in events if isinstance(event, Noted) and event.level == "warning"],
        same_bits=error is None and same_bits(_weights(run), _weights(whole)),
        error=error,
    )


def _weights(run: Path) -> dict[str, Tensor]:
    return load_file(run / "last" / FILES.weights)


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _logged(run: Path, kind: str) -> list[dict[str, Any]]:
    return [record for record in _records(run / "log.jsonl") if record["event"] == kind]


def _first_logged(run: Path) -> Step:
    step = _logged(run, "step_done")[0]
    return Step(step["loss"], step["grad_norm"])
