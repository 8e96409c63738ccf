"""Checkpoints are written beside the loop: training goes on meanwhile, and no error of it is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ftcli.errors import CheckpointError
from ftcli.runtime.checkpoint import CheckpointStore
from ftcli.runtime.manifest import verify
from ftcli.runtime.rundir import RunDir
from ftcli.train.events import CheckpointSaved, Event
from ftcli.train.saving import Saver, Snapshot


def snapshot(step: int) -> Snapshot:
    return Snapshot(step, {"w": torch.full((4,), float(step))}, {}, {}, {}, {"step": step})


def begin(saver: Saver, step: int) -> Iterator[Event]:
    return saver.begin(snapshot(step), facts={}, is_best=False, was_scored=False)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path / "run")


def test_saving_returns_before_anything_is_written_and_is_reported_once_it_is_whole(run: RunDir) -> None:
    may_write = threading.Event()

    def write(taken: Snapshot, folder: Path) -> None:
        may_write.wait()
        (folder / "w").write_text(str(taken.weights["w"].tolist()))

    saver = Saver(CheckpointStore(run, keep=2), write)
    with saver:
        assert list(begin(saver, 4)) == []
        assert list(saver.report()) == []
        assert not (run.checkpoints / "step-000004").exists()
        may_write.set()
        saved = list(saver.settle())
        assert [event.step for event in saved if isinstance(event, CheckpointSaved)] == [4]
        assert list(saver.settle()) == []
    assert verify(run.last).step == 4


def test_the_next_save_waits_for_the_one_before_it(run: RunDir) -> None:
    order: list[str] = []

    def write(taken: Snapshot, folder: Path) -> None:
        order.append(f"begin {taken.step}")
        (folder / "w").touch()
        order.append(f"end {taken.step}")

    saver = Saver(CheckpointStore(run, keep=2), write)
    with saver:
        seen = [event for step in (1, 2, 3) for event in begin(saver, step)] + list(saver.settle())
    assert order == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]
    assert [event.step for event in seen if isinstance(event, CheckpointSaved)] == [1, 2, 3]


def full(taken: Snapshot, folder: Path) -> None:
    raise OSError(28, "No space left on device")


def test_an_error_of_the_thread_is_raised_by_the_next_call(run: RunDir) -> None:
    saver = Saver(CheckpointStore(run, keep=2), full)
    list(begin(saver, 4))
    with pytest.raises(CheckpointError, match=r"step 4, which needs [\d,]+ bytes.*No space left") as caught:
        list(begin(saver, 5))
    assert caught.value.exit_code == 6


def test_an_error_of_the_thread_is_raised_at_the_end_at_the_latest(run: RunDir) -> None:
    saver = Saver(CheckpointStore(run, keep=2), full)
    list(begin(saver, 4))
    with pytest.raises(CheckpointError, match="No space left"), saver:
        pass


def test_an_error_of_the_thread_does_not_hide_the_one_that_ends_the_block(run: RunDir) -> None:
    saver = Saver(CheckpointStore(run, keep=2), full)
    list(begin(saver, 4))
    with pytest.raises(ValueError, match="the true cause") as caught, saver:
        raise ValueError("the true cause")
    assert "No space left" in caught.value.__notes__[0]


def test_what_is_saved_is_the_state_at_the_moment_of_saving(project: Path) -> None:
    """Tied weights stay tied, and later steps change no copy."""
    from ftcli.train.snapshot import take_snapshot
    from tests.laws.rig import make_run, spec_of

    run = make_run(spec_of(project / "tiny.toml"), project / "run", dtype=torch.float32)
    taken = take_snapshot(run)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    with torch.no_grad():
        for parameter in run.model.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(taken.weights[name], before[name]) for name in before)
    assert taken.num_bytes > sum(value.numel() * 4 for value in before.values())
