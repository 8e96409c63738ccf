"""What a run writes of itself: every event once, cut back where a resumed run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ftcli.flows.recorder import Metrics, Recorder
from ftcli.runtime.activity import Activity
from ftcli.runtime.rundir import RunDir
from ftcli.train.events import EpochDone, Evaluated, Event, Noted, RunFinished, StepDone, as_record


def step_done(step: int) -> StepDone:
    return StepDone(step, step / 3, 0.7, 0.7, {"base": 1e-3}, 0.2, 100.0, 1000.0, 0.1)


def evaluated(step: int, *, split: str = "validation", value: float = 0.5, best: int | None = None) -> Evaluated:
    top = None if best is None else 0.9
    return Evaluated(step, step / 3, split, 21, 0.6, {"accuracy": value}, 0.1, best == step, top, best)


def run_finished(step: int, *, best_step: int | None = 3) -> RunFinished:
    return RunFinished(step, 6, "finished", 2.0, "accuracy", 0.9, best_step, "run")


STORY: list[Event] = [
    Noted(0, "a note"),
    Activity("tokenize train", 45, 45),
    step_done(1),
    step_done(2),
    step_done(3),
    EpochDone(3, 1, 0.69, 1.0),
    Activity("evaluate validation", 21, 21),
    evaluated(3, best=3),
    step_done(4),
    step_done(5),
    step_done(6),
    EpochDone(6, 2, 0.65, 2.0),
    evaluated(6, value=0.4, best=3),
    evaluated(6, split="test", value=0.8),
    run_finished(6),
]


@pytest.fixture
def folder(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path)


def tell(recorder: Recorder, events: list[Event]) -> list[Event]:
    return [passed for event in events for passed in recorder.passing(event)]


def records(folder: RunDir) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.journal.read_text().splitlines()]


def steps(folder: RunDir) -> list[tuple[str, int]]:
    return [(record["event"], record["step"]) for record in records(folder)]


def test_every_event_is_passed_on_and_all_but_activities_are_written(folder: RunDir) -> None:
    assert tell(Recorder(folder, writes=True), STORY) == STORY
    written = [event for event in STORY if not isinstance(event, Activity)]
    found = records(folder)
    assert [{k: v for k, v in record.items() if k != "time"} for record in found] == [as_record(e) for e in written]
    assert all(record["time"] > 1.6e9 for record in found)
    log = folder.out_log.read_text().splitlines()
    assert log[0] == "a note"
    assert len(log) == len(written)


def test_an_event_is_on_disk_before_it_is_passed_on(folder: RunDir) -> None:
    for event in Recorder(folder, writes=True).passing(step_done(1)):
        assert event == step_done(1)
        assert steps(folder) == [("step_done", 1)]


def test_other_ranks_write_nothing(folder: RunDir) -> None:
    recorder = Recorder(folder, writes=False)
    recorder.rewind(3)
    assert tell(recorder, STORY) == STORY
    assert list(folder.path.iterdir()) == []


def test_metrics_are_those_of_every_evaluation_the_best_and_the_test(folder: RunDir) -> None:
    tell(Recorder(folder, writes=True), STORY)
    assert json.loads(folder.metrics.read_text()) == {
        "epochs": [
            {
                "epoch": 1,
                "step": 3,
                "train": {"loss": 0.69},
                "validation": {"loss": 0.6, "accuracy": 0.5, "rows": 21},
            },
            {
                "epoch": 2,
                "step": 6,
                "train": {"loss": 0.65},
                "validation": {"loss": 0.6, "accuracy": 0.4, "rows": 21},
            },
        ],
        "best": {"value": 0.9, "step": 3, "metric": "accuracy"},
        "test": {"loss": 0.6, "accuracy": 0.8, "rows": 21},
    }


def test_the_loss_as_trained_keeps_its_name_beside_that_of_an_evaluation(folder: RunDir) -> None:
    metrics = Metrics()
    for event in (EpochDone(3, 1, 0.69, 1.0), evaluated(3, split="train", value=0.7)):
        metrics.add(as_record(event))
    [entry] = metrics.summary()["epochs"]
    assert entry["train"] == {"loss": 0.69, "eval_loss": 0.6, "accuracy": 0.7, "rows": 21}


def test_without_an_evaluation_there_is_no_best(folder: RunDir) -> None:
    tell(Recorder(folder, writes=True), [step_done(1), EpochDone(3, 1, 0.69, 1.0), run_finished(3, best_step=None)])
    assert json.loads(folder.metrics.read_text())["best"] is None


@pytest.mark.parametrize("start", range(7))
def test_a_resumed_run_ends_with_the_records_of_one_that_was_not_stopped(folder: RunDir, start: int) -> None:
    whole, stopped = RunDir(folder.path / "whole"), RunDir(folder.path / "stopped")
    for each in (whole, stopped):
        each.path.mkdir()
    tell(Recorder(whole, writes=True), STORY)
    # It got further than its last checkpoint, and perhaps to its very end.
    tell(Recorder(stopped, writes=True), STORY)
    recorder = Recorder(stopped, writes=True)
    recorder.rewind(start)
    assert all(step <= start for _, step in steps(stopped))
    kept = steps(stopped)
    tell(recorder, [e for e in STORY if not isinstance(e, Activity) and as_record(e)["step"] > start])
    if start < 6:
        assert steps(stopped) == steps(whole)
        assert json.loads(stopped.metrics.read_text()) == json.loads(whole.metrics.read_text())
    else:
        assert kept == [found for found in steps(whole) if found[0] != "run_finished"]


def test_a_torn_last_line_is_forgotten_on_resume(folder: RunDir) -> None:
    tell(Recorder(folder, writes=True), STORY[:5])
    with folder.journal.open("a") as file:
        file.write('{"event":"step_do')
    recorder = Recorder(folder, writes=True)
    recorder.rewind(3)
    tell(recorder, [step_done(4)])
    assert steps(folder)[-2:] == [("step_done", 3), ("step_done", 4)]


@pytest.mark.parametrize(("start", "marks"), [(3, 1), (6, 0)])
def test_the_plain_log_tells_which_of_its_lines_are_void(folder: RunDir, start: int, marks: int) -> None:
    tell(Recorder(folder, writes=True), STORY[:-1])
    Recorder(folder, writes=True).rewind(start)
    log = folder.out_log.read_text().splitlines()
    assert log.count(f"going back to step {start}: what stands above of later steps is void, and done anew") == marks
