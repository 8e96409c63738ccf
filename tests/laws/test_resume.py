"""Law 3, in one process: stopped after any step and resumed, the weights are those of the uninterrupted run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ftcli.flows.laws.resume import check, differing, in_legs
from ftcli.flows.train import resume, train
from ftcli.runtime.activity import finish
from ftcli.spec.run import RunSpec
from ftcli.tasks.build import build_task as build_any_task
from ftcli.train.assemble import BuildTask
from ftcli.train.events import CheckpointSaved, RunFinished, StepDone
from tests.laws.rig import LOSSES, TASKS, make_bench, spec_for, spec_of, weights
from tests.laws.tasks import HEADLESS, build_even_tokens, build_remembering

STAGED = (
    "model.dropout=0.1",
    r"freeze.patterns=['embeddings', 'layer\.[01]\.']",
    r"freeze.stages=[{at={step=3}, unfreeze=['layer\.1\.']},"
    r" {at={epoch=1}, unfreeze=['layer\.0\.'], freeze=['layer\.1\.']}]",
    "optimizer.groups=[{match='classifier', lr=5e-3}]",
    "schedule.warmup=0.2",
    "train.max_grad_norm=0.5",
    "checkpoint.keep=20",
)
"""Dropout on, three stages, groups, warm-up and clipping: all that a restart could get wrong."""

OTHER = {name: LOSSES[name] for name in ("class weights", "R-Drop of weighted symmetric pairs")} | TASKS


def run_to_end(spec: RunSpec, folder: Path) -> list[object]:
    return list(train(spec, run_dir=str(folder)))


def assert_same_bytes(a: Path, b: Path) -> None:
    """Of weights, optimizer and scaler."""
    assert differing(a / "last", b / "last") == []


@pytest.fixture
def whole(project: Path) -> Path:
    run_to_end(spec_of(project / "tiny.toml", *STAGED), project / "whole")
    return project / "whole"


def test_stopping_after_any_step_changes_no_bit(project: Path, whole: Path) -> None:
    for step in range(1, 12):
        folder = project / f"cut-{step}"
        events = run_to_end(spec_of(project / "tiny.toml", *STAGED, f"train.stop_after={step}"), folder)
        assert isinstance(events[-1], RunFinished)
        assert (events[-1].step, events[-1].reason) == (step, "stop_after")
        torch.manual_seed(step)  # whatever the global generator has been used for in between
        list(resume(folder))
        assert_same_bytes(folder, whole)


def test_stopping_again_and_again_changes_no_bit(project: Path, whole: Path) -> None:
    folder = project / "often"
    finish(in_legs(spec_of(project / "tiny.toml", *STAGED), folder, legs=[1] * 12))
    assert [event.reason for event in resume(folder)] == ["already_finished"]
    assert_same_bytes(folder, whole)


@pytest.mark.parametrize(
    ("settings", "build_task"),
    [
        (("precision.kind=fp16",), build_any_task),
        (("optimizer.kind=sgd", "optimizer.momentum=0.9", "batch.window=3"), build_any_task),
        (("batch.max_tokens=48", "model.head=mean", "optimizer.layer_decay=0.8"), build_any_task),
        (("batch.size=11", HEADLESS, "optimizer.groups=[{match='layer', weight_decay=0.0}]"), build_even_tokens),
        *((settings, build_any_task) for settings in OTHER.values()),
    ],
    ids=["fp16", "momentum and window", "tokens and mean", "uneven items", *OTHER],
)
def test_so_it_is_with_other_arithmetic_and_other_tasks(
    project: Path, settings: tuple[str, ...], build_task: BuildTask
) -> None:
    spec = spec_for(project, *STAGED, *settings)
    list(train(spec, run_dir="whole", build_task=build_task))
    finish(in_legs(spec, project / "cut", legs=(5, 2, 20), build_task=build_task))
    assert_same_bytes(project / "cut", project / "whole")


def test_the_scaler_of_fp16_goes_on_where_it_stood(project: Path) -> None:
    spec = spec_of(project / "tiny.toml", "precision.kind=fp16", "train.steps=6", "evaluate.every=never")
    finish(in_legs(spec, project / "cut", legs=(3,)))
    stopped = (project / "cut/last/state/scaler.json").read_bytes()
    list(resume(project / "cut", changes=["train.stop_after=1"]))
    assert json.loads(stopped) != json.loads((project / "cut/last/state/scaler.json").read_bytes())
    list(resume(project / "cut"))
    run_to_end(spec, project / "whole")
    assert_same_bytes(project / "cut", project / "whole")


def test_prove_finds_it_true_over_the_stages_of_the_recipe(project: Path) -> None:
    bench = make_bench(spec_of(project / "tiny.toml", *STAGED), project / "bench")
    assert [stage.start for stage in bench.whole.run.freezing.stages] == [0, 1, 2]
    assert [each.holds for each in finish(check(bench))] == [True]


def test_prove_finds_a_task_that_remembers(project: Path) -> None:
    bench = make_bench(spec_of(project / "tiny.toml"), project / "bench", build_task=build_remembering)
    (found,) = finish(check(bench))
    assert found.holds is False
    assert found.deviation is not None
    assert found.deviation > 0
    assert "bert." in found.note


def test_losses_in_the_log_are_those_of_the_uninterrupted_run(project: Path, whole: Path) -> None:
    folder = project / "cut"
    run_to_end(spec_of(project / "tiny.toml", *STAGED, "train.stop_after=7"), folder)
    list(resume(folder))

    def logged(run: Path) -> list[tuple[int, float]]:
        records = map(json.loads, (run / "log.jsonl").read_text().splitlines())
        return [(r["step"], r["loss"]) for r in records if r["event"] == "step_done"]

    assert logged(folder) == logged(whole)
    assert json.loads((folder / "metrics.json").read_text()) == json.loads((whole / "metrics.json").read_text())


@pytest.mark.parametrize("change", ["batch.micro_size=8", "batch.micro_size=1", "batch.max_tokens=64"])
def test_another_cut_after_resuming_agrees_to_rounding(project: Path, change: str) -> None:
    """Dropout off: masks are drawn by micro-batch. SGD, for Adam amplifies rounding where gradients vanish."""
    still = ("model.dropout=0.0", "optimizer.kind=sgd", "optimizer.lr=0.05")
    run_to_end(spec_of(project / "tiny.toml", *still), project / "whole")
    run_to_end(spec_of(project / "tiny.toml", *still, "train.stop_after=5"), project / "cut")
    list(resume(project / "cut", changes=[change]))
    left, right = weights(project / "cut" / "last"), weights(project / "whole" / "last")
    for name in left:
        assert torch.allclose(left[name], right[name], rtol=0, atol=1e-5), name


def test_kill_9_in_mid_run_changes_no_bit(project: Path, whole: Path) -> None:
    """Killed right after some steps were logged, wherever the process then stands."""
    for after in (2, 7, 10):
        folder = project / f"killed-{after}"
        settings = [part for setting in (*STAGED, "checkpoint.every=4") for part in ("--set", setting)]
        command = [sys.executable, "-m", "ftcli", "train", "tiny.toml", "--run-dir", str(folder), *settings]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                if line.startswith(f"step {after}/"):
                    os.kill(process.pid, signal.SIGKILL)
                    break
        assert process.wait() == -signal.SIGKILL
        list(resume(folder))
        assert_same_bytes(folder, whole)


def test_a_loop_that_is_dropped_midway_can_be_resumed(project: Path, whole: Path) -> None:
    events = train(spec_of(project / "tiny.toml", *STAGED, "checkpoint.every=3"), run_dir=str(project / "dropped"))
    for event in events:
        if isinstance(event, StepDone) and event.step == 8:
            events.close()
            break
    continued = list(resume(project / "dropped"))
    assert next(event for event in continued if isinstance(event, StepDone)).step == 7
    assert any(isinstance(event, CheckpointSaved) for event in continued)
    assert_same_bytes(project / "dropped", whole)


def test_a_best_checkpoint_that_is_gone_is_forgotten_and_said(project: Path) -> None:
    """The newest is damaged, and for its sake the best before it had been dropped."""
    spec = spec_of(project / "tiny.toml", *STAGED, "checkpoint.keep=1", "evaluate.every=3", "checkpoint.every=1")
    run = project / "run"
    run_to_end(spec.model_copy(update={"train": spec.train.model_copy(update={"stop_after": 8})}), run)
    best = (run / "best").resolve()
    last = (run / "last").resolve()
    assert best.name != last.name
    for path in best.iterdir():
        if path.is_file():
            path.write_bytes(b"")
    events = list(resume(run))
    assert any("best checkpoint" in getattr(event, "text", "") for event in events)
    assert (run / "best").resolve().is_dir()
    assert json.loads((run / "metrics.json").read_text())["best"]["step"] == int((run / "best").resolve().name[5:])
