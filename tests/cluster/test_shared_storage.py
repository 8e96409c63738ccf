"""Two machines that see the same folder: they train as one does, and one that is cut off costs a restart and no row."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from ftcli.flows.laws.measure import relative_distance
from tests.cluster.conftest import SECONDS, TRAIN
from tests.cluster.hosts import training, two_hosts
from tests.conftest import Ftcli, spawn
from tests.laws.rig import weights
from tests.laws.test_elastic import steps_of
from tests.laws.test_resume import assert_same_bytes


@pytest.mark.slow
def test_two_machines_train_as_two_processes_of_one_do(project: Path, whole: Path) -> None:
    with two_hosts(project) as hosts, training(hosts, *TRAIN) as speeches:
        assert [speech.finish() for speech in speeches] == [0, 0], speeches[0].said
    assert steps_of(project / "run") == steps_of(whole)
    assert_same_bytes(project / "run", whole)
    assert (project / "run/predictions/test.jsonl").read_bytes() == (whole / "predictions/test.jsonl").read_bytes()


@pytest.mark.slow
def test_two_machines_of_two_processes_split_the_weights_in_each_and_sum_gradients_between(project: Path) -> None:
    """With dropout, which each rank draws for itself, turned off: whoever has which rows then changes no weight."""
    still = (*TRAIN, "--set", "model.dropout=0.0")
    alone = spawn(*still, "--run-dir", "alone", cwd=project)
    assert alone.code == 0, alone.err
    split = ("--set", "distributed.strategy=fsdp", "--set", "distributed.sharding_degree=2")
    with two_hosts(project) as hosts, training(hosts, *still, *split, processes=2) as speeches:
        assert [speech.finish() for speech in speeches] == [0, 0], speeches[0].said
    assert "split as stage3 over every 2 processes" in speeches[0].said
    assert [step for step, _, _ in steps_of(project / "run")] == [step for step, _, _ in steps_of(project / "alone")]
    assert relative_distance(weights(project / "run/last"), weights(project / "alone/last")) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1], ids=["the one where all meet", "the other"])
def test_a_machine_that_is_cut_off_is_told_on_both_and_once_it_is_back_the_run_ends_the_same(
    project: Path, whole: Path, number: int
) -> None:
    settings = (*TRAIN, "--set", SECONDS)
    with two_hosts(project) as hosts, training(hosts, *settings, torchrun=("--max-restarts", "3")) as speeches:
        speeches[0].wait_for("step 10/")
        hosts[number].cut_off()
        for speech in speeches:
            speech.wait_for("error[distributed]: another process of this run is gone or silent: Timed out")
        hosts[number].connect()
        assert [speech.finish() for speech in speeches] == [0, 0], speeches[0].said
    assert "resuming from step " in speeches[0].said
    assert [step for step, _, _ in steps_of(project / "run")] == list(range(1, 25))
    assert steps_of(project / "run") == steps_of(whole)
    assert_same_bytes(project / "run", whole)


@pytest.mark.slow
def test_a_machine_that_is_cut_off_while_it_waits_for_the_first_gives_up_in_time(project: Path, ftcli: Ftcli) -> None:
    """The first process waits for another run to tokenise, which this test says there is."""
    assert ftcli("prepare", "tiny.toml", "--set", "data.max_length=16").code == 0
    (facts,) = project.glob("data/*/dataset.json")
    with two_hosts(project) as hosts, facts.open("rb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        with training(hosts, "train", "tiny.toml", "--set", SECONDS) as speeches:
            speeches[0].wait_for("run run; ")
            hosts[1].cut_off()
            speeches[1].wait_for("error[distributed]: rank 0 has fallen silent")
            fcntl.flock(locked, fcntl.LOCK_UN)
            speeches[0].wait_for("error[distributed]: another process of this run is gone or silent")
