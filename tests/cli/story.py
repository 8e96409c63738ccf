"""The events of a run, made up."""

from __future__ import annotations

from collections.abc import Iterator

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

BEST = {1: 0.8025, 2: 0.8425, 3: 0.8390}


def step(number: int, **changes: object) -> StepDone:
    values: dict[str, object] = {
        "step": number,
        "epoch": number / 150,
        "loss": 0.5,
        "mean_loss": 0.5,
        "rates": {"encoder": 2e-5, "classifier": 1e-4},
        "grad_norm": 1.25,
        "rows_per_second": 412.0,
        "tokens_per_second": 9811.0,
        "padding_share": 0.08,
    }
    return StepDone(**{**values, **changes})  # pyright: ignore[reportArgumentType]


def started(**changes: object) -> RunStarted:
    values: dict[str, object] = {
        "step": 0,
        "total_steps": 450,
        "steps_per_epoch": 150,
        "run_dir": "run",
        "name": "冻结-afqmc",
        "data": "蚂蚁金融语义相似度",
        "model": "/models/of/the/whole/house/and/more/e5-small-zh-en",
        "rows": {"train": 4800, "validation": 4316},
        "num_parameters": 22_700_000,
        "num_trainable": 770,
        "world_size": 2,
        "device": "cuda",
        "precision": "bf16",
        "batch_size": 32,
        "cut": "4 micro-batches on each rank",
        "group_sizes": {"encoder": 1, "classifier": 2},
        "best_metric": "accuracy",
        "notes": ("rows of 512 tokens fit eight at a time, which leaves a quarter of the memory free",),
    }
    return RunStarted(**{**values, **changes})  # pyright: ignore[reportArgumentType]


def evaluated(epoch: int) -> Evaluated:
    metrics = {"f1": 0.8, "accuracy": BEST[epoch], "precision": 0.7, "recall": 0.9}
    best = max((BEST[past], past * 150) for past in range(1, epoch + 1))
    at = epoch * 150
    return Evaluated(at, float(epoch), "validation", 4316, 0.41, metrics, 3.0, best[1] == at, *best)


def finished(**changes: object) -> RunFinished:
    values: dict[str, object] = {
        "step": 450,
        "total_steps": 450,
        "reason": "finished",
        "seconds": 751.0,
        "best_metric": "accuracy",
        "best": 0.8425,
        "best_step": 300,
        "run_dir": "run",
    }
    return RunFinished(**{**values, **changes})  # pyright: ignore[reportArgumentType]


def whole_run() -> Iterator[Event]:
    yield from (Activity("download 模型", done, 100_000_000, "bytes") for done in (0, 50_000_000, 100_000_000))
    yield started()
    yield StageEntered(0, 0, 2, 770, 22_700_000, "the head alone")
    for epoch in (1, 2, 3):
        for number in range(epoch * 150 - 140, epoch * 150 + 1, 10):
            yield step(number)
        if epoch == 2:
            yield StageEntered(300, 1, 2, 4_100_000, 22_700_000, "and the two topmost layers of the encoder, all told")
        yield EpochDone(epoch * 150, epoch, 0.45, 41.0)
        yield from (Activity("evaluate validation", done, 4316) for done in (0, 2000, 4316))
        yield evaluated(epoch)
        yield CheckpointSaved(epoch * 150, f"run/checkpoints/step-{epoch * 150:06}", 262_000_000, 0.8)
    yield Noted(450, "3 rows of validation stand in train too", "warning")
    yield PredictionsWritten(450, "test", "run/predictions/test.jsonl", 3861)
    yield finished()
