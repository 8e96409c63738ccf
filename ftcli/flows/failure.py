"""What a run leaves behind when it fails: every rank's error in errors/, and postmortem.md.

Of several ranks that fail together, one has the cause and the others have lost contact with it. The rank that writes
(rank 0, or where machines share no files the first of each) speaks for all that see its files: it shows the cause,
whoever's it is. Another rank speaks only where that one can't.
"""

from __future__ import annotations

import re
import socket
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from ftcli.errors import (
    DistributedError,
    FtcliError,
    LostContactError,
    NonFiniteError,
    OrphanedError,
    RecipeError,
    UsageError,
)
from ftcli.flows.postmortem import Deceased, write_postmortem
from ftcli.flows.recorder import Recorder
from ftcli.flows.report import try_report
from ftcli.runtime.files import write_atomically
from ftcli.runtime.interrupt import deafen
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World, is_lost_contact
from ftcli.train.assemble import Parts
from ftcli.train.events import RunFailed
from ftcli.train.run import Run

_PATIENCE_SECONDS = 5.0
"""How long a rank waits to hear from the others why a run failed."""
_LOST = "lost contact"


@dataclass
class Scene:
    """How far a run has come; whatever is None was not reached. `began` tells that there is something to go on from.

    `step` is the one that it goes on from.
    """

    world: World | None = None
    folder: RunDir | None = None
    recorder: Recorder | None = None
    parts: Parts | None = None
    run: Run | None = None
    began: bool = False
    step: int = 0


@contextmanager
def explaining(scene: Scene) -> Generator[None]:
    """Leave an account of whatever ends the block, and raise what the user should read.

    Enter it before the world is opened: by the time it writes, this rank has let go of the others, which fail then.

    Raises:
        DistributedError: another rank failed first; it says which and why.
        OrphanedError: rank 0 has fallen silent; raised on the others.
    """
    try:
        yield
    except Exception as error:
        cause = _account_for(error, scene)
        if cause is error:
            raise
        raise cause from error
    except KeyboardInterrupt as stop:
        _take_leave(stop, scene)
        raise
    finally:
        if scene.recorder is not None:
            scene.recorder.close()


@contextmanager
def speaking_to_the_end(scene: Scene) -> Generator[None]:
    """Let nothing but an error of its own end a process that has failed. Enter it once the world is open.

    torchrun sends SIGTERM as soon as another process has ended, which may well be while this one lets go of the world.
    """
    try:
        yield
    except Exception:
        if scene.world is not None and scene.world.size > 1:
            deafen()
        raise


def _account_for(error: Exception, scene: Scene) -> Exception:
    """The error to show on this rank, once what there is to leave behind is left."""
    if scene.world is None or scene.folder is None:
        return error
    if not scene.began:
        _give_back(error, scene.world, scene.folder)
        return error
    cause = _cause(error, scene.world, scene.folder)
    if scene.world.writes and _is_refusal(cause, scene):
        scene.folder.forget_failure()
    elif scene.world.writes or isinstance(cause, OrphanedError):
        _bury(cause, scene, scene.folder)
    return cause


def _take_leave(stop: KeyboardInterrupt, scene: Scene) -> None:
    """Say what is left of a run that was not waited for."""
    if scene.world is None or scene.folder is None or not scene.world.writes:
        return
    if scene.parts is not None:
        stop.add_note(f"stopped at once; go on with: {scene.folder.resume_command}")
        return
    if not scene.began:
        scene.folder.release()
    stop.add_note(f"stopped before the run began: {scene.folder.path} is as it was")


def _is_refusal(error: Exception, scene: Scene) -> bool:
    """Whether a run can't go on as it was asked to: that is no failure of the run, which stays as it was."""
    return isinstance(error, RecipeError | UsageError) and scene.parts is None


