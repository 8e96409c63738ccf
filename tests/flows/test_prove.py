"""`prove` on the tiny recipe: it holds as it is, and fails where a task breaks what the laws rest on."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from ftcli.cli.proof import show_proof
from ftcli.errors import RecipeError, UsageError
from ftcli.flows.prove import prove
from ftcli.runtime.activity import Activity, finish
from tests.laws.rig import spec_of
from tests.laws.tasks import build_mean_loss


@pytest.mark.slow
def test_a_mean_where_a_sum_belongs_is_found_by_cuts_alone(project: Path) -> None:
    proof = finish(prove(spec_of(project / "tiny.toml"), build_task=build_mean_loss))
    assert not proof.holds
    assert {check.law for check in proof.checks if check.holds is False} == {"accumulation"}
    assert {check.law for check in proof.checks if check.holds} == {"world size", "resume", "round trip"}
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as capture:
        show_proof(console, proof)
    printed = capture.get()
    assert "FAILS" in printed
    assert "failed; 2 not checked" in printed


def test_errors_are_those_of_training(project: Path) -> None:
    with pytest.raises(RecipeError, match="`nothing` matches none"):
        finish(prove(spec_of(project / "tiny.toml", "freeze.patterns=['nothing']")))


def test_under_torchrun_it_says_that_it_starts_its_own_processes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="without torchrun"):
        finish(prove(spec_of(project / "tiny.toml")))


@pytest.mark.slow
def test_it_reports_how_far_it_has_come_and_leaves_only_prepared_data(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two ranks can't meet on an interface that is not there, which leaves the rest of the proof as it is."""
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)  # what Python remembers of TMPDIR
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "nowhere")
    before = {path.name for path in project.iterdir()}
    work = prove(spec_of(project / "tiny.toml"))
    names: list[str] = []
    try:
        while True:
            activity = next(work)
            assert isinstance(activity, Activity)
            names.append(activity.name)
    except StopIteration as stop:
        proof = stop.value
    ours = ("short run", "accumulation", "world size", "two ranks", "stop and resume", "round trip")
    assert [name for name in dict.fromkeys(names) if name in ours] == list(ours)
    assert proof.holds
    assert [check.law for check in proof.checks if check.holds is None] == ["world size", "frozen", "cache"]
    assert {path.name for path in project.iterdir()} - before == {"data"}
    assert list(temporary.iterdir()) == []
