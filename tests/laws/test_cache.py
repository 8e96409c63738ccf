"""Law 5: with and without the prefix cache, the same losses; whatever fills it, and whoever fills it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from ftcli.flows.laws.cache import check
from ftcli.flows.train import resume, train
from ftcli.runtime.activity import Activity, finish
from ftcli.runtime.locks import WAITING
from ftcli.spec.run import RunSpec
from ftcli.train.events import Evaluated, Event, Noted, RunFinished, StageEntered, StepDone
from ftcli.train.loop import fit
from tests.conftest import spawn
from tests.laws.rig import TASKS, make_bench, make_run, spec_for, spec_of, weights

FROZEN = (
    r"freeze.patterns=['^bert\.embeddings', '^bert\.encoder\.layer\.[01]\.']",
    r"freeze.stages=[{at={step=6}, unfreeze=['^bert\.encoder\.layer\.1\.']}]",
    "model.dropout=0.1",
    "evaluate.every=3",
    "evaluate.train_metrics=true",
)


def losses(events: list[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, StepDone | Evaluated) and event.loss is not None]


def filled(events: list[Event]) -> list[str]:
    """The splits that frozen layers were computed for, in order."""
    names = [event.name.removeprefix("compute the frozen layers: ") for event in events if isinstance(event, Activity)]
    return list(dict.fromkeys(name for name in names if name in {"train", "validation"}))


def states_files(project: Path) -> list[str]:
    return sorted(path.name for path in (project / "data").rglob("prefix/*/*.states"))


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_losses_are_those_without_a_cache_across_a_stage_that_shortens_it(project: Path, kind: str) -> None:
    events = {
        cache: list(fit(make_run(spec_of(project / "tiny.toml", *FROZEN, f"freeze.cache={cache}"), project / cache)))
        for cache in ("off", kind)
    }
    assert filled(events["off"]) == []
    assert filled(events[kind]) == ["train", "validation"]
    assert len([event for event in events[kind] if isinstance(event, StageEntered)]) == 2
    assert len(losses(events["off"])) == 12 + 2 * 4  # every step, and both splits at each evaluation
    assert losses(events[kind]) == pytest.approx(losses(events["off"]), rel=1e-9)
    assert len(states_files(project)) == (4 if kind == "disk" else 0)  # two splits, at two depths


@pytest.mark.parametrize("task", TASKS)
def test_the_law_holds_for_every_task(project: Path, task: str) -> None:
    spec = spec_for(project, *TASKS[task], *FROZEN)
    whole = list(fit(make_run(spec, project / "off")))
    stored = list(fit(make_run(cached(spec, "disk"), project / "disk")))
    assert losses(stored) == pytest.approx(losses(whole), rel=1e-9)


def cached(spec: RunSpec, kind: str) -> RunSpec:
    return spec.model_copy(update={"freeze": spec.freeze.model_copy(update={"cache": kind})})


def test_a_second_run_with_the_same_frozen_layers_starts_at_once(project: Path) -> None:
    spec = spec_of(project / "tiny.toml", *FROZEN, "freeze.cache=disk")
    assert filled(list(train(spec, run_dir="one"))) == ["train", "validation"]
    again = list(
        train(spec_of(project / "tiny.toml", *FROZEN, "freeze.cache=disk", "optimizer.lr=2e-3"), run_dir="two")
    )
    assert filled(again) == []
    once = spec_of(project / "tiny.toml", *FROZEN[:1], "train.epochs=1", "evaluate.every=never")
    said = [event.text for event in train(once, run_dir="once") if isinstance(event, Noted)]
    assert any("is cached already in" in text for text in said)  # it is there: no reason not to read it
    other = r"freeze.patterns=['embeddings', 'layer\.[012]\.']"
    assert filled(list(train(spec_of(project / "tiny.toml", *FROZEN, "freeze.cache=disk", other), run_dir="three")))


def test_a_resumed_run_gives_the_same_bytes_and_decides_nothing_anew(project: Path) -> None:
    settings = (*FROZEN, "freeze.cache=disk", "train.steps=10")
    list(train(spec_of(project / "tiny.toml", *settings), run_dir="whole"))
    list(train(spec_of(project / "tiny.toml", *settings, "train.stop_after=8"), run_dir="parts"))
    events = list(resume(project / "parts"))
    assert not any(isinstance(event, Noted) and "frozen layers" in event.text for event in events)
    left, right = weights(project / "whole/last"), weights(project / "parts/last")
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_rounded_states_are_close_and_kept_apart(project: Path) -> None:
    spec = spec_of(project / "tiny.toml", *FROZEN, "freeze.cache=disk")
    exact = losses(list(train(spec, run_dir="exact")))
    rounded = spec_of(project / "tiny.toml", *FROZEN, "freeze.cache=disk", "freeze.cache_dtype=bf16")
    events = list(train(rounded, run_dir="rounded"))
    assert filled(events) == ["train", "validation"]
    assert losses(events) == pytest.approx(exact, rel=0.05)
    assert losses(events) != exact


def test_what_a_stopped_run_has_computed_is_not_computed_again(project: Path) -> None:
    spec = spec_of(project / "tiny.toml", *FROZEN, "freeze.cache=disk", "train.steps=4", "data.max_length=20")
    events: list[Event] = []
    for event in train(spec, run_dir="run"):
        if isinstance(event, Activity) and event.name.endswith("frozen layers: train"):
            os.kill(os.getpid(), signal.SIGUSR1)
        events.append(event)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].step == 0
    assert not any(isinstance(event, StepDone) for event in events)
    later = list(resume(project / "run"))
    assert filled(later) == ["validation"]
    assert len([event for event in later if isinstance(event, StepDone)]) == 4


def test_of_two_runs_at_a_time_one_computes_and_the_other_waits(project: Path) -> None:
    spec = spec_of(project / "tiny.toml", *FROZEN, "freeze.cache=disk", "train.steps=4")
    first, second = (train(spec, run_dir=name) for name in ("first", "second"))
    next(event for event in first if isinstance(event, Activity) and event.name.endswith("frozen layers: train"))
    assert any(event is WAITING for event in second), "it gets no further"
    next(event for event in first if isinstance(event, StepDone))
    later = list(second)
    assert filled(later) == []
    assert isinstance(later[-1], RunFinished)
    assert isinstance(list(first)[-1], RunFinished)


def test_the_check_compares_what_is_frozen_and_says_where_nothing_is(project: Path) -> None:
    bench = make_bench(spec_of(project / "tiny.toml", *FROZEN), project / "bench")
    checks = finish(check(bench))
    assert [found.holds for found in checks] == [True, True]
    assert all(found.deviation is not None and found.deviation_fp32 is not None for found in checks)
    assert "2 of 3 layers" in checks[0].note
    bare = make_bench(spec_of(project / "tiny.toml"), project / "bare")
    assert [(found.holds, found.note) for found in finish(check(bare))] == [
        (None, "nothing to cache: the embeddings are trained")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_two_ranks_fill_it_together(project: Path, kind: str) -> None:
    settings = [part for setting in (*FROZEN[:2], "model.dropout=0.0") for part in ("--set", setting)]
    for name, cache, ranks in (("one", "off", 1), ("two", kind, 2)):
        done = spawn(
            *("train", "tiny.toml", "--run-dir", name, *settings, "--set", f"freeze.cache={cache}"),
            ranks=ranks,
            cwd=project,
        )
        assert done.code == 0, done.err
    one, two = (
        [r["loss"] for r in map(json.loads, (project / name / "log.jsonl").read_text().splitlines()) if "loss" in r]
        for name in ("one", "two")
    )
    assert two == pytest.approx(one, rel=1e-5)
