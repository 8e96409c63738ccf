"""What a resumed run may change, and how it says so."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.errors import refused
from tests.conftest import Ftcli, run_torchrun


def steps(run: str = "run") -> dict[int, dict]:
    records = [json.loads(line) for line in (Path(run) / "log.jsonl").read_text().splitlines()]
    return {record["step"]: record for record in records if record["event"] == "step_done"}


@pytest.fixture
def stopped(project: Path, ftcli: Ftcli) -> Path:
    assert ftcli("train", "tiny.toml", "--set", "train.stop_after=6").code == 0
    return project


def change_of(result_err: str) -> str:
    lines = [line for line in result_err.splitlines() if line.startswith("changed at step 6")]
    assert len(lines) == 1
    return lines[0]


def test_another_rate_is_shown_before_and_after_and_holds_from_the_next_step_on(stopped: Path, ftcli: Ftcli) -> None:
    done = ftcli("resume", "run", "--set", "optimizer.lr=5e-4")
    assert done.code == 0, done.err
    line = change_of(done.err)
    assert "optimizer.lr 0.001 -> 0.0005 (re-derives: in force from the next step on)" in line
    assert "lr base 5.0e-04 -> 2.5e-04" in line
    assert done.err.index("changed at step 6") < done.err.index("step 7/12")
    assert steps()[6]["rates"]["base"] == pytest.approx(1e-3 * 7 / 12)
    assert steps()[7]["rates"]["base"] == pytest.approx(5e-4 * 6 / 12)
    assert "lr = 0.0005" in Path("run/recipe.toml").read_text()


def test_a_change_of_a_finished_run_that_gives_it_nothing_to_do_is_said_to_be_lost(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml").code == 0
    before = content_of(Path("run"))
    done = ftcli("resume", "run", "--set", "log.every=2")
    assert done.code == 0, done.err
    assert "warning: nothing is left to do, so what is changed comes to nothing and is not kept" in done.err
    assert content_of(Path("run")) == before


def test_rates_that_stay_are_not_told(stopped: Path, ftcli: Ftcli) -> None:
    done = ftcli("resume", "run", "--set", "train.average=0.5")
    assert done.code == 0, done.err
    assert "train.average" in change_of(done.err)
    assert "lr base" not in change_of(done.err)


def test_more_epochs_stretch_the_schedule(stopped: Path, ftcli: Ftcli) -> None:
    done = ftcli("resume", "run", "--set", "train.epochs=4.0")
    assert done.code == 0, done.err
    assert "train.epochs 2.0 -> 4.0 (re-derives: from the next step on)" in change_of(done.err)
    assert max(steps()) == 24
    assert steps()[7]["rates"]["base"] == pytest.approx(1e-3 * 18 / 24)


def test_a_finished_run_can_be_given_more_to_do(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml").code == 0
    done = ftcli("resume", "run", "--set", "train.epochs=3.0")
    assert done.code == 0, done.err
    assert max(steps()) == 18
    assert "predictions for test" in done.err


def test_how_steps_are_cut_is_a_matter_of_layout(stopped: Path, ftcli: Ftcli) -> None:
    done = ftcli("resume", "run", "--set", "batch.accumulation=1", "--set", "log.every=2")
    assert done.code == 0, done.err
    line = change_of(done.err)
    assert "batch.accumulation off -> 1 (layout: the same rows a step, cut in another way)" in line.replace('"', "")
    assert "log.every 1 -> 2 (free: how often it is logged)" in line


def test_a_run_that_goes_on_as_it_was_changes_nothing(stopped: Path, ftcli: Ftcli) -> None:
    done = ftcli("resume", "run")
    assert done.code == 0
    assert "changed" not in done.err


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("data.max_length=16", "the rows, and so the steps, would be others"),
        ("model.head=mean", "it would be another model"),
        ("optimizer.kind=sgd", "the optimizer's state is of the old kind"),
        ("batch.size=9", "every step would have other rows, and progress counts steps"),
        ("run.seed=1", "every later step would have other rows and other dropout"),
        ("freeze.patterns=['embeddings']", "what was trained so far would not follow from the recipe any more"),
        ("evaluate.best=f1", "the best checkpoint so far was chosen by the old one"),
    ],
)
def test_what_would_make_it_another_run_is_refused_with_the_reason_and_the_way(
    stopped: Path, ftcli: Ftcli, setting: str, reason: str
) -> None:
    error = refused(ftcli("resume", "run", "--set", setting), 2)
    assert f"can't change in the middle of a run: {reason}\n" in error
    assert "help: start a new run from its weights: ftcli train RECIPE --init-from run/last\n" in error


@pytest.mark.parametrize("done", [6, 12])
def test_a_run_can_not_end_before_it_stands(stopped: Path, ftcli: Ftcli, done: int) -> None:
    if done == 12:
        assert ftcli("resume", "run").code == 0
    before = content_of(Path("run"))
    shutil.rmtree("data")
    more = ("--set", "log.tensorboard=true") if find_spec("tensorboard") else ()
    error = refused(ftcli("resume", "run", "--set", "train.steps=4", *more), 2)
    assert f"the run has done {done} steps already, and would end after 4" in error
    assert "postmortem" not in error
    assert content_of(Path("run")) == before
    assert ftcli("resume", "run").code == 0


@pytest.mark.slow
def test_what_is_refused_on_all_ranks_is_said_once(stopped: Path) -> None:
    before = content_of(stopped / "run")
    done = run_torchrun("-m", "ftcli", "resume", "run", "--set", "train.steps=4", cwd=stopped)
    assert done.err.count("error[") == 1
    assert "error[recipe]: the run has done 6 steps already, and would end after 4" in done.err
    after = content_of(stopped / "run")
    assert {path: content for path, content in after.items() if not path.startswith("run/errors")} == before


@pytest.mark.slow
def test_what_is_refused_on_one_rank_alone_is_said_by_the_first(project: Path, ftcli: Ftcli) -> None:
    code = "import os, torch\n\n\ndef make(groups, *, lr):\n    if os.environ.get('RANK') == '1':\n"
    code += "        raise ValueError('boom')\n    return torch.optim.SGD(groups, lr=lr)\n"
    (project / "mine.py").write_text(code)
    own = ("--set", "optimizer.kind=custom", "--set", "optimizer.factory=mine:make")
    done = ftcli("train", "tiny.toml", *own, "--set", "train.stop_after=2")
    assert done.code == 0, done.err
    failed = run_torchrun("-m", "ftcli", "resume", "run", cwd=project)
    assert "error[distributed]: rank 1 has failed: " in failed.err
    assert "boom" in failed.err
    assert "help: run/errors/rank-1.txt has its traceback" in failed.err


def test_deterministic_kernels_are_announced_with_their_cost_and_may_be_asked_for_later(
    stopped: Path, ftcli: Ftcli
) -> None:
    done = ftcli("resume", "run", "--set", "train.deterministic=true")
    assert done.code == 0, done.err
    assert "train.deterministic false -> true (layout: the same steps by other kernels)" in change_of(done.err)
    assert "deterministic kernels only, which on a CPU costs nothing" in done.err


def test_a_way_to_split_can_not_come_to_a_run_that_splits_nothing(stopped: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("resume", "run", "--set", "distributed.sharding_degree=2"), 2)
    what = '`distributed.sharding_degree` goes with `distributed.strategy = "fsdp"`, and it is "ddp"'
    assert f"error[recipe]: {what}\n  --> --set distributed.sharding_degree=2\n" in error
    assert 'help: set distributed.strategy = "fsdp", or leave it out' in error


def test_a_run_that_was_split_goes_on_under_ddp_and_then_as_it_is(project: Path, ftcli: Ftcli) -> None:
    (project / "split.toml").write_text(
        'extends = "tiny.toml"\n[distributed]\nstrategy = "fsdp"\nsharding = "stage1"\nsharding_degree = 1\n'
    )
    assert ftcli("train", "split.toml", "--set", "train.stop_after=6").code == 0
    done = ftcli("resume", "run", "--set", "distributed.strategy=ddp", "--set", "train.stop_after=7")
    assert done.code == 0, done.err
    line = change_of(done.err)
    assert 'distributed.strategy "fsdp" -> "ddp" (layout: the same steps, shared out in another way)' in line
    assert "distributed.sharding" not in line
    assert ftcli("resume", "run").code == 0


def test_what_comes_up_late_is_shown_where_the_change_is(stopped: Path, ftcli: Ftcli) -> None:
    zero = "schedule={kind='torch', name='StepLR', options={step_size=0}}"
    error = refused(ftcli("resume", "run", "--set", zero), 2)
    assert "error[recipe]: `StepLR` fails within 12 steps: ZeroDivisionError" in error
    assert f"  --> --set {zero}\n" in error
