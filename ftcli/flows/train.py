"""`ftcli train` and `ftcli resume`: one flow, started from different progress.

Both are generators of events and the Python API of training. A consumer must exhaust or close them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from ftcli.data.dataset import Prepared
from ftcli.errors import LostContactError
from ftcli.flows.changes import changes_of
from ftcli.flows.continuation import (
    check_same_data,
    check_same_order,
    check_same_rows,
    check_same_run,
    check_usable,
    finished_already,
    forget_lost_best,
    nothing_left,
    read_run,
    resume_notes,
    run_begun_before,
)
from ftcli.flows.data import place_for, prepare_in_turn, why_prepare
from ftcli.flows.facts import launch_facts, run_facts
from ftcli.flows.failure import Scene, explaining, speaking_to_the_end
from ftcli.flows.opening import remarks, started
from ftcli.flows.recorder import Recorder
from ftcli.flows.running import run_to_end
from ftcli.flows.tensorboard import open_board
from ftcli.modeling.places import resolve_path
from ftcli.runtime.catching_up import catch_up
from ftcli.runtime.checkpoint import CheckpointStore
from ftcli.runtime.code import look_in
from ftcli.runtime.codefiles import changed_code
from ftcli.runtime.files import write_atomically, write_json
from ftcli.runtime.interrupt import listening
from ftcli.runtime.joining import open_world
from ftcli.runtime.manifest import Saved, read_manifest
from ftcli.runtime.rundir import RunDir, dated
from ftcli.runtime.seeding import deterministic
from ftcli.runtime.world import World
from ftcli.spec.dump import dump_recipe
from ftcli.spec.recipe import anchored
from ftcli.spec.run import RunSpec
from ftcli.tasks.build import build_task as build_any_task
from ftcli.train.assemble import BuildTask, Parts, assemble, load_parts
from ftcli.train.card import read_card
from ftcli.train.events import Event, Noted, RecipeChanged

Events = Generator[Event]
Answer = Callable[[], None]
"""Called at once, in a thread of its own, when a signal asks a run to stop, which it does after the step under way."""


def _say_nothing() -> None:
    """Nobody is there to be told."""


def train(
    spec: RunSpec,
    *,
    run_dir: str | None = None,
    answer: Answer = _say_nothing,
    build_task: BuildTask = build_any_task,
) -> Events:
    """Start a new run from a recipe; where torchrun has restarted its processes, go on with the run they had begun.

    Args:
        spec: What is asked.
        run_dir: The run folder, instead of the recipe's `run.dir`.
        answer: Tells the user that a signal was heard.
        build_task: Makes the task.

    Raises:
        UsageError: the run folder is in use.
        FtcliError: whatever data, model, memory or disk have to say.
    """
    scene = Scene()
    with explaining(scene), open_world(spec.distributed, device=spec.run.device) as world, speaking_to_the_end(scene):
        begun = run_begun_before(world, run_dir or spec.run.dir, name=spec.run.name)
        if begun is not None:
            yield from _go_on(scene, world, begun, answer, changes=_only_this_time(spec), build_task=build_task)
            return
        folder = RunDir(Path(world.share_text(str(dated(run_dir or spec.run.dir, name=spec.run.name)))))
        _claim(world, folder, spec)
        yield from _carry_out(scene, anchored(spec), world, folder, answer, build_task=build_task)


def _claim(world: World, folder: RunDir, spec: RunSpec) -> None:
    """Take the run folder, on every machine that has one of its own or on none."""
    identity = world.share_text(uuid.uuid4().hex)
    try:
        with world.leading() as leads:
            if leads:
                folder.claim()
                # The recipe first: whatever ends the process from here on, the run can be resumed.
                write_atomically(folder.recipe, dump_recipe(anchored(spec)).encode())
                write_json(folder.facts, {"id": identity, "launch": launch_facts()})
    except LostContactError:
        if world.writes:
            folder.release()
        raise


def resume(
    run_dir: Path,
    *,
    changes: Sequence[str] = (),
    answer: Answer = _say_nothing,
    build_task: BuildTask = build_any_task,
) -> Events:
    """Go on with a run from its newest checkpoint that verifies, with the same result as if it had not stopped.

    Args:
        run_dir: The run folder.
        changes: `section.key=value` settings that may change in mid-run.
        answer: Tells the user that a signal was heard.
        build_task: Makes the task.

    Raises:
        CheckpointError: it is no run folder, or has checkpoints of which none can be used.
        RecipeError: a change would make it another run.
    """
    folder, scene = RunDir(run_dir), Scene()
    spec = read_run(folder, changes).spec
    with explaining(scene), open_world(spec.distributed, device=spec.run.device) as world, speaking_to_the_end(scene):
        yield from _go_on(scene, world, folder, answer, changes=changes, build_task=build_task)


def _only_this_time(spec: RunSpec) -> list[str]:
    """The settings of an invocation that are not saved with its run."""
    return [] if spec.train.stop_after == "never" else [f"train.stop_after={spec.train.stop_after}"]


def _go_on(
    scene: Scene, world: World, folder: RunDir, answer: Answer, *, changes: Sequence[str], build_task: BuildTask
) -> Events:
    spec, before = read_run(folder, changes).spec, read_run(folder).spec
    check_same_run(world, folder)
    newest, skipped = _find_start(world, folder, keep=spec.checkpoint.keep)
    finished = finished_already(folder, newest, changes=changes)
    is_left = world.largest(finished is None)  # a machine of its own may lack what another has
    if finished and not is_left:
        yield from nothing_left(finished, changes)
        return
    check_same_order(newest, folder)
    yield from _carry_out(
        scene, spec, world, folder, answer, build_task=build_task, before=before, start=newest, skipped=skipped
    )


def _find_start(world: World, folder: RunDir, *, keep: int) -> tuple[Saved | None, Sequence[str]]:
    """The checkpoint to go on from, which whoever writes makes the last one; and what rank 0 passed over."""
    store = CheckpointStore(folder, keep=keep)
    newest, skipped = None, []
    with world.leading() as leads:
        if leads:
            store.sweep()
            newest, skipped = store.newest()
    newest = catch_up(world, folder, store, newest)
    with world.leading() as leads:
        if leads:
            check_usable(newest, skipped, folder)
            store.rewind(newest)
            folder.forget_failure()
    name = world.share_text(newest.path.name if newest else "")
    return (read_manifest(folder.checkpoints / name) if name else None), skipped


def _carry_out(
    scene: Scene,
    spec: RunSpec,
    world: World,
    folder: RunDir,
    answer: Answer,
    *,
    build_task: BuildTask,
    before: RunSpec | None = None,
    start: Saved | None = None,
    skipped: Sequence[str] = (),
) -> Events:
    """Prepare, assemble, fit, and predict the test split.

    A run that goes on was asked for `before` when it was last started; `start` is the checkpoint it goes on from.
    """
    scene.world, scene.folder, scene.began = world, folder, before is not None
    step = scene.step = start.step if start else 0
    board = open_board(folder, step=step, wanted=spec.log.tensorboard, writes=world.writes)
    recorder = scene.recorder = Recorder(folder, writes=world.writes, board=board)
    checkpoint = start.path if start else None
    if before is not None:
        recorder.hold()
        yield from recorder.passing(*resume_notes(start, skipped))
    parts = yield from _load(spec, world, recorder, build_task, step=step, checkpoint=checkpoint)
    if world.writes and before is None:
        facts = run_facts(spec, world=world, prepared=parts.prepared, identity=folder.identity())
        write_json(folder.facts, facts)
    elif world.writes:
        # Not before everything has been built from it: a change that can't be made must leave the run as it was.
        recorder.rewind(step)
        write_atomically(folder.recipe, dump_recipe(spec).encode())
    scene.parts, scene.began = parts, True
    if before and (changed := _changes(before, parts, start)):
        yield from recorder.passing(changed)
    yield from recorder.passing(started(parts, folder, step=step), *remarks(parts, step=step))
    scene.run = run = yield from assemble(parts, run_dir=folder, start=checkpoint)
    if lost := forget_lost_best(run):
        yield from recorder.passing(Noted(step, lost, "warning"))
    with listening(run.interrupt, answer), deterministic(wanted=spec.train.deterministic):
        yield from run_to_end(run, parts, recorder)


def _changes(before: RunSpec, parts: Parts, start: Saved | None) -> RecipeChanged | None:
    old_world_size = start.manifest["world_size"] if start else None
    return changes_of(before, parts, step=start.step if start else 0, old_world_size=old_world_size)


def _load(
    spec: RunSpec, world: World, recorder: Recorder, build_task: BuildTask, *, step: int, checkpoint: Path | None
) -> Generator[Event, None, Parts]:
    """The data, and all of the run but its batches."""
    look_in(spec.run.code)
    prepared = yield from _prepare(spec, world, recorder, step=step)
    if checkpoint is not None:
        card = read_card(checkpoint)
        check_same_data(card, prepared, checkpoint)
        for _, path in changed_code(card.code):
            note = f"the code in {path} has changed since step {step}: steps from here on may not follow from it"
            yield from recorder.passing(Noted(step, note, "warning"))
    elif not Path(resolve_path(spec.model.path)).is_dir():
        yield from recorder.passing(Noted(step, f"getting {spec.model.path} from the model hub"))
    return load_parts(spec, world=world, prepared=prepared, start=checkpoint, build_task=build_task)


def _prepare(spec: RunSpec, world: World, recorder: Recorder, *, step: int) -> Generator[Event, None, Prepared]:
    """The prepared data, which whoever writes prepares where it is missing or stale; rank 0 says so."""
    place = place_for(spec)
    with world.leading() as leads:
        if leads and (reason := (yield from why_prepare(place))):
            yield from recorder.passing(Noted(step, reason, "warning" if place.is_prepared else "info"))
            yield from prepare_in_turn(place)
    prepared = place.open()
    check_same_rows(world, prepared)
    return prepared
