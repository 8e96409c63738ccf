"""A GPU takes the steps that a CPU takes, however they are cut, stopped, stored or shared out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ftcli.flows.laws.measure import relative_distance
from ftcli.flows.laws.resume import differing
from ftcli.flows.plan import plan as plan_of
from ftcli.flows.train import resume, train
from ftcli.runtime.activity import finish
from ftcli.train.events import Event, RunFinished, StepDone
from ftcli.train.loop import fit
from tests.conftest import make_rows, spawn, write_rows
from tests.laws.rig import LOSSES, TASKS, make_run, spec_for, spec_of, weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
CUDA = torch.device("cuda", 0)
STAGES = (
    r"freeze.patterns=['embeddings', 'layer\.[01]\.']",
    r"freeze.stages=[{at={step=5}, unfreeze=['layer\.1\.']}]",
    "batch.size=11",
)
SETTINGS = {
    "as it comes": (),
    "clipped stages": (*STAGES, "train.max_grad_norm=0.1"),
    "inner values computed again": ("train.recompute=true",),
    **{name: settings for name, settings in LOSSES.items() if "R-Drop" not in name},  # which needs dropout
    **TASKS,
}


def test_attention_needs_no_plan_for_each_shape(project: Path) -> None:
    list(train(spec_of(project / "tiny.toml", "train.steps=1"), run_dir="run"))
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def losses(events: list[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, StepDone)]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_steps_are_those_of_a_cpu_however_they_are_cut(project: Path, settings: tuple[str, ...]) -> None:
    """To 1e-9 in float64."""
    spec = spec_for(project, "model.dropout=0.0", "batch.micro_size=8", *settings)
    cut = spec_of(project / "tiny.toml", "model.dropout=0.0", "batch.micro_size=3", *settings)
    on_cpu = losses(list(fit(make_run(spec, project / "cpu"))))
    on_gpu = losses(list(fit(make_run(cut, project / "gpu", device=CUDA))))
    assert on_gpu == pytest.approx(on_cpu, rel=1e-9)


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_a_frozen_prefix_that_is_stored_changes_no_step(project: Path, cache: str) -> None:
    settings = ("model.dropout=0.0", *STAGES)
    plain = make_run(spec_of(project / "tiny.toml", *settings, "freeze.cache=off"), project / "plain", device=CUDA)
    stored = spec_of(project / "tiny.toml", *settings, f"freeze.cache={cache}")
    expected = losses(list(fit(plain)))
    assert losses(list(fit(make_run(stored, project / "stored", device=CUDA)))) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["fp32", "bf16", "fp16"])
def test_a_stopped_run_goes_on_to_the_same_bytes(project: Path, kind: str) -> None:
    settings = ("model.dropout=0.1", f"precision.kind={kind}", "train.deterministic=true", *STAGES)
    list(train(spec_of(project / "tiny.toml", *settings), run_dir="whole"))
    for stop in (1, 5):
        folder = project / f"cut-{stop}"
        list(train(spec_of(project / "tiny.toml", *settings, f"train.stop_after={stop}"), run_dir=str(folder)))
        list(resume(folder))
        assert differing(folder / "last", project / "whole/last") == []


def test_a_step_that_overflows_fp16_is_skipped_and_the_run_goes_on(project: Path) -> None:
    settings = ("precision.kind=fp16", "precision.loss_scale=1e9", "train.epochs=3")
    events = list(train(spec_of(project / "tiny.toml", *settings), run_dir="run"))
    steps = [event for event in events if isinstance(event, StepDone)]
    assert 0 < steps[-1].num_overflows < len(steps)
    assert isinstance(events[-1], RunFinished)


@pytest.fixture
def large(project: Path, large_model: Path) -> Path:
    """The project with a model of 80 MB and steps of 512 rows."""
    write_rows(project / "train.jsonl", make_rows(2048, seed=1))
    recipe = project / "tiny.toml"
    before = next(line for line in recipe.read_text().splitlines() if line.startswith("path = "))
    text = recipe.read_text().replace(before, f'path = "{large_model}"').replace("micro_size = 4", "")
    recipe.write_text(text.replace("size = 8", "size = 512"))
    return project


LIMITED = """
import sys
import torch
from ftcli.cli.main import run
torch.cuda.set_per_process_memory_fraction(float(sys.argv[1]) / torch.cuda.get_device_properties(0).total_memory)
sys.exit(run(sys.argv[2:]))
"""


def test_a_step_that_does_not_fit_is_taken_in_smaller_pieces(large: Path) -> None:
    settings = [
        part for each in ("train.steps=3", "model.dropout=0.0", "precision.kind=fp32") for part in ("--set", each)
    ]
    assert spawn("train", "tiny.toml", "--run-dir", "whole", *settings, cwd=large).code == 0
    command = [sys.executable, "-c", LIMITED, "8e8", "train", "tiny.toml", "--run-dir", "limited", *settings]
    done = subprocess.run(command, cwd=large, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "micro-batches have at most" in done.stderr
    assert relative_distance(weights(large / "limited/last"), weights(large / "whole/last")) < 1e-5


@pytest.mark.parametrize(
    "settings", [(), ("precision.kind=bf16",), ("batch.micro_size=64",), ("train.recompute=true",)]
)
def test_a_dry_run_says_what_memory_a_run_takes(large: Path, settings: tuple[str, ...]) -> None:
    """Within 20 %."""
    settings = ("precision.kind=fp32", "train.steps=3", "evaluate.every=never", *settings)
    command = ["train", "tiny.toml", "--run-dir", "run", *(part for each in settings for part in ("--set", each))]
    assert spawn(*command, cwd=large).code == 0
    records = [json.loads(line) for line in (large / "run/log.jsonl").read_text().splitlines()]
    plan = finish(plan_of(spec_of(large / "tiny.toml", *settings), num_processes=1))
    assert plan is not None
    assert records[-1]["peak_bytes"] == pytest.approx(plan.footprints.own.peak, rel=0.2)


SPLITS = {
    "whole copies": (),
    "stage1": ("distributed.strategy=fsdp", "distributed.sharding=stage1"),
    "stage2": ("distributed.strategy=fsdp", "distributed.sharding=stage2"),
    "stage3": ("distributed.strategy=fsdp", "distributed.sharding=stage3"),
}


@pytest.mark.parametrize("settings", SPLITS.values(), ids=SPLITS)
def test_two_processes_that_share_a_gpu_take_the_steps_of_one(
    project: Path, monkeypatch: pytest.MonkeyPatch, settings: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    alone = [part for each in ("model.dropout=0.0", *STAGES) for part in ("--set", each)]
    more = [part for each in ("distributed.backend=gloo", *settings) for part in ("--set", each)]
    assert spawn("train", "tiny.toml", "--run-dir", "alone", *alone, cwd=project).code == 0
    done = spawn("train", "tiny.toml", "--run-dir", "shared", *alone, *more, ranks=2, cwd=project)
    assert done.code == 0, done.err
    assert relative_distance(weights(project / "shared/last"), weights(project / "alone/last")) < 1e-5


@pytest.mark.skipif(torch.cuda.device_count() != 1, reason="there are several GPUs")
def test_more_processes_than_gpus_are_told_what_they_can_do(project: Path) -> None:
    done = spawn("train", "tiny.toml", ranks=2, cwd=project)
    assert done.code == 1
    assert "torch sees 1 GPU on this machine, which is to run 2 processes" in done.err
    assert 'distributed.backend = "gloo"' in done.err
