"""Splitting state over ranks changes where it lies: steps, weights and files stay those of one process to rounding."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ftcli.flows.laws.measure import is_key_bias, relative_distance
from ftcli.flows.laws.world_size import check
from ftcli.runtime.activity import finish
from tests.conftest import run_torchrun, spawn
from tests.laws.rig import LOSSES, TASKS, make_bench, spec_for, weights

FSDP = "distributed.strategy=fsdp"
STAGES = (
    r"freeze.patterns=['embeddings', 'layer\.[01]\.']",
    r"freeze.stages=[{at={step=5}, unfreeze=['layer\.1\.']}]",
    "batch.size=11",  # 45 rows: the last group of an epoch has one row, fewer than there are ranks
)
CASES = {
    "state": ("distributed.sharding=stage1", *STAGES),
    "state and gradients, clipped": ("distributed.sharding=stage2", *STAGES, "train.max_grad_norm=0.1"),
    "weights, too, in small micro-batches": ("distributed.sharding=stage3", *STAGES, "batch.micro_size=2"),
    "weights kept on the host": ("distributed.offload=true", *STAGES),
    "a copy in each process": ("distributed.sharding_degree=1", *STAGES),
    "inner values computed again, and a cache": ("train.recompute=true", "freeze.cache=memory", *STAGES),
    "R-Drop of weighted symmetric pairs": (*LOSSES["R-Drop of weighted symmetric pairs"], "batch.max_tokens=64"),
    "windows and a CRF": (*TASKS["tagging with a CRF"], "batch.size=11", "batch.micro_size=3"),
}


@pytest.mark.slow
@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_prove_finds_split_ranks_to_do_what_one_does(project: Path, settings: tuple[str, ...]) -> None:
    checks = finish(check(make_bench(spec_for(project, FSDP, *settings), project / "bench")))
    assert [each.holds for each in checks] == [True, True, True], checks


CHAIN = """
import sys
from pathlib import Path
import torch
from safetensors.torch import load_file
from ftcli.flows.data import place_of, prepared_for
from ftcli.runtime.activity import finish
from ftcli.runtime.launch import leave
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.joining import open_world
from ftcli.spec.recipe import load_recipe
from ftcli.train.assemble import assemble, load_parts
from ftcli.train.loop import fit

# One launch of a float64 run: from a checkpoint, if there is one, which a restored model would round to float32.
folder, *settings = sys.argv[1:]
spec = load_recipe(Path("tiny.toml"), settings).spec
with open_world(spec.distributed, device="cpu") as world:
    start = Path(folder) / "last"
    start = start.resolve() if start.exists() else None
    parts = load_parts(spec, world=world, prepared=finish(prepared_for(place_of(spec.data))), start=start)
    parts.loaded.model.to(torch.float64)
    run = finish(assemble(parts, run_dir=RunDir(Path(folder)), start=start))
    if start:
        for name, value in load_file(start / "model.safetensors").items():
            run.model.get_parameter(name).data.copy_(world.part_of(value, like=run.model.get_parameter(name)))
    for event in fit(run):
        if world.is_main and type(event).__name__ == "StepDone":
            with (Path(folder) / "losses").open("a") as file:
                print(repr(event.loss), file=file)
leave(0)
"""


def _in_float64(project: Path, folder: str, *settings: str, ranks: int = 1) -> None:
    (project / folder).mkdir(exist_ok=True)
    (project / "chain.py").write_text(CHAIN)
    if ranks == 1:
        done = subprocess.run(
            [sys.executable, "chain.py", folder, *settings], cwd=project, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    else:
        done = run_torchrun("chain.py", folder, *settings, cwd=project)
        assert done.code == 0, done.err


def _losses(folder: Path) -> dict[str, list[float]]:
    return {"": [float(line) for line in (folder / "losses").read_text().splitlines()]}


@pytest.mark.slow
def test_a_run_goes_from_ddp_to_fsdp_to_one_process_and_back(project: Path) -> None:
    """To 1e-9 in float64: the stops lie before a stage's border, at it and behind it."""
    common = ("model.dropout=0.0", "precision.kind=fp32", "log.every=1", *STAGES, "train.max_grad_norm=0.1")
    _in_float64(project, "whole", *common)
    _in_float64(project, "chain", *common, "train.stop_after=2", ranks=2)
    _in_float64(project, "chain", *common, "train.stop_after=3", FSDP, ranks=2)
    _in_float64(project, "chain", *common, "train.stop_after=2")
    _in_float64(project, "chain", *common, "distributed.sharding=stage1", FSDP, "train.stop_after=1", ranks=2)
    _in_float64(project, "chain", *common, ranks=2)
    whole, chain = project / "whole", project / "chain"
    assert len(_losses(whole)[""]) == 10
    assert _losses(chain)[""] == pytest.approx(_losses(whole)[""], rel=1e-9)
    for file in ("model.safetensors", "state/optimizer.safetensors"):
        left, right = (load_file(folder / "last" / file) for folder in (chain, whole))
        assert left.keys() == right.keys()
        compared = [name for name in right if not is_key_bias(name)]
        found = relative_distance({n: left[n] for n in compared}, {n: right[n] for n in compared})
        assert found < 1e-9, file


@pytest.mark.slow
def test_the_command_line_goes_the_same_way(project: Path) -> None:
    settings = [part for setting in ("model.dropout=0.0", *STAGES) for part in ("--set", setting)]
    assert spawn("train", "tiny.toml", "--run-dir", "whole", *settings, cwd=project).code == 0
    stop = ("--set", "train.stop_after=4")
    assert spawn("train", "tiny.toml", "--run-dir", "chain", *settings, *stop, ranks=2, cwd=project).code == 0
    split = spawn("resume", "chain", "--set", FSDP, "--set", "train.stop_after=3", ranks=2, cwd=project)
    assert split.code == 0, split.err
    assert "split as stage3 over every 2 processes" in split.err
    assert spawn("resume", "chain", cwd=project).code == 0
    assert relative_distance(weights(project / "chain/last"), weights(project / "whole/last")) < 1e-6
    steps = [json.loads(line) for line in (project / "chain/log.jsonl").read_text().splitlines()]
    assert [each["step"] for each in steps if each["event"] == "step_done"] == list(range(1, 11))


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["stage1", "stage3"])
def test_copies_that_are_split_over_two_of_four_ranks_each(project: Path, sharding: str) -> None:
    settings = ("model.dropout=0.0", *STAGES, "train.average=0.9")
    given = [part for setting in settings for part in ("--set", setting)]
    assert spawn("train", "tiny.toml", "--run-dir", "whole", *given, cwd=project).code == 0
    split = (FSDP, "distributed.sharding_degree=2", f"distributed.sharding={sharding}")
    more = [part for setting in split for part in ("--set", setting)]
    done = spawn("train", "tiny.toml", "--run-dir", "split", *given, *more, ranks=4, cwd=project)
    assert done.code == 0, done.err
    for file in ("model.safetensors", "state/trained.safetensors"):
        left, right = (load_file(project / run / "last" / file) for run in ("split", "whole"))
        assert relative_distance(left, right) < 1e-6, file
