"""Going on with a run: reading its folder, and saying which settings may change in the middle of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from ftcli.data.dataset import Prepared
from ftcli.errors import CheckpointError, DataError, Problem, RecipeError
from ftcli.runtime.checkpoint import Saved
from ftcli.runtime.rundir import RunDir
from ftcli.spec.document import Key, parse_setting, read_document
from ftcli.spec.problems import dot, located
from ftcli.spec.recipe import Recipe, resolve_layers
from ftcli.spec.run import RunSpec
from ftcli.train.events import RunFinished
from ftcli.train.run import Run
from ftcli.train.snapshot import ModelCard

CHANGEABLE = (
    ("run", "name"),
    ("run", "device"),
    ("train", "stop_after"),
    ("batch", "micro_size"),
    ("batch", "max_tokens"),
    ("batch", "accumulation"),
    ("evaluate", "every"),
    ("evaluate", "batch_size"),
    ("evaluate", "train_metrics"),
    ("checkpoint",),
    ("log",),
    ("distributed",),
)
"""What may differ in a resumed run: none of it moves a number of the training itself beyond rounding."""


def read_run(run_dir: RunDir, changes: Sequence[str] = ()) -> Recipe:
    """The recipe that a run was started with, and the changes to it.

    Raises:
        CheckpointError: it is no run folder.
        RecipeError: a change is not valid, or would make it another run.
    """
    run_dir.check_is_run()
    saved = read_document(run_dir.recipe)
    recipe = resolve_layers([saved, *map(parse_setting, changes)])
    before = resolve_layers([saved]).spec
    problems = [
        Problem(f"`{dot(key)}` can't change in the middle of a run", hint="start a new run: ftcli train", key=key)
        for key in _differences(before, recipe.spec)
        if not any(key[: len(allowed)] == allowed for allowed in CHANGEABLE)
    ]
    if problems:
        raise RecipeError(located(problems, recipe.locate))
    return recipe


def _differences(before: RunSpec, after: RunSpec) -> Iterator[Key]:
    def compare(left: Any, right: Any, key: Key) -> Iterator[Key]:
        if isinstance(left, dict) and isinstance(right, dict):
            left_table, right_table = cast("dict[str, Any]", left), cast("dict[str, Any]", right)
            for name in {**left_table, **right_table}:
                yield from compare(left_table.get(name), right_table.get(name), (*key, name))
        elif left != right:
            yield key

    return compare(before.model_dump(), after.model_dump(), ())


def check_same_data(card: ModelCard, prepared: Prepared, checkpoint: Path) -> None:
    """Raise DataError if the data is not what the checkpoint was trained on."""
    if card.rows_sha256 != prepared.facts.rows_sha256:
        what = f"{prepared.folder} does not hold the rows that {checkpoint} was trained on"
        raise DataError(what, hint="bring the old data back, or start a new run with `ftcli train`")


def finished_already(run_dir: RunDir, newest: Saved | None) -> RunFinished | None:
    """What to say of a run that has nothing left to do, or None if it has."""
    if newest is None:
        return None
    facts = newest.manifest
    has_predictions = not facts["has_test"] or (run_dir.predictions / "test.jsonl").exists()
    if newest.step < facts["total_steps"] or not has_predictions:
        return None
    return RunFinished(
        step=newest.step,
        total_steps=facts["total_steps"],
        reason="already_finished",
        seconds=facts["seconds"],
        best_metric=facts["best_metric"],
        best=facts["best"],
        best_step=facts["best_step"],
        run_dir=str(run_dir.path),
    )


def check_usable(saved: Saved | None, skipped: Sequence[str], run_dir: RunDir) -> None:
    """Raise CheckpointError where there are checkpoints but none that verifies."""
    if saved is None and skipped:
        hint = f"start anew: ftcli train {run_dir.recipe} --run-dir DIR"
        raise CheckpointError(f"no checkpoint of {run_dir.path} can be used: {'; '.join(skipped)}", hint=hint)


def forget_lost_best(run: Run) -> str | None:
    """Forget a best score whose checkpoint is gone (it was dropped for a later one, which was damaged); say so."""
    progress, best = run.progress, run.run_dir.best
    if progress.best_step is None or best.resolve().name == f"step-{progress.best_step:06d}":
        return None
    lost = f"the best checkpoint (step {progress.best_step}) is gone; the next evaluation counts as the best again"
    progress.best = progress.best_step = None
    return lost
