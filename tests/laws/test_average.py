"""A running mean of the weights is what is evaluated and saved, and restarts change no bit of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ftcli.flows.train import resume, train
from ftcli.train.events import Evaluated
from ftcli.train.loop import fit
from tests.conftest import Ftcli, spawn
from tests.laws.rig import make_run, spec_of, weights
from tests.laws.test_resume import STAGED

MEAN = ("train.average=0.5", "log.every=1")


def last(run: str) -> dict[str, dict[str, torch.Tensor]]:
    """Both lots of weights of a run's last checkpoint."""
    folder = Path(run) / "last"
    return {"mean": load_file(folder / "model.safetensors"), "trained": load_file(folder / "state/trained.safetensors")}


def test_the_mean_is_that_of_the_weights_after_each_step(project: Path) -> None:
    settings = ("model.dropout=0.0", "evaluate.every=never", "train.steps=5")
    snapshots: list[dict[str, torch.Tensor]] = []
    plain = make_run(spec_of(project / "tiny.toml", *settings), project / "plain")
    mean = {name: value.clone() for name, value in weights(plain).items()}
    plain.optimizer.inner.register_step_post_hook(lambda *_: snapshots.append(weights(plain)))
    list(fit(plain))
    for step, snapshot in enumerate(snapshots, start=1):
        share = min(0.5, (1 + step) / (10 + step))
        mean = {name: share * mean[name] + (1 - share) * snapshot[name] for name in mean}
    run = make_run(spec_of(project / "tiny.toml", *settings, *MEAN), project / "run")
    list(fit(run))
    assert all(torch.equal(value, weights(plain)[name]) for name, value in weights(run).items())
    with run.averaged():
        found = weights(run)
    assert all(torch.allclose(found[name], mean[name], rtol=0, atol=1e-12) for name in mean)


def test_stopping_after_any_step_changes_no_bit_of_either(project: Path) -> None:
    whole_events = list(train(spec_of(project / "tiny.toml", *STAGED, *MEAN), run_dir="whole"))
    for step in (1, 4, 7):
        name = f"cut-{step}"
        list(train(spec_of(project / "tiny.toml", *STAGED, *MEAN, f"train.stop_after={step}"), run_dir=name))
        list(resume(project / name))
        for kind, expected in last("whole").items():
            assert all(torch.equal(expected[key], value) for key, value in last(name)[kind].items()), (step, kind)
    assert any(isinstance(event, Evaluated) for event in whole_events)
    mean, trained = last("whole")["mean"], last("whole")["trained"]
    assert any(not torch.equal(mean[key], trained[key]) for key in mean)


def test_what_is_evaluated_is_what_is_saved(project: Path, ftcli: Ftcli) -> None:
    settings = ("train.average=0.9", "precision.kind=fp32", "optimizer.lr=1e-2")
    events = list(train(spec_of(project / "tiny.toml", *settings), run_dir="run"))
    scored = [event for event in events if isinstance(event, Evaluated) and event.split == "validation"][-1]
    shown = ftcli("eval", "--ckpt", "run/last", "--json", "--resamples", "200")
    assert shown.code == 0, shown.err
    assert json.loads(shown.out)["loss"] == pytest.approx(scored.loss, rel=1e-5)


def test_turned_off_when_a_run_goes_on_it_trains_the_weights_themselves(project: Path) -> None:
    list(train(spec_of(project / "tiny.toml", *MEAN, "train.stop_after=3"), run_dir="run"))
    list(train(spec_of(project / "tiny.toml"), run_dir="plain"))
    list(resume(project / "run", changes=["train.average=off"]))
    assert not (project / "run/last/state/trained.safetensors").exists()
    left, right = weights(project / "run/last"), weights(project / "plain/last")
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.slow
def test_two_ranks_have_the_mean_of_one(project: Path) -> None:
    settings = [part for each in ("train.average=0.5", "model.dropout=0.0") for part in ("--set", each)]
    plain_sgd = ["--set", "optimizer.kind=sgd", "--set", "optimizer.lr=0.05"]
    done = spawn("train", "tiny.toml", *settings, *plain_sgd, "--run-dir", "two", ranks=2, cwd=project)
    assert done.code == 0, done.err
    done = spawn("train", "tiny.toml", *settings, *plain_sgd, "--run-dir", "one", cwd=project)
    assert done.code == 0, done.err
    left, right = weights(project / "two/last"), weights(project / "one/last")
    assert all(torch.allclose(left[name], right[name], atol=1e-6) for name in left)
