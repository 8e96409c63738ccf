"""The plain tables of a recipe, one model each. Tables that come in kinds are in choices.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ftcli.spec.base import Section
from ftcli.spec.card import Columns, Format, Tags

Positive = Annotated[int, Field(gt=0)]
Patterns = Annotated[tuple[str, ...], Field(strict=False)]


class EpochCadence(Section):
    """Every so many epochs; a fraction of one is fine."""

    epochs: Annotated[float, Field(gt=0)]


Cadence = Positive | EpochCadence | Literal["never"]
"""How often something happens: every N steps, every `{ epochs = X }`, or never."""


class RunSection(Section):
    """Where a run lives, what its randomness comes from, and where the user's code is ("auto": beside the recipe)."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")] = "run"
    dir: str = "run"
    code: str = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    device: Literal["auto", "cpu", "cuda"] = "auto"


class DataSection(Section):
    """The data: a built-in name (or a card's path), or files of one's own with their columns.

    `holdout` and `test_holdout` are shares of the rows of `train` that are made a validation and a test split.
    `labels`, `label_map`, `label_separator` and `tags` say what a data card would (see `ftcli.spec.card.DataCard`).
    """

    name: str | None = None
    train: str | None = None
    validation: str | Literal["off"] = "off"
    test: str | Literal["off"] = "off"
    columns: Columns | None = None
    format: Format = Format()
    labels: Annotated[tuple[str, ...], Field(strict=False)] | Literal["auto"] = "auto"
    label_map: Annotated[dict[str, str], Field(default_factory=dict[str, str])]
    label_separator: Annotated[str, Field(min_length=1)] = ","
    tags: Tags = Tags()
    holdout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    test_holdout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    holdout_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    root: str = "data"
    max_length: Annotated[int, Field(ge=4)] = 128


HeadName = Literal["auto", "cls", "mean", "max", "crf", "custom"]
"""What stands on the encoder: the architecture's own, a pooling, a CRF over each word's scores, or the user's own."""


class ModelSection(Section):
    """The pretrained encoder and the head on it.

    `path` is a hub id, a folder, or `package:NAME/FOLDER` for weights inside an installed package. Of a task's
    checkpoint, `weights` takes the encoder, and the head where it fits ("auto"), always ("all") or never ("encoder").
    `dropout` overrides all of the file's rates, `head_dropout` then the one before the last layer.
    `head_factory` ("module:name") makes a custom head, with `head_options`; see `ftcli.modeling.heads.BuildHead`.
    """

    path: str
    weights: Literal["auto", "all", "encoder"] = "auto"
    tokenizer: str | Literal["auto"] = "auto"
    head: HeadName = "auto"
    dropout: Annotated[float, Field(ge=0, lt=1)] | Literal["auto"] = "auto"
    head_dropout: Annotated[float, Field(ge=0, lt=1)] | Literal["auto"] = "auto"
    head_factory: str = "off"
    head_options: Annotated[dict[str, Any], Field(default_factory=dict)]


class StagePoint(Section):
    """When a stage begins: at an epoch, a step, or a fraction of the run. Exactly one is given."""

    epoch: Annotated[float, Field(ge=0)] | None = None
    step: Annotated[int, Field(ge=0)] | None = None
    fraction: Annotated[float, Field(ge=0, le=1)] | None = None


class FreezeStage(Section):
    """From `at` on, what `unfreeze` matches is trained and what `freeze` matches is not."""

    at: StagePoint
    unfreeze: Patterns = ()
    freeze: Patterns = ()


class FreezeSection(Section):
    """Which parameters are frozen from the start, and the stages that change that.

    `cache` keeps what the frozen layers below the first trained one make of each row, so that it is computed once:
    beside the data on "disk", in "memory", or (auto) on disk where it pays. `cache_dtype` is how; fp32 is exact.
    """

    patterns: Patterns = ()
    cache: Literal["auto", "off", "memory", "disk"] = "auto"
    cache_dtype: Literal["fp32", "bf16"] = "fp32"
    stages: Annotated[tuple[FreezeStage, ...], Field(strict=False)] = ()


class BatchSection(Section):
    """How many rows make one step, and how a step is cut into micro-batches.

    `size` counts the rows of a step over the whole world. At most one of `micro_size` (sequences: rows, but each order
    of a symmetric pair and each window of a long sentence counts), `max_tokens` (padded tokens) and `accumulation`
    (micro-batches per rank) says how it is cut.
    """

    size: Positive = 32
    micro_size: Positive | Literal["auto"] = "auto"
    max_tokens: Positive | Literal["off"] = "off"
    accumulation: Positive | Literal["off"] = "off"
    window: Positive = 1


class PrecisionSection(Section):
    """The arithmetic of a step's forward pass. Weights, optimizer state and scores are fp32 whatever it is."""

    kind: Literal["auto", "fp32", "bf16", "fp16"] = "auto"


class TrainSection(Section):
    """How long to train. `steps` ends the run and wins over `epochs`.

    `compile` has the model compiled for training, in each stage where that is at least a few percent faster.
    `deterministic` allows only kernels that give the same bits each time, as a CPU's do anyway.
    `stop_after` saves and stops after that many steps of this invocation, while the schedule still spans the whole
    run; it is never saved with the run.
    """

    epochs: Annotated[float, Field(gt=0)] = 3.0
    steps: Positive | Literal["off"] = "off"
    stop_after: Positive | Literal["never"] = "never"
    max_grad_norm: Annotated[float, Field(gt=0)] | Literal["off"] = 1.0
    deterministic: bool = False
    compile: bool = False


class EvaluateSection(Section):
    """When to evaluate, by which metrics, and which of them makes a checkpoint the best ("auto": the task's own).

    `batch_size` is how many rows are scored at once ("auto": cut where the padding saved is worth more than a call).
    `factory` ("module:name") makes further metrics; see `ftcli.tasks.custom.Metric`.
    """

    every: Cadence = EpochCadence(epochs=1.0)
    metrics: Annotated[tuple[str, ...], Field(strict=False)] | Literal["auto"] = "auto"
    best: str = "auto"
    factory: str = "off"
    batch_size: Positive | Literal["auto"] = "auto"
    at_start: bool = False
    train_metrics: bool = False


class CheckpointSection(Section):
    """When to save, and how many of the latest checkpoints to keep beside the best and the last."""

    every: Cadence = EpochCadence(epochs=1.0)
    keep: Annotated[int, Field(ge=1)] = 2


class LogSection(Section):
    """How often a step is shown and written to log.jsonl, and what else is made of a run's events.

    `tensorboard` writes their numbers to RUN/tensorboard, `report` the page RUN/report.html when the run ends.
    """

    every: Cadence = 10
    tensorboard: bool = False
    report: bool = True


class DistributedSection(Section):
    """How several processes share a run. One that is silent for `timeout_seconds` ends the others."""

    strategy: Literal["ddp"] = "ddp"
    backend: Literal["auto", "gloo", "nccl"] = "auto"
    timeout_seconds: Annotated[float, Field(gt=0)] = 300.0