def _give_back(error: Exception, world: World, folder: RunDir) -> None:
    """A run that never began leaves nothing, so that the mended recipe can have the folder.

    Raises:
        OrphanedError: on a rank that does not write, for there is nowhere to leave its error for that one to show.
    """
    if world.writes:
        folder.release()
    elif not is_lost_contact(error):
        raise OrphanedError(f"rank {world.rank}: {error}") from error


def _cause(error: Exception, world: World, folder: RunDir) -> Exception:
    """The error to show on this rank."""
    if world.size == 1:
        return error
    lost = is_lost_contact(error)
    _write_error(error, world, folder, kind=_LOST if lost else "error")
    if world.writes:
        return _others_error(world, folder) or _plainly(error) if lost else error
    if not lost:
        return error
    speaker = world.near[0]
    if _wait_for(folder, ranks=[speaker]):
        return _plainly(error)
    return OrphanedError(f"rank {speaker} has fallen silent", hint=f"{folder.errors} has what every rank had to say")


def _plainly(error: Exception) -> DistributedError:
    if isinstance(error, LostContactError):
        return error
    why = re.sub(r"^\[[^\]]*\]\s*", "", str(error).splitlines()[0])
    hint = "the lines above, and torchrun's own, may say which; errors/ in the run folder has what each could still say"
    return LostContactError(f"another process of this run is gone or silent: {why}", hint=hint)


def _write_error(error: Exception, world: World, folder: RunDir, *, kind: str) -> None:
    what = " ".join(str(error).split()) or type(error).__name__
    lines = [
        f"rank {world.rank} of {world.size} on {socket.gethostname()}, {time.strftime('%Y-%m-%d %H:%M:%S')}",
        f"{kind}: {what}",
        "",
        *traceback.format_exception(error),
    ]
    try:
        folder.errors.mkdir(parents=True, exist_ok=True)
        write_atomically(folder.errors / f"rank-{world.rank}.txt", "\n".join(lines).encode())
    except OSError as failure:
        error.add_note(f"it could not be written to {folder.errors}: {failure}")


def _others_error(world: World, folder: RunDir) -> DistributedError | None:
    """The first error of another rank that is not itself a lost contact."""
    for rank in _wait_for(folder, ranks=world.near[1:]):
        path = folder.errors / f"rank-{rank}.txt"
        kind, _, what = path.read_text(encoding="utf-8").splitlines()[1].partition(": ")
        if kind != _LOST:
            return DistributedError(f"rank {rank} has failed: {what}", hint=f"{path} has its traceback")
    return None


def _wait_for(folder: RunDir, *, ranks: range | list[int]) -> list[int]:
    """The ranks of these that have written why they failed, the earliest first; waits a little for all of them."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        paths = {rank: folder.errors / f"rank-{rank}.txt" for rank in ranks}
        found = [rank for rank, path in paths.items() if path.is_file()]
        if len(found) == len(paths) or time.monotonic() > until:
            return sorted(found, key=lambda rank: paths[rank].stat().st_mtime_ns)
        time.sleep(0.05)


def _bury(error: Exception, scene: Scene, folder: RunDir) -> None:
    """Write postmortem.md and the journal's last record, as far as a full disk or vanished data let it."""
    step = scene.run.progress.step if scene.run else scene.step
    resume = folder.resume_command
    if isinstance(error, NonFiniteError):
        resume += " --set optimizer.lr=..."  # as it stands, it would take the same step again
    deceased = Deceased(error=error, folder=folder, step=step, resume=resume, parts=scene.parts, run=scene.run)
    kind, code = (error.kind, error.exit_code) if isinstance(error, FtcliError) else ("bug", 1)
    try:
        write_postmortem(deceased)
        if scene.recorder:
            scene.recorder.record(RunFailed(step, kind, " ".join(str(error).split()), code, resume))
    except Exception as failure:
        error.add_note(f"no {folder.postmortem.name} could be written: {failure}; go on with: {resume}")
    else:
        error.add_note(f"details: {folder.postmortem}; go on with: {resume}")
        if scene.parts and scene.parts.spec.log.report and isinstance(why := try_report(folder), str):
            error.add_note(why)
