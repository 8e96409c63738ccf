"""Two machines that have no files in common: each keeps the whole run, and one that was away is sent what it missed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import SECONDS, TRAIN
from tests.cluster.hosts import Host, training, two_hosts
from tests.conftest import make_project
from tests.laws.rig import weights
from tests.laws.test_elastic import steps_of
from tests.laws.test_resume import assert_same_bytes

LOCAL = ("--set", "distributed.storage=local", "--set", SECONDS)


@pytest.fixture
def hosts(tmp_path: Path, model_folder: Path) -> Iterator[list[Host]]:
    """Machines that see, under one path, each its own files."""
    files = [tmp_path / "first", tmp_path / "second"]
    for folder in files:
        folder.mkdir()
        make_project(folder, model_folder)
    (tmp_path / "project").mkdir()
    with two_hosts(tmp_path / "project", files=files) as hosts:
        yield hosts


def assert_same_runs(a: Path, b: Path) -> None:
    assert steps_of(a) == steps_of(b)
    assert_same_bytes(a, b)
    assert (a / "best").resolve().name == (b / "best").resolve().name
    for name in ("predictions/test.jsonl", "predictions/validation.jsonl"):
        assert (a / name).read_bytes() == (b / name).read_bytes()


@pytest.mark.slow
def test_each_machine_keeps_the_whole_run_and_goes_on_from_its_own(hosts: list[Host], whole: Path) -> None:
    half = (*TRAIN, *LOCAL, "--set", "train.stop_after=13")
    with training(hosts, *half) as speeches:
        assert [speech.finish() for speech in speeches] == [0, 0], speeches[0].said
    assert_same_bytes(hosts[0].seen("run"), hosts[1].seen("run"))
    with training(hosts, "resume", "run") as speeches:
        assert [speech.finish() for speech in speeches] == [0, 0], speeches[0].said
    for host in hosts:
        assert_same_runs(host.seen("run"), whole)


@pytest.mark.slow
def test_a_machine_that_has_lost_its_run_in_mid_run_is_sent_it(hosts: list[Host], whole: Path) -> None:
    again = ("--max-restarts", "3")
    with training(hosts, *TRAIN, *LOCAL, torchrun=again) as speeches:
        speeches[0].wait_for("step 10/")
        hosts[1].cut_off()
        for speech in speeches:
            speech.wait_for("error[distributed]: another process of this run is gone or silent: Timed out")
        shutil.rmtree(hosts[1].seen("run"))
        hosts[1].connect()
        assert [speech.finish() for speech in speeches] == [0, 0], speeches[0].said
    assert "resuming from step " in speeches[0].said
    for host in hosts:
        assert_same_runs(host.seen("run"), whole)


@pytest.mark.slow
def test_machines_that_hold_other_rows_are_told_so(hosts: list[Host]) -> None:
    rows = hosts[1].seen("train.jsonl")
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[1:]))
    with training(hosts, *TRAIN, *LOCAL) as speeches:
        assert [speech.finish() for speech in speeches] == [1, 1]
    for host, speech in zip(hosts, speeches, strict=True):
        assert "holds other rows where rank 1 is than where rank 0 is" in speech.said
        assert "help: give each machine the same files" in speech.said
        assert not host.seen("run").exists()


@pytest.mark.slow
def test_machines_that_hold_several_runs_under_one_name_go_on_with_none(hosts: list[Host]) -> None:
    half = (*TRAIN, *LOCAL, "--set", "train.stop_after=3")
    for folder in ("first", "run"):
        with training(hosts, *half, "--run-dir", folder) as speeches:
            assert [speech.finish() for speech in speeches] == [0, 0], speeches[0].said
    shutil.rmtree(hosts[0].seen("run"))
    hosts[0].seen("first").rename(hosts[0].seen("run"))
    before = weights(hosts[0].seen("run/last"))
    with training(hosts, "resume", "run") as speeches:
        assert [speech.finish() for speech in speeches] == [1, 1]
    for speech in speeches:
        assert "error[checkpoint]: run holds another run where rank 1 is than where rank 0 is" in speech.said
    after = weights(hosts[0].seen("run/last"))
    assert all(value.equal(before[name]) for name, value in after.items())


@pytest.mark.slow
def test_a_machine_that_has_another_run_in_its_folder_is_named(hosts: list[Host]) -> None:
    hosts[1].seen("run").mkdir()
    hosts[1].seen("run/notes").touch()
    with training(hosts, *TRAIN, *LOCAL) as speeches:
        assert [speech.finish() for speech in speeches] == [1, 1]
    assert "error[usage]: the run folder run is not empty" in speeches[1].said
    assert "rank 1 has failed; its error says why" in speeches[0].said
    assert not hosts[0].seen("run").exists()
