"""`ftcli train` and `ftcli resume`: one flow, started from different progress.

Both are generators of events and the Python API of training. A consumer must exhaust or close them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from ftcli.data.dataset import Prepared
from ftcli.errors import FtcliError
from ftcli.flows.continuation import check_same_data, check_usable, finished_already, forget_lost_best, read_run
from ftcli.flows.data import is_stale, place_of, prepared_for
from ftcli.flows.facts import run_facts
from ftcli.flows.predictions import has_predictions, predict_test
from ftcli.flows.recorder import Recorder
from ftcli.modeling.backbone import resolve_path
from ftcli.runtime.checkpoint import CheckpointStore, Saved, read_manifest
from ftcli.runtime.files import write_atomically, write_json
from ftcli.runtime.interrupt import listening
from ftcli.runtime.rundir import RunDir, dated
from ftcli.runtime.world import World, open_world
from ftcli.spec.dump import dump_recipe
from ftcli.spec.recipe import anchored
from ftcli.spec.run import RunSpec
from ftcli.tasks.classification import build_classification
from ftcli.train.assemble import BuildTask, Parts, assemble, load_parts, started
from ftcli.train.events import Event, Noted, RunFinished
from ftcli.train.loop import fit
from ftcli.train.run import Run
from ftcli.train.snapshot import read_card

Events = Generator[Event]


def train(spec: RunSpec, *, run_dir: str | None = None, build_task: BuildTask = build_classification) -> Events:
    """Start a new run from a recipe.

    Args:
        spec: What is asked.
        run_dir: The run folder, instead of the recipe's `run.dir`.
        build_task: Makes the task.

    Raises:
        UsageError: the run folder is in use.
        FtcliError: whatever data, model, memory or disk have to say.
    """
    with open_world(spec.distributed, device=spec.run.device) as world:
        template = run_dir or spec.run.dir
        folder = RunDir(Path(world.share_text(str(dated(template, name=spec.run.name)))))
        with world.leading() as leads:
            if leads:
                folder.claim()
                write_atomically(folder.recipe, dump_recipe(anchored(spec)).encode())
        try:
            yield from _carry_out(anchored(spec), world, folder, build_task)
        except FtcliError:
            if world.is_main:
                folder.release()
            raise


def resume(run_dir: Path, *, changes: Sequence[str] = (), build_task: BuildTask = build_classification) -> Events:
    """Go on with a run from its newest checkpoint that verifies, with the same result as if it had not stopped.

    Args:
        run_dir: The run folder.
        changes: `section.key=value` settings that may change in mid-run.
        build_task: Makes the task.

    Raises:
        CheckpointError: it is no run folder, or has checkpoints of which none can be used.
        RecipeError: a change would make it another run.
    """
    folder = RunDir(run_dir)
    spec = read_run(folder, changes).spec
    with open_world(spec.distributed, device=spec.run.device) as world:
        newest, skipped = _find_start(world, folder, keep=spec.checkpoint.keep)
        if finished := finished_already(folder, newest):
            yield finished
            return
        if world.is_main:
            write_atomically(folder.recipe, dump_recipe(spec).encode())
        yield from _carry_out(spec, world, folder, build_task, start=newest, skipped=skipped, resumed=True)


def _find_start(world: World, folder: RunDir, *, keep: int) -> tuple[Saved | None, Sequence[str]]:
    """The checkpoint to go on from, which rank 0 finds and makes the last one; and what it passed over."""
    store = CheckpointStore(folder, keep=keep)
    newest, skipped = None, []
    with world.leading() as leads:
        if leads:
            newest, skipped = store.newest()
            check_usable(newest, skipped, folder)
            store.sweep()
            store.rewind(newest)
    name = world.share_text(newest.path.name if newest else "")
    return (read_manifest(folder.checkpoints / name) if name else None), skipped


def _carry_out(
    spec: RunSpec,
    world: World,
    folder: RunDir,
    build_task: BuildTask,
    *,
    start: Saved | None = None,
    skipped: Sequence[str] = (),
    resumed: bool = False,
) -> Events:
    """Prepare, assemble, fit, and predict the test split; `start` is the checkpoint to go on from."""
    recorder = Recorder(folder, is_main=world.is_main)
    step = start.step if start else 0
    checkpoint = start.path if start else None
    if resumed:
        recorder.rewind(step)
        for note in _resume_notes(start, skipped):
            yield from recorder.passing(note)
    parts = yield from _load(spec, world, recorder, build_task, step=step, checkpoint=checkpoint)
    if world.is_main and not folder.facts.exists():
        write_json(folder.facts, run_facts(spec, world=world, prepared=parts.prepared))
    yield from recorder.passing(started(parts, folder, step=step))
    run = yield from assemble(parts, run_dir=folder, start=checkpoint)
    if lost := forget_lost_best(run):
        yield from recorder.passing(Noted(step, lost, "warning"))
    with listening(run.interrupt):
        for event in fit(run):
            if isinstance(event, RunFinished) and event.reason == "finished":
                yield from _predict_test(run, parts, recorder)
            yield from recorder.passing(event)


def _load(
    spec: RunSpec, world: World, recorder: Recorder, build_task: BuildTask, *, step: int, checkpoint: Path | None
) -> Generator[Event, None, Parts]:
    """The data, and all of the run but its batches."""
    prepared = yield from _prepare(spec, world, recorder, step=step)
    if checkpoint is not None:
        check_same_data(read_card(checkpoint), prepared, checkpoint)
    elif not Path(resolve_path(spec.model.path)).is_dir():
        yield from recorder.passing(Noted(step, f"getting {spec.model.path} from the model hub"))
    return load_parts(spec, world=world, prepared=prepared, start=checkpoint, build_task=build_task)


def _resume_notes(start: Saved | None, skipped: Sequence[str]) -> Iterator[Noted]:
    step = start.step if start else 0
    for reason in skipped:
        yield Noted(step, f"passed over a checkpoint: {reason}", "warning")
    yield Noted(step, f"resuming from step {step}" + ("" if start else ": there is no checkpoint yet"))


def _prepare(spec: RunSpec, world: World, recorder: Recorder, *, step: int) -> Generator[Event, None, Prepared]:
    """The prepared data; rank 0 prepares it where it is missing or stale, and says so."""
    place = place_of(spec.data)
    with world.leading() as leads:
        if leads and not place.is_prepared:
            text = f"{place.card.name} is not prepared yet: preparing it in {place.folder}"
            yield from recorder.passing(Noted(step, text))
        elif leads and is_stale(place, place.open()):
            text = f"the files of {place.card.name} have changed: preparing it anew"
            yield from recorder.passing(Noted(step, text, "warning"))
        if leads:
            yield from prepared_for(place)
    return place.open()


def _predict_test(run: Run, parts: Parts, recorder: Recorder) -> Events:
    if "test" not in run.splits or has_predictions(run.run_dir):
        return
    for event in predict_test(run, parts):
        yield from recorder.passing(event)
