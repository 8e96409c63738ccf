"""Checkpoints are whole or do not exist, and the best and the last are never lost."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.errors import CheckpointError
from ftcli.runtime.checkpoint import CheckpointStore
from ftcli.runtime.manifest import Saved, read_manifest, verify
from ftcli.runtime.rundir import RunDir
from tests.runtime.saving import content, names, newest, save


def test_a_saved_checkpoint_verifies_and_says_what_it_holds(run: RunDir) -> None:
    saved = save(run, 4, is_best=True)
    assert saved.path == run.checkpoints / "step-000004"
    assert (saved.step, saved.num_bytes) == (4, 301)
    assert verify(saved.path) == read_manifest(saved.path) == saved
    assert saved.manifest["note"] == "支付"
    assert sorted(saved.manifest["files"]) == ["empty", "state/progress", "weights"]
    assert names(run) == ["step-000004"]


def test_links_are_relative_and_survive_a_move_of_the_run(run: RunDir, tmp_path: Path) -> None:
    save(run, 4, is_best=True)
    save(run, 8)
    assert run.best.readlink() == Path("checkpoints/step-000004")
    assert run.last.readlink() == Path("checkpoints/step-000008")
    moved = RunDir(run.path.rename(tmp_path / "moved"))
    assert verify(moved.best).step == 4
    assert verify(moved.last).step == 8


def test_the_latest_few_are_kept_beside_the_best_and_the_last(run: RunDir) -> None:
    for step in range(1, 7):
        save(run, step, keep=2, is_best=step == 2)
    assert names(run) == ["step-000002", "step-000005", "step-000006"]
    save(run, 7, keep=2, is_best=True)
    assert names(run) == ["step-000006", "step-000007"]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 400_000), st.booleans()), min_size=1, max_size=7), st.integers(1, 3))
def test_the_keep_rule_never_drops_the_best_or_the_last(
    tmp_path_factory: pytest.TempPathFactory, saves: list[tuple[int, bool]], keep: int
) -> None:
    run = RunDir(tmp_path_factory.mktemp("run"))
    step, best, done = 0, None, []
    for gap, is_best in saves:
        step += gap
        save(run, step, keep=keep, is_best=is_best)
        done.append(step)
        best = step if is_best else best
        assert verify(run.last).step == step
        assert best is None or verify(run.best).step == best
        assert newest(run) == (step, 0)
        expected = {*done[-keep:], *({best} if best else ())}
        assert {int(name.removeprefix("step-")) for name in names(run)} == expected


def test_steps_are_ordered_as_numbers(run: RunDir) -> None:
    for step in (999_998, 999_999, 1_000_000):
        save(run, step)
    assert names(run) == ["step-1000000", "step-999999"]
    assert newest(run) == (1_000_000, 0)
    found, _ = CheckpointStore(run, keep=2).newest()
    CheckpointStore(run, keep=2).rewind(found)
    assert names(run) == ["step-1000000", "step-999999"]


def test_a_users_own_copy_beside_the_checkpoints_is_left_alone(run: RunDir) -> None:
    first = save(run, 4)
    shutil.copytree(first.path, run.checkpoints / "step-000004-mine")
    (run.checkpoints / ".DS_Store").touch()
    for step in (5, 6, 7):
        save(run, step, keep=1)
    store = CheckpointStore(run, keep=1)
    store.sweep()
    store.rewind(None)
    assert names(run) == [".DS_Store", "step-000004-mine"]
    assert store.newest() == (None, [])


def test_a_failing_write_leaves_the_previous_checkpoint_as_it_was(run: RunDir) -> None:
    before = save(run, 4, is_best=True)

    def fill_the_disk(folder: Path) -> None:
        content(8)(folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CheckpointError, match=r"step 8.*No space left") as raised:
        CheckpointStore(run, keep=2).save(8, fill_the_disk, facts={}, is_best=True)
    hint = raised.value.problems[0].hint
    assert hint is not None
    assert f"ftcli resume {run.path}" in hint
    assert names(run) == ["step-000004"]
    assert verify(run.last) == Saved(run.last, before.manifest)
    assert verify(run.best) == Saved(run.best, before.manifest)
    assert save(run, 8).step == 8


def test_links_that_can_not_be_moved_are_an_error_of_the_checkpoint(run: RunDir) -> None:
    run.last.mkdir(parents=True)
    (run.last / "mine").touch()
    with pytest.raises(CheckpointError, match="can't save a checkpoint at step 4"):
        save(run, 4)


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


def test_a_save_that_is_killed_leaves_the_previous_one_and_is_swept_away(run: RunDir) -> None:
    save(run, 4)

    def die(folder: Path) -> None:
        content(8)(folder)
        raise Killed

    with pytest.raises(Killed):
        CheckpointStore(run, keep=2).save(8, die, facts={}, is_best=False)
    assert newest(run) == (4, 0)
    assert len(names(run)) == 2
    CheckpointStore(run, keep=2).sweep()
    assert names(run) == ["step-000004"]


def test_a_step_that_is_saved_again_replaces_what_is_there(run: RunDir) -> None:
    first = save(run, 4)
    (first.path / "weights").write_bytes(b"damaged")
    again = save(run, 4)
    assert verify(again.path) == again
    assert names(run) == ["step-000004"]


def test_rewinding_drops_what_came_after_and_moves_the_links_back(run: RunDir) -> None:
    save(run, 2, keep=9, is_best=True, best_step=2)
    save(run, 4, keep=9, best_step=2)
    save(run, 6, keep=9, is_best=True, best_step=6)
    os.truncate(save(run, 8, keep=9, best_step=6).path / "weights", 0)
    store = CheckpointStore(run, keep=9)
    store.rewind(verify(run.checkpoints / "step-000004"))
    assert names(run) == ["step-000002", "step-000004"]
    assert (run.best.resolve().name, run.last.resolve().name) == ("step-000002", "step-000004")
    aside = {path.name for path in run.checkpoints.glob("unused-*")}
    assert aside == {"unused-step-000006", "unused-step-000008"}  # until something newer has been verified
    save(run, 6, keep=9, best_step=2)
    assert not list(run.checkpoints.glob("unused-*"))


def test_what_is_saved_can_be_read_by_others(run: RunDir) -> None:
    def write(folder: Path) -> None:
        (folder / "weights").touch(mode=0o600)

    saved = CheckpointStore(run, keep=1).save(4, write, facts={}, is_best=False)
    (run.path / "usual").touch()
    assert (saved.path / "weights").stat().st_mode == (run.path / "usual").stat().st_mode


def test_a_kill_while_a_step_is_saved_again_costs_nothing(run: RunDir) -> None:
    """Between the two renames, the only checkpoint stands under another name."""
    saved = save(run, 4, is_best=True)
    saved.path.rename(saved.path.with_name(".step-000004.stale"))
    (run.checkpoints / ".step-000004.partial").mkdir()
    store = CheckpointStore(run, keep=1)
    store.sweep()
    assert newest(run) == (4, 0)
    assert verify(run.best).step == 4
    assert {path.name for path in run.checkpoints.iterdir()} == {"step-000004"}


def test_rewinding_to_a_checkpoint_whose_best_is_gone_makes_it_the_best(run: RunDir) -> None:
    saved = save(run, 4, best_step=2)
    CheckpointStore(run, keep=2).rewind(saved)
    assert run.best.resolve() == saved.path.resolve()


def test_rewinding_to_the_start_leaves_no_checkpoint_and_no_link(run: RunDir) -> None:
    save(run, 4, is_best=True)
    CheckpointStore(run, keep=2).rewind(None)
    assert names(run) == []
    assert not run.best.is_symlink()
    assert not run.last.is_symlink()


def sent(saved: Saved) -> list[tuple[str, bytes]]:
    """A checkpoint's files in pieces of a hundred bytes, as another machine would send them."""
    return [
        (name, data[start : start + 100])
        for name in [*saved.manifest["files"], "manifest.json"]
        for data in [(saved.path / name).read_bytes()]
        for start in range(0, max(1, len(data)), 100)
    ]


def test_what_another_machine_sends_is_a_checkpoint_once_it_verifies(run: RunDir, tmp_path: Path) -> None:
    saved = save(run, 4)
    other = CheckpointStore(RunDir(tmp_path / "other"), keep=2)
    assert other.at(4) is None
    other.take_in(4, sent(saved))
    taken = other.at(4)
    assert taken is not None
    assert taken.manifest == saved.manifest


def test_what_is_sent_torn_is_no_checkpoint(run: RunDir, tmp_path: Path) -> None:
    other = CheckpointStore(RunDir(tmp_path / "other"), keep=2)
    with pytest.raises(CheckpointError, match="is damaged: empty is missing"):
        other.take_in(4, [piece for piece in sent(save(run, 4)) if piece[0] != "empty"])
    assert other.at(4) is None
    assert other.newest() == (None, [])


def test_what_is_sent_and_can_not_be_written_is_an_error(run: RunDir, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with pytest.raises(CheckpointError, match="can't write the checkpoint that another machine has sent: "):
        CheckpointStore(RunDir(tmp_path / "other"), keep=2).take_in(4, sent(save(run, 4)))
