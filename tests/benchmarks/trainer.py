"""The experiments on transformers' Trainer. Run as a program, it is one of the processes of the two-rank one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer

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
    fresh_copy,
    largest_change,
    same_bits,
    watched_dropouts,
)
from tests.benchmarks.trainer_setup import Watcher, build, encoded, heard

FILES = Files(optimizer="optimizer.pt", progress="trainer_state.json")
WHOLE = {"max_steps": 1, "per_device_train_batch_size": 32}
CUT = {"max_steps": 1, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 8}
SAVED_OFTEN = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "save_strategy": "steps"}
ROOT = Path(__file__).parents[2]


class TransformersTrainer:
    """transformers' Trainer, in the folder that `lay_out` filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def accumulation(self) -> Steps:
        return Steps(self._first_step(**WHOLE), self._first_step(**CUT))

    def uneven_items(self) -> Steps:
        return Steps(self._first_step(of_tokens=True, **WHOLE), self._first_step(of_tokens=True, **CUT))

    @cached_property
    def two_ranks(self) -> TwoRanks:
        one, two = (self._spawned(ranks) for ranks in (1, 2))
        scores = [torch.tensor(found["scores"]) for found in (one, two)]
        return TwoRanks(
            *(Steps(Step(*one[name]), Step(*two[name])) for name in ("step", "step_after_scoring")),
            evaluation_loss_ratio=two["evaluation_loss"] / one["evaluation_loss"],
            rows=len(scores[1]),
            in_order=scores[0].shape == scores[1].shape and torch.allclose(scores[0], scores[1], atol=1e-5),
        )

    def resumed(self, *, sorted_by_length: bool = False) -> Resumed:
        strategy = "group_by_length" if sorted_by_length else "random"
        whole, _ = self._of_two_epochs(f"whole-{strategy}", train_sampling_strategy=strategy)
        whole.train()
        run = self._stopped(whole, f"stopped-{strategy}")
        return self._continued(run, whole, train_sampling_strategy=strategy)

    def damaged(self, damage: Damage) -> Resumed:
        run = self._stopped(self._whole, damage.name)
        apply_damage(run / f"checkpoint-{STOPPED_AT}", damage, FILES)
        return self._continued(run, self._whole)

    def frozen(self) -> Frozen:
        trainer, _ = build(self.folder, dropout=True, **WHOLE)
        backbone = trainer.model.bert.requires_grad_(requires_grad=False)
        active = watched_dropouts(backbone)
        trainer.train()
        held = set(trainer.optimizer.state) & set(backbone.parameters())
        return Frozen(sum(active.values()), len(active), len(held))

    def unfrozen(self) -> Unfrozen:
        trainer, watcher = build(self.folder, **{**WHOLE, "max_steps": 6})
        backbone = trainer.model.bert.requires_grad_(requires_grad=False)
        states = [copied_state(backbone)]

        def unfreeze(step: int) -> None:
            if step == UNFROZEN_AT:
                states.append(copied_state(backbone))
                backbone.requires_grad_(requires_grad=True)

        watcher.at_step = unfreeze
        trainer.train()
        start, border = states
        return Unfrozen(largest_change(start, border), largest_change(border, copied_state(backbone)))

    def other_rate(self) -> OtherRate:
        rates: list[float] = []
        for rate in (RATE, RATE * RATE_FACTOR):
            trainer = self._changed(learning_rate=rate)
            trainer.train(resume_from_checkpoint=True)
            logged = {log["step"]: log["learning_rate"] for log in trainer.state.log_history if "learning_rate" in log}
            rates.append(logged[STOPPED_AT + 1])
        return OtherRate(asked=RATE_FACTOR, found=rates[1] / rates[0])

    def other_cut(self) -> OtherCut:
        trainer = self._changed(gradient_accumulation_steps=4)
        rows: list[int] = []
        trainer.model.register_forward_pre_hook(
            lambda _, __, inputs: rows.append(len(inputs["input_ids"])), with_kwargs=True
        )
        trainer.train(resume_from_checkpoint=True)
        return OtherCut(trainer.state.epoch, trainer.state.global_step - STOPPED_AT, sum(rows))

    def one_of_ranks(self) -> dict[str, Any]:
        """One step and one scoring, as each process of a group is to do; each finds the same."""
        share = {**WHOLE, "per_device_train_batch_size": 32 // int(os.environ["WORLD_SIZE"])}
        step = self._first_step(**share)
        trainer, _ = build(self.folder, **share)
        rows = encoded(trainer.processing_class, SCORED_ROWS)
        loss, scores = trainer.evaluate(rows)["eval_loss"], trainer.predict(rows).predictions.tolist()
        trainer.train()
        later = _logged_step(trainer)
        return {
            "step": (step.loss, step.norm),
            "step_after_scoring": (later.loss, later.norm),
            "evaluation_loss": loss,
            "scores": scores,
        }

    @cached_property
    def _whole(self) -> Trainer:
        trainer, _ = self._of_two_epochs("whole")
        trainer.train()
        return trainer

    def _of_two_epochs(self, name: str, **arguments: Any) -> tuple[Trainer, Watcher]:
        """Twelve steps of two micro-batches of four rows, saved after every fourth, dropout on."""
        return build(self.folder, name, rows=TRAIN_ROWS, dropout=True, **{**SAVED_OFTEN, **arguments})

    def _stopped(self, whole: Trainer, name: str) -> Path:
        """What a run leaves that is killed before its last checkpoint."""
        run = fresh_copy(Path(whole.args.output_dir), self.folder / "trainer" / name)
        shutil.rmtree(run / "checkpoint-12")
        return run

    def _changed(self, **arguments: Any) -> Trainer:
        self._stopped(self._whole, "changed")
        return self._of_two_epochs("changed", **arguments)[0]

    def _continued(self, run: Path, whole: Trainer, **arguments: Any) -> Resumed:
        trainer, watcher = self._of_two_epochs(run.name, **arguments)
        error: str | None = None
        with heard() as warned:
            try:
                trainer.train(resume_from_checkpoint=True)
            except Exception as failure:  # whatever it is, it is the result
                error = type(failure).__name__
        same = error is None and same_bits(copied_state(trainer.model), copied_state(whole.model))
        return Resumed(STOPPED_AT, watcher.from_step, warned, same, error)

    def _first_step(self, **arguments: Any) -> Step:
        trainer, watcher = build(self.folder, **arguments)
        trainer.model.double()
        trainer.train()
        step = _logged_step(trainer)
        return Step(step.loss, step.norm, watcher.gradient)

    def _spawned(self, ranks: int) -> dict[str, Any]:
        output = self.folder / f"ranks-{ranks}.json"
        torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks), "--rdzv-backend", "c10d"]
        command = [*torchrun, "--rdzv-endpoint", "localhost:0", "-m", __name__, str(self.folder), str(output)]
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(output.read_text())


def _logged_step(trainer: Trainer) -> Step:
    """The only step of a run, as it is logged."""
    logged = next(log for log in trainer.state.log_history if "grad_norm" in log)
    return Step(logged["loss"], logged["grad_norm"])


if __name__ == "__main__":
    result = TransformersTrainer(Path(sys.argv[1])).one_of_ranks()
    if os.environ["RANK"] == "0":
        Path(sys.argv[2]).write_text(json.dumps(result))
