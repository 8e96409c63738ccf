"""Events as records: flat, plain, and named after their kind."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest

from ftcli.train.events import (
    Change,
    CheckpointSaved,
    EpochDone,
    Evaluated,
    Noted,
    PredictionsWritten,
    RecipeChanged,
    RunEvent,
    RunFailed,
    RunFinished,
    RunStarted,
    StageEntered,
    StepDone,
    as_record,
    scalars_of,
)

STARTED = RunStarted(
    step=0,
    total_steps=12,
    steps_per_epoch=6,
    run_dir="run",
    name="run",
    data="demo",
    model="tiny",
    rows={"train": 45},
    num_parameters=100,
    num_trainable=10,
    world_size=1,
    device="cpu",
    precision="fp32",
    batch_size=8,
    cut="2 micro-batches on each rank",
    group_sizes={"base": 100},
    best_metric="accuracy",
    notes=("a note",),
)
EVENTS: list[tuple[RunEvent, str]] = [
    (STARTED, "run_started"),
    (StageEntered(0, 0, 1, 10, 100, "all"), "stage_entered"),
    (StepDone(1, 0.1, 0.7, 0.7, {"base": 1e-3}, 0.2, 100.0, 1000.0, 0.1, 2), "step_done"),
    (EpochDone(6, 1, 0.69, 1.5), "epoch_done"),
    (Evaluated(6, 1.0, "validation", 21, 0.69, {"accuracy": 0.5}, 0.1, True, 0.5, 6), "evaluated"),
    (CheckpointSaved(6, "run/checkpoints/step-000006", 1000, 0.1, True), "checkpoint_saved"),
    (PredictionsWritten(12, "test", "run/predictions/test.jsonl", 11), "predictions_written"),
    (Noted(0, "text"), "noted"),
    (RunFailed(7, "loss", "the loss is nan", 5, "ftcli resume run"), "run_failed"),
    (RunFinished(12, 12, "finished", 3.0, "accuracy", 0.5, 6, "run"), "run_finished"),
]


CHANGED = RecipeChanged(
    6,
    (Change("optimizer.lr", "1e-3", "5e-4", "re-derives", "in force from the next step on"),),
    (("base", 5e-4, 2.5e-4),),
)


def test_changes_are_recorded_as_tables() -> None:
    record = json.loads(json.dumps(as_record(CHANGED)))
    assert (record["event"], record["step"]) == ("recipe_changed", 6)
    assert record["changes"] == [
        {
            "key": "optimizer.lr",
            "before": "1e-3",
            "after": "5e-4",
            "kind": "re-derives",
            "effect": "in force from the next step on",
        }
    ]
    assert record["rates"] == [["base", 5e-4, 2.5e-4]]


@pytest.mark.parametrize(("event", "name"), EVENTS, ids=[name for _, name in EVENTS])
def test_a_record_has_the_kinds_name_and_every_field(event: RunEvent, name: str) -> None:
    record = as_record(event)
    assert record.pop("event") == name
    assert record == dataclasses.asdict(event)
    assert "step" in record


@pytest.mark.parametrize(("event", "name"), EVENTS, ids=[name for _, name in EVENTS])
def test_a_record_survives_json(event: RunEvent, name: str) -> None:
    read = json.loads(json.dumps(as_record(event)))
    fields = {field: tuple(value) if isinstance(value, list) else value for field, value in read.items()}
    assert type(event)(**{field: value for field, value in fields.items() if field != "event"}) == event


def test_no_kind_of_event_is_left_out_here() -> None:
    assert {*(type(event) for event, _ in EVENTS), RecipeChanged} == set(typing.get_args(RunEvent))


def test_numbers_have_names_that_trackers_allow() -> None:
    step = StepDone(1, 0.1, 0.7, 0.6, {"base": 1e-3, r"^(bert\.pooler|classifier)": 2e-3}, 0.2, 100.0, 1000.0, 0.1, 2)
    assert scalars_of(step) == {
        "train/loss": 0.6,
        "train/grad_norm": 0.2,
        "train/rows_per_second": 100.0,
        "train/tokens_per_second": 1000.0,
        "train/lr/base": 1e-3,
        "train/lr/bert_.pooler_classifier": 2e-3,
    }
    scored = Evaluated(6, 1.0, "train", 21, None, {"accuracy": 0.5}, 0.1)
    assert scalars_of(scored) == {"train_scored/accuracy": 0.5}
    assert scalars_of(Noted(0, "text")) == {}
