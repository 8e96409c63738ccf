"""What `--dry-run` says a process will take, against what processes do take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ftcli.flows.plan import plan as plan_of
from ftcli.runtime.activity import finish
from ftcli.spec.recipe import load_recipe
from tests.conftest import make_rows, run_torchrun, write_rows

MEASURING = """
import json, sys
from pathlib import Path
import torch
from ftcli.flows.data import place_of, prepared_for
from ftcli.runtime.activity import finish
from ftcli.runtime.launch import leave
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.joining import open_world
from ftcli.spec.recipe import load_recipe
from ftcli.train.assemble import assemble, load_parts
from ftcli.train.events import StepDone
from ftcli.train.loop import fit


def resident(field):
    line = next(line for line in open("/proc/self/status") if line.startswith(field))
    return int(line.split()[1]) * 1024


# Imports, threads and kernels are no part of a run's footprint: run a small one first.
*settings, small = sys.argv[1:]
spec = load_recipe(Path("tiny.toml"), settings).spec
prepared = finish(prepared_for(place_of(spec.data)))
with open_world(spec.distributed, device="cpu") as world:
    warm = load_recipe(Path("tiny.toml"), [*settings, f"model.path={small}", "train.stop_after=2"]).spec
    for each in fit(finish(assemble(load_parts(warm, world=world, prepared=prepared), run_dir=RunDir(Path("warm"))))):
        pass
    before = resident("VmRSS")
    parts = load_parts(spec, world=world, prepared=prepared)
    run = finish(assemble(parts, run_dir=RunDir(Path("run"))))
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    for event in fit(run):
        if isinstance(event, StepDone) and event.step == 3:
            break
    peak = world.gather_rows(torch.tensor([resident("VmHWM") - before]))
    if world.is_main:
        print(json.dumps(peak.tolist()))
leave(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ranks", "settings"),
    [
        (1, ()),
        (2, ()),
        (2, ("distributed.strategy=fsdp", "distributed.sharding=stage1")),
        (2, ("distributed.strategy=fsdp", "distributed.sharding=stage2")),
        (2, ("distributed.strategy=fsdp", "distributed.sharding=stage3", "batch.micro_size=16")),
        (1, ("train.average=0.99", "optimizer.kind=sgd")),
        (1, ("train.recompute=true", "batch.micro_size=32")),
    ],
)
def test_a_process_takes_what_the_plan_says(
    project: Path, large_model: Path, monkeypatch: pytest.MonkeyPatch, ranks: int, settings: tuple[str, ...]
) -> None:
    """To 20 %. Freed memory goes back at once here, as a plan counts none that is kept for later."""
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")
    write_rows(project / "train.jsonl", make_rows(64, seed=1))  # two whole steps an epoch
    settings = ("batch.size=32", "batch.micro_size=8", "evaluate.every=never", "checkpoint.every=never", *settings)
    (project / "measuring.py").write_text(MEASURING)
    small = load_recipe(project / "tiny.toml").spec.model.path
    arguments = (*settings, f"model.path={large_model}", small)
    if ranks == 1:
        command = [sys.executable, "measuring.py", *arguments]
        said = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout
    else:
        done = run_torchrun("measuring.py", *arguments, cwd=project)
        assert done.code == 0, done.err
        said = done.out
    peaks = json.loads(next(line for line in said.splitlines() if line.startswith("[")))
    plan = finish(plan_of(load_recipe(project / "tiny.toml", arguments[:-1]).spec, num_processes=ranks))
    assert plan is not None
    assert max(peaks) == pytest.approx(plan.footprints.own.peak, rel=0.2)
