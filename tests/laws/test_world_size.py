"""Law 2: one and two ranks give the same losses and weights to rounding, also across an unfreezing stage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ftcli.flows.laws.measure import relative_distance
from ftcli.flows.laws.world_size import check
from ftcli.runtime.activity import finish
from ftcli.tasks.build import build_task as build_any_task
from ftcli.train.assemble import BuildTask
from tests.conftest import spawn
from tests.laws.rig import LOSSES, TASKS, make_bench, spec_for, spec_of, weights
from tests.laws.tasks import HEADLESS, build_even_tokens, build_on_rank_0_alone, build_rank_aware

SETTINGS = (
    "model.dropout=0.0",
    "optimizer.kind=sgd",
    "optimizer.lr=0.05",
    r"freeze.patterns=['embeddings', 'layer\.[01]\.']",
    r"freeze.stages=[{at={step=5}, unfreeze=['layer\.1\.']}]",
    "batch.size=11",  # 45 rows: the last group of an epoch has one row, fewer than there are ranks
)


def logged(run: Path, kind: str) -> list[dict]:
    return [r for r in map(json.loads, (run / "log.jsonl").read_text().splitlines()) if r["event"] == kind]


def predicted_labels(run: Path) -> list[str]:
    return [json.loads(line)["label"] for line in (run / "predictions/test.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_two_ranks_give_what_one_gives(project: Path) -> None:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    for name, ranks in (("one", 1), ("two", 2)):
        done = spawn("train", "tiny.toml", "--run-dir", name, *settings, ranks=ranks, cwd=project)
        assert done.code == 0, done.err
    assert "FutureWarning" not in done.err
    one, two = project / "one", project / "two"
    for ours, theirs in zip(logged(one, "step_done"), logged(two, "step_done"), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-4)
    for ours, theirs in zip(logged(one, "evaluated"), logged(two, "evaluated"), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["metrics"] == pytest.approx(theirs["metrics"])
    left, right = weights(one / "last"), weights(two / "last")
    for name in left:
        assert torch.allclose(left[name], right[name], atol=1e-6), name
    assert len(predicted_labels(one)) == 11
    assert predicted_labels(one) == predicted_labels(two)


@pytest.mark.slow
def test_a_run_of_two_ranks_resumes_on_one(project: Path) -> None:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    assert spawn("train", "tiny.toml", "--run-dir", "one", *settings, cwd=project).code == 0
    stopped = spawn(
        "train", "tiny.toml", "--run-dir", "two", *settings, "--set", "train.stop_after=4", ranks=2, cwd=project
    )
    assert stopped.code == 0, stopped.err
    resumed = spawn("resume", "two", cwd=project)
    assert resumed.code == 0, resumed.err
    left, right = weights(project / "one" / "last"), weights(project / "two" / "last")
    for name in left:
        assert torch.allclose(left[name], right[name], atol=1e-6), name


@pytest.mark.slow
def test_from_one_rank_to_two_and_back_to_one(project: Path) -> None:
    """The stops lie before a stage's border and right at it."""
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    assert spawn("train", "tiny.toml", "--run-dir", "one", *settings, cwd=project).code == 0
    stopping = ("--set", "train.stop_after=3")
    assert spawn("train", "tiny.toml", "--run-dir", "changing", *settings, *stopping, cwd=project).code == 0
    on_two = spawn("resume", "changing", "--set", "train.stop_after=2", ranks=2, cwd=project)
    assert on_two.code == 0, on_two.err
    assert spawn("resume", "changing", cwd=project).code == 0
    assert relative_distance(weights(project / "changing/last"), weights(project / "one/last")) < 1e-6
    for ours, theirs in zip(
        logged(project / "changing", "step_done"), logged(project / "one", "step_done"), strict=True
    ):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "build_task"),
    [
        (SETTINGS[3:], build_any_task),
        (
            ("batch.size=13", "batch.max_tokens=64", "batch.window=2", "train.max_grad_norm=0.1", HEADLESS),
            build_even_tokens,
        ),
        ((*LOSSES["class weights"], "batch.size=11", "batch.micro_size=2"), build_any_task),
        ((*LOSSES["R-Drop of weighted symmetric pairs"], "batch.size=11", "batch.max_tokens=64"), build_any_task),
        ((*TASKS["multi-label"], "batch.size=11"), build_any_task),
        ((*TASKS["tagging with a CRF"], "batch.size=11", "batch.micro_size=3"), build_any_task),
    ],
    ids=[
        "stages, and fewer rows than ranks",
        "uneven items, tokens, a window and clipping",
        "class weights",
        "R-Drop of weighted symmetric pairs",
        "any number of labels, in both orders",
        "windows and a CRF",
    ],
)
def test_prove_finds_it_true(project: Path, settings: tuple[str, ...], build_task: BuildTask) -> None:
    bench = make_bench(spec_for(project, *settings), project / "bench", build_task=build_task)
    checks = finish(check(bench))
    assert [each.holds for each in checks] == [True, True, True], checks


@pytest.mark.slow
def test_ranks_that_do_not_find_each_other_are_said_not_to_be_checked(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "nowhere")
    (found,) = finish(check(make_bench(spec_of(project / "tiny.toml"), project / "bench")))
    assert found.holds is None
    assert found.note.startswith("torchrun could not start them: DistributedError: rank ")


@pytest.mark.slow
def test_prove_finds_a_task_that_looks_at_its_rank(project: Path) -> None:
    bench = make_bench(spec_of(project / "tiny.toml"), project / "bench", build_task=build_rank_aware)
    checks = finish(check(bench))
    assert [each.holds for each in checks] == [False, False, True], checks


@pytest.mark.slow
def test_ranks_that_fail_together_fail_the_law(project: Path) -> None:
    bench = make_bench(spec_of(project / "tiny.toml"), project / "bench", build_task=build_on_rank_0_alone)
    (found,) = finish(check(bench))
    assert (found.holds, found.note) == (False, "ValueError: this task is for rank 0")


UNFREEZING = """
import json, sys
from pathlib import Path
import torch
from torch import nn
from ftcli.modeling.freezing import Stage, apply_stage
from ftcli.runtime.launch import leave
from ftcli.runtime.joining import open_world
from ftcli.spec.processes import DistributedSection


def apart(world, *, wraps_anew):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    names = [name for name, _ in model.named_parameters()]
    stages = [Stage(0, frozenset(names[2:]), "the head"), Stage(1, frozenset(names), "all")]
    for stage in stages:
        apply_stage(model, stage)
        if stage.start == 0 or wraps_anew:
            wrapped = world.wrap(model)
        wrapped(torch.ones(1, 3) * (world.rank + 1)).sum().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad
                    parameter.grad.zero_()
    rows = world.gather_rows(torch.cat([p.detach().flatten() for p in model.parameters()])[None])
    return float((rows - rows[0]).abs().max())


with open_world(DistributedSection(), device="cpu") as world:
    found = {"anew": apart(world, wraps_anew=True), "once": apart(world, wraps_anew=False)}
    if world.is_main:
        Path(sys.argv[1]).write_text(json.dumps(found))
leave(0)
"""


@pytest.mark.slow
def test_replicas_stay_equal_across_a_border_because_the_model_is_wrapped_anew(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNFREEZING)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"),
            *(str(tmp_path / "script.py"), str(tmp_path / "found.json")),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["anew"] == 0
    assert found["once"] > 0.01
