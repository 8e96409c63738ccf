"""One event is one plain line, and numbers are spelled alike everywhere."""

from __future__ import annotations

import math

import pytest

from ftcli.flows.figures import clock, figure, percent, short, size
from ftcli.flows.lines import line_of, rates_text
from ftcli.runtime.activity import Activity
from ftcli.train.events import (
    CheckpointSaved,
    EpochDone,
    Evaluated,
    Event,
    Noted,
    PredictionsWritten,
    RunFinished,
    RunStarted,
    StageEntered,
    StepDone,
)

STARTED = RunStarted(
    step=0,
    total_steps=450,
    steps_per_epoch=150,
    run_dir="run",
    name="afqmc-freeze",
    data="afqmc",
    model="bert-base-chinese",
    rows={"train": 4800, "validation": 4316},
    num_parameters=22_700_000,
    num_trainable=4_100_000,
    world_size=2,
    device="cuda",
    precision="bf16",
    batch_size=32,
    cut="4 micro-batches on each rank",
    group_sizes={"encoder": 4_000_000, "head": 100_000},
    best_metric="accuracy",
    notes=("micro-batches of 8 rows were found to fit",),
)
STEP = StepDone(
    step=120,
    epoch=1.6,
    loss=0.4312,
    mean_loss=0.4312,
    rates={"default": 2e-5, "head": 1e-4},
    grad_norm=1.234,
    rows_per_second=412.3,
    tokens_per_second=9811.0,
    padding_share=0.081,
)

LINES: list[tuple[Event, str]] = [
    (
        STARTED,
        "run afqmc-freeze; 450 steps of 32 rows (150 an epoch, 4 micro-batches on each rank); "
        "data afqmc (train 4,800, validation 4,316 rows); model bert-base-chinese (4.1M of 22.7M trainable (18%)); "
        "cuda bf16, 2 processes; run folder run; micro-batches of 8 rows were found to fit",
    ),
    (
        StageEntered(150, 1, 3, 4_100_000, 22_700_000, "the last two layers"),
        "stage 2/3 from step 150: 4.1M of 22.7M trainable (18%)  the last two layers",
    ),
    (
        STEP,
        "step 120/450  epoch 1.60  loss 0.4312  lr 2.0e-05 (head 1.0e-04)  grad 1.23  412 rows/s  9.8k tokens/s  "
        "padding 8%",
    ),
    (EpochDone(300, 2, 0.39114, 41.24), "epoch 2 done at step 300: mean training loss 0.3911  in 41.2 s"),
    (
        Evaluated(150, 2.0, "validation", 4316, 0.41, {"accuracy": 0.8425, "f1": 0.8011}, 3.2, True, 0.8425, 150),
        "evaluation at step 150 (epoch 2): validation loss 0.4100  accuracy 0.8425  f1 0.8011  (best so far)",
    ),
    (
        Evaluated(225, 1.5, "validation", 4316, None, {"accuracy": 0.8}, 3.2, False, 0.8425, 150),
        "evaluation at step 225 (epoch 1.5): validation accuracy 0.8000  (best 0.8425 at step 150)",
    ),
    (
        CheckpointSaved(150, "run/checkpoints/step-000150", 262_000_000, 0.84, is_best=True),
        "checkpoint at step 150: run/checkpoints/step-000150 (262 MB in 0.8 s, best so far)",
    ),
    (PredictionsWritten(450, "test", "run/p.jsonl", 3861), "predictions for test: 3,861 rows in run/p.jsonl"),
    (Noted(3, "the cache is used"), "the cache is used"),
    (Noted(3, "two\nlines\x1b[31m", "warning"), "warning: two lines [31m"),
    (
        RunFinished(450, 450, "finished", 751.0, "accuracy", 0.8425, 300, "run"),
        "finished: step 450/450 in 12:31; best accuracy 0.8425 at step 300; run folder run",
    ),
    (
        RunFinished(120, 450, "signal", 3.25, "accuracy", None, None, "run", 130, "ftcli resume run"),
        "stopped by a signal: step 120/450 in 3.2 s; run folder run; resume with: ftcli resume run",
    ),
    (Activity("tokenize train", 2400, 2400), "tokenize train: 2,400 rows"),
    (Activity("download model", 91_400_000, 91_400_000, "bytes"), "download model: 91.4 MB"),
]


@pytest.mark.parametrize(("event", "expected"), LINES, ids=[type(event).__name__ for event, _ in LINES])
def test_the_line_of_an_event(event: Event, expected: str) -> None:
    assert line_of(event, total_steps=450) == expected


@pytest.mark.parametrize("activity", [Activity("tokenize", 5, 10), Activity("read", 5)])
def test_an_unfinished_activity_has_no_line(activity: Activity) -> None:
    assert line_of(activity) is None


def test_a_step_has_no_total_where_none_is_known() -> None:
    assert str(line_of(STEP)).startswith("step 120  epoch 1.60")


def test_many_learning_rates_are_a_range() -> None:
    rates = {f"layer {number}": 1e-6 * (number + 1) for number in range(12)}
    assert rates_text(rates) == "lr 1.0e-06 to 1.2e-05 (12 rates)"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (3.4, "3.4"), (950, "950"), (999.6, "1.0k"), (9811, "9.8k"), (22.7e6, "22.7M"), (110e6, "110M")],
)
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0000"), (0.43125, "0.4313"), (12345.678, "12345.7"), (4e-5, "4.0e-05"), (math.nan, "nan")],
)
def test_figures_keep_their_leading_digits(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_share_is_whole_only_where_it_is_exact() -> None:
    assert [percent(share) for share in (0, 0.001, 0.18, 0.999, 1)] == ["0%", "<1%", "18%", ">99%", "100%"]


def test_sizes_and_durations() -> None:
    assert [size(number) for number in (812, 91_400, 262e6, 1.4e9)] == ["812 B", "91.4 kB", "262 MB", "1.4 GB"]
    assert [clock(seconds) for seconds in (0, 41, 751, 3723)] == ["0:00", "0:41", "12:31", "1:02:03"]
