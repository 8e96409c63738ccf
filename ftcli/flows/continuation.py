"""Going on with a run: reading its folder, and saying which settings may change in the middle of one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from ftcli.data.dataset import Prepared
from ftcli.errors import CheckpointError, DataError, RecipeError
from ftcli.flows.changes import forbidden_changes
from ftcli.flows.facts import launch_facts
from ftcli.runtime.catching_up import hand_on_run
from ftcli.runtime.checkpoint import FORMAT_VERSION
from ftcli.runtime.launch import num_restarts
from ftcli.runtime.manifest import Saved
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World
from ftcli.spec.document import parse_setting, read_document
from ftcli.spec.problems import located
from ftcli.spec.recipe import Recipe, resolve_layers
from ftcli.train.card import ModelCard
from ftcli.train.events import Noted, RunFinished
from ftcli.train.run import Run


def read_run(run_dir: RunDir, changes: Sequence[str] = ()) -> Recipe:
    """The recipe that a run was started with, and the changes to it.

    Raises:
        CheckpointError: it is no run folder.
        RecipeError: a change is not valid, or would make it another run.
    """
    run_dir.check_is_run()
    saved = read_document(run_dir.recipe)
    recipe = resolve_layers([saved, *map(parse_setting, changes)])
    problems = list(forbidden_changes(resolve_layers([saved]).spec, recipe.spec, folder=run_dir))
    if problems:
        raise RecipeError(located(problems, recipe.locate))
    return recipe


def check_same_data(card: ModelCard, prepared: Prepared, checkpoint: Path) -> None:
    """Raise DataError if the data is not what the checkpoint was trained on."""
    if card.rows_sha256 != prepared.facts.rows_sha256:
        what = f"{prepared.folder} does not hold the rows that {checkpoint} was trained on"
        raise DataError(what, hint="bring the old data back, or start a new run with `ftcli train`")


def check_same_rows(world: World, prepared: Prepared) -> None:
    """Raise DataError, on all ranks, if a machine has prepared other rows than the first one."""
    rows = prepared.facts.rows_sha256
    other = world.largest(world.rank if rows != world.share_text(rows) else 0)
    if other:
        what = f"{prepared.folder} holds other rows where rank {other} is than where rank 0 is"
        hint = "give each machine the same files, and prepare them anew there: `ftcli prepare RECIPE --force`"
        raise DataError(what, hint=hint)


def check_same_run(world: World, folder: RunDir) -> None:
    """Raise CheckpointError, on all ranks, if machines that share no files have several runs in the folder."""
    told = ((rank, world.share_text(folder.identity(), source=rank)) for rank in world.writers)
    first, *others = [(rank, identity) for rank, identity in told if identity] or [(0, "")]
    for rank, identity in others:
        if identity != first[1]:
            what = f"{folder.path} holds another run where rank {rank} is than where rank {first[0]} is"
            hint = "put that one elsewhere, and a copy of this run's folder in its place"
            raise CheckpointError(what, hint=hint)


def finished_already(run_dir: RunDir, newest: Saved | None, *, changes: Sequence[str]) -> RunFinished | None:
    """What to say of a run that has nothing left to do, or None if it has; changes may give it more."""
    if newest is None or any(change.startswith(("train.", "evaluate.")) for change in changes):
        return None
    facts = newest.manifest
    has_predictions = not facts["has_test"] or (run_dir.predictions / "test.jsonl").exists()
    if not facts["is_over"] or facts.get("owes_evaluation") or not has_predictions:
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


def nothing_left(finished: RunFinished, changes: Sequence[str]) -> Iterator[Noted | RunFinished]:
    """The end of a run that has nothing left to do, and that changes of it are lost."""
    if changes:
        what = "nothing is left to do, so what is changed comes to nothing and is not kept; more to do: train.steps"
        yield Noted(finished.step, what, "warning")
    yield finished


def resume_notes(start: Saved | None, skipped: Sequence[str]) -> Iterator[Noted]:
    """Where a run goes on from, and which checkpoints were passed over."""
    step = start.step if start else 0
    for reason in skipped:
        yield Noted(step, f"passed over a checkpoint: {reason}", "warning")
    yield Noted(step, f"resuming from step {step}" + ("" if start else ": there is no checkpoint yet"))


def check_usable(saved: Saved | None, skipped: Sequence[str], run_dir: RunDir) -> None:
    """Raise CheckpointError where there are checkpoints but none that verifies."""
    if saved is None and skipped:
        hint = f"start anew: ftcli train {shlex.quote(str(run_dir.recipe))} --run-dir DIR"
        raise CheckpointError(f"no checkpoint of {run_dir.path} can be used: {'; '.join(skipped)}", hint=hint)


def check_same_order(saved: Saved | None, run_dir: RunDir) -> None:
    """Raise CheckpointError where the steps to come would see other rows than when the run was begun."""
    if saved is not None and saved.manifest["format_version"] != FORMAT_VERSION:
        what = f"{saved.path} was saved by a version of ftcli that takes the rows of an epoch in another order"
        anew = f"start a new run from its weights: ftcli train RECIPE --init-from {run_dir.last}"
        raise CheckpointError(what, hint=f"go on with that version, or {anew}")


def forget_lost_best(run: Run) -> str | None:
    """Forget a best score whose checkpoint is gone (it was dropped for a later one, which was damaged); say so."""
    progress, best = run.progress, run.run_dir.best
    is_lost = progress.best_step is not None and best.resolve().name != f"step-{progress.best_step:06d}"
    if not run.world.largest(is_lost):
        return None
    lost = f"the best checkpoint (step {progress.best_step}) is gone; the next evaluation counts as the best again"
    progress.best = progress.best_step = None
    return lost


def run_begun_before(world: World, template: str, *, name: str) -> RunDir | None:
    """The run that this launch had begun before torchrun restarted its processes; None if it is a new launch.

    It is a restart if the run folder was claimed by a launch of the same name, or by the same torchrun process, and any
    rank counts restarts. A folder of another launch is somebody's other run, however often torchrun tries.
    """
    restarts = world.largest(num_restarts())
    found = None
    if world.writes:
        candidates = sorted(_folders(template, name), key=lambda folder: folder.recipe.stat().st_mtime_ns)
        found = next((folder for folder in reversed(candidates) if _is_ours(folder, restarts)), None)
    return hand_on_run(world, found)


def _folders(template: str, name: str) -> Iterator[RunDir]:
    """The run folders that a template may have meant; {time} stands for any."""
    path = Path(template.replace("{name}", name).replace("{time}", "*"))
    found = Path(path.anchor).glob(str(path.relative_to(path.anchor))) if "{time}" in template else [path]
    return (folder for folder in map(RunDir, found) if folder.recipe.is_file())


def _is_ours(folder: RunDir, restarts: int) -> bool:
    before, now = folder.launch(), launch_facts()
    if now["id"] is not None and before.get("id") == now["id"]:
        return True
    return restarts > 0 and (not before or before.get("agent") == now["agent"])
