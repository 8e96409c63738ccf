"""The plain tables of a recipe, one model each. Tables that come in kinds are in choices.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ftcli.spec.base import Section
from ftcli.spec.card import Columns, Format, SetName, Tags

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Strings = Annotated[tuple[str, ...], Field(strict=False)]


class EpochCadence(Section):
    """Every so many epochs; a fraction of one is fine."""

    epochs: Annotated[float, Field(gt=0, examples=[0.5])]
    """How many epochs; 0.5 is half of one."""


Cadence = Positive | EpochCadence | Literal["never"]
"""How often something happens: every N steps, every `{ epochs = X }`, or never."""


class RunSection(Section):
    """What the run is called, where it lives, on which device it runs, and what its randomness comes from."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$", examples=["quickstart"])] = "run"
    """What the run is called on screen and in reports: letters, digits, `_`, `.` and `-`."""
    dir: Annotated[str, Field(examples=["runs/{name}-{time}"])] = "run"
    """The run folder; `{name}` and `{time}` are filled in. `--run-dir` overrides it."""
    code: Annotated[str, Field(examples=["parts"])] = "auto"
    """The folder of your own Python code that the recipe names; "auto" is the folder of the recipe that names it."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    """What the order of rows, dropout and new weights are drawn from."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; "auto" is a GPU where there is one."""


class DataSection(Section):
    """The data: a built-in data set by name, or files of your own with their columns, and how long a row may be."""

    name: Annotated[str | None, Field(examples=["afqmc"])] = None
    """A built-in data set, such as `afqmc` or `demo`, or the path of a data card (.toml)."""
    train: Annotated[str | None, Field(examples=["train.jsonl"])] = None
    """The file of training rows, or its URL: JSON lines, CSV, TSV, columns of words or Parquet."""
    validation: Annotated[str | Literal["off"], Field(examples=["validation.csv"])] = "off"
    """The file of validation rows, or its URL; they decide which checkpoint is the best."""
    test: Annotated[str | Literal["off"], Field(examples=["test.csv"])] = "off"
    """The file of test rows, or its URL; they may be unlabelled, and are predicted when the run ends."""
    also: Annotated[dict[SetName, str], Field(default_factory=dict[str, str], examples=[{"hard": "hard.jsonl"}])]
    """Further files of labelled rows, or their URLs, by a name of your choice. They are scored whenever the validation
    split is, and decide nothing."""
    columns: Annotated[Columns | None, Field(examples=[{"text": "q1", "pair": "q2", "label": "y"}])] = None
    """Which fields of a row are its text, the second text of a pair, and its label."""
    format: Annotated[Format, Field(examples=[{"delimiter": ";"}])] = Format()
    """How the files are cut into rows."""
    labels: Annotated[Strings | Literal["auto"], Field(examples=[["no", "yes"]])] = "auto"
    """The labels in their order (of tagged words the types of entities); "auto" reads them off the rows."""
    label_map: Annotated[dict[str, str], Field(default_factory=dict[str, str], examples=[{"No": "no"}])]
    """Renames labels of the files, as in `{ No = "no" }`."""
    label_separator: Annotated[str, Field(min_length=1, examples=[";"])] = ","
    """What parts the labels of a row that has several in one text."""
    tags: Annotated[Tags, Field(examples=[{"to": "bio"}])] = Tags()
    """How tagged words are marked in the files, and in what scheme they are trained on and predicted."""
    holdout: Annotated[Share, Field(examples=[0.1])] = 0.0
    """The share of the rows of train that is made a validation split; 0 makes none."""
    test_holdout: Annotated[Share, Field(examples=[0.1])] = 0.0
    """The share of the rows of train that is made a test split; 0 makes none."""
    holdout_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """What the held-out rows are drawn with."""
    root: str = "data"
    """The folder that prepared data is kept in, as ROOT/NAME."""
    max_length: Annotated[int, Field(ge=4)] = 128
    """The most tokens of a row; what is longer is cut, or, where words are tagged, read in windows."""


HeadName = Literal["auto", "cls", "mean", "max", "crf", "custom"]
"""What stands on the encoder: the architecture's own, a pooling, a CRF over each word's scores, or the user's own."""


class ModelSection(Section):
    """The pretrained encoder, and the head on it."""

    path: Annotated[str, Field(examples=["google-bert/bert-base-cased"])]
    """The encoder: a hub id, a folder, `package:NAME/FOLDER` inside an installed package, or a checkpoint of ftcli."""
    weights: Literal["auto", "all", "encoder"] = "auto"
    """Of a checkpoint the encoder is taken, and its head where it fits ("auto"), always ("all") or never ("encoder").
    """
    tokenizer: Annotated[str | Literal["auto"], Field(examples=["google-bert/bert-base-cased"])] = "auto"
    """Another tokenizer than the model's own: a hub id or a folder."""
    head: HeadName = "auto"
    """What stands on the encoder: the architecture's own head, which plain transformers loads ("auto"); the first
    token's state ("cls") or a pooling of all ("mean", "max"); a CRF over tags ("crf"); or code of your own."""
    dropout: Annotated[Share | Literal["auto"], Field(examples=[0.1])] = "auto"
    """The share of numbers dropped, in place of all the rates of the model's file; "auto" keeps those."""
    head_dropout: Annotated[Share | Literal["auto"], Field(examples=[0.1])] = "auto"
    """The share dropped before the last layer; "auto" is what `dropout` or the model's file says."""
    head_factory: Annotated[str, Field(examples=["bilstm:BiLSTM"])] = "off"
    """Your own code ("module:name") that makes a custom head; see `ftcli.modeling.heads.BuildHead`."""
    head_options: Annotated[dict[str, Any], Field(default_factory=dict, examples=[{"size": 64}])]
    """What `head_factory` is called with besides."""


class StagePoint(Section):
    """When a stage begins: at an epoch, a step, or a fraction of the run. Exactly one is given."""

    epoch: Annotated[Annotated[float, Field(ge=0)] | None, Field(examples=[1])] = None
    """After so many epochs; fractions are fine."""
    step: Annotated[Annotated[int, Field(ge=0)] | None, Field(examples=[500])] = None
    """After so many steps."""
    fraction: Annotated[Annotated[float, Field(ge=0, le=1)] | None, Field(examples=[0.5])] = None
    """After this share of the run."""


class FreezeStage(Section):
    """From `at` on, what `unfreeze` matches is trained and what `freeze` matches is not."""

    at: Annotated[StagePoint, Field(examples=[{"epoch": 1}])]
    """When the stage begins."""
    unfreeze: Annotated[Strings, Field(examples=[["^bert\\.encoder\\.layer\\.8\\."]])] = ()
    """Regular expressions for the names of parameters that are trained from then on."""
    freeze: Annotated[Strings, Field(examples=[["^bert\\.embeddings"]])] = ()
    """Regular expressions for the names of parameters that are frozen from then on."""


class FreezeSection(Section):
    """Which parameters are frozen from the start, and the stages that change that."""

    patterns: Annotated[Strings, Field(examples=[["^bert\\.embeddings", "^bert\\.encoder\\.layer\\.[0-8]\\."]])] = ()
    """Regular expressions for the names of parameters that are frozen from the start; each must match one."""
    cache: Literal["auto", "off", "memory", "disk"] = "auto"
    """Whether what the frozen layers below the first trained one make of each row is computed once and kept: beside the
    data ("disk"), in "memory", or on disk where that pays ("auto")."""
    cache_dtype: Literal["fp32", "bf16"] = "fp32"
    """How the numbers of the cache are kept: "fp32" exactly, "bf16" rounded in half the space."""
    stages: Annotated[
        tuple[FreezeStage, ...],
        Field(strict=False, examples=[[{"at": {"epoch": 1}, "unfreeze": ["^bert\\.encoder\\.layer\\.8\\."]}]]),
    ] = ()
    """When other parameters are trained, in the order of the run."""


class BatchSection(Section):
    """How many rows make one step, and how a step is cut into micro-batches."""

    size: Positive = 32
    """The rows of one step, over all processes together."""
    micro_size: Annotated[Positive | Literal["auto"], Field(examples=[8])] = "auto"
    """The sequences of a micro-batch: rows, but each order of a symmetric pair and each window of a long sentence
    counts. "auto" cuts where the padding saved is worth more than another call, and halves what runs out of memory."""
    max_tokens: Annotated[Positive | Literal["off"], Field(examples=[2048])] = "off"
    """The tokens of a micro-batch, padding included."""
    accumulation: Annotated[Positive | Literal["off"], Field(examples=[4])] = "off"
    """The micro-batches that each process cuts its part of a step into."""
    window: Positive = 1
    """Over how many steps rows are sorted by length; more than 1 pads less and is slightly biased."""
    seed: Annotated[Annotated[int, Field(ge=0, lt=2**31)] | Literal["run"], Field(examples=[7])] = "run"
    """What the order of rows is drawn from; "run" is `run.seed`, from which dropout and new weights always are."""
    drop_last: bool = False
    """Whether the rows that an epoch's full steps leave over are left out of it; otherwise they make a shorter step."""


class PrecisionSection(Section):
    """The arithmetic of a step's forward pass. Weights, optimizer state and scores are fp32 whatever it is."""

    kind: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """The arithmetic: "bf16" and "fp16" are faster where the hardware has them, and rounder. "auto" is bf16 on GPUs and
    CPUs that compute it fast, else fp16 on a GPU and fp32 on a CPU."""
    loss_scale: Annotated[float, Field(gt=0)] = 65536.0
    """What the loss is multiplied by under fp16 at first, so that small gradients don't vanish; it adapts itself."""


class TrainSection(Section):
    """How long to train, and how."""

    epochs: Annotated[float, Field(gt=0)] = 3.0
    """How many times to go over the rows; fractions are fine."""
    steps: Annotated[Positive | Literal["off"], Field(examples=[1000])] = "off"
    """How many steps to train; a number wins over `epochs`."""
    stop_after: Annotated[Positive | Literal["never"], Field(examples=[100])] = "never"
    """Save and stop after so many steps of this invocation; the schedule still spans the whole run."""
    max_grad_norm: Annotated[float, Field(gt=0)] | Literal["off"] = 1.0
    """Gradients whose norm over all parameters is larger are scaled down to it."""
    deterministic: bool = False
    """Whether to allow only kernels that give the same bits each time, as a CPU's do anyway."""
    average: Annotated[Annotated[float, Field(gt=0, lt=1)] | Literal["off"], Field(examples=[0.999])] = "off"
    """The share that each step keeps of a running mean of the weights (EMA), which is evaluated, saved and exported."""
    recompute: bool = False
    """Whether the backward pass computes layers again instead of keeping their values: less memory, more time."""
    compile: bool = False
    """Whether to compile the model (torch.compile), in each stage where a trial shows that it pays."""


class EvaluateSection(Section):
    """When to evaluate, by which metrics, and which of them makes a checkpoint the best."""

    every: Annotated[Cadence, Field(examples=[{"epochs": 0.5}])] = EpochCadence(epochs=1.0)
    """How often: after so many steps, every `{ epochs = 0.5 }`, or never."""
    metrics: Annotated[Strings | Literal["auto"], Field(examples=[["accuracy", "f1"]])] = "auto"
    """The metrics to show; "auto" is all that the task has."""
    best: Annotated[str, Field(examples=["f1"])] = "auto"
    """The metric, or "loss", that makes a checkpoint the best; "auto" is the task's first."""
    better: Literal["auto", "higher", "lower"] = "auto"
    """Which values of `best` are better; "auto" is lower for loss, mse and mae, and higher for all others."""
    factory: Annotated[str, Field(examples=["parts:recall_at_precision"])] = "off"
    """Your own code ("module:name") that makes further metrics; see `ftcli.tasks.custom.Metric`."""
    batch_size: Annotated[Positive | Literal["auto"], Field(examples=[64])] = "auto"
    """The rows scored at once; "auto" cuts where the padding saved is worth more than a call."""
    delay: Annotated[Positive | EpochCadence | Literal["off"], Field(examples=[{"epochs": 1.0}])] = "off"
    """How many steps or epochs pass before the first evaluation."""
    at_start: bool = False
    """Whether to evaluate before the first step, too."""
    at_least: Annotated[Positive | Literal["off"], Field(examples=[5])] = "off"
    """How often the run evaluates at least: more often than `every` says, where that would be fewer."""
    patience: Annotated[Positive | Literal["off"], Field(examples=[3])] = "off"
    """After how many evaluations in a row without a new best the run ends."""
    train_metrics: bool = False
    """Whether to score the training rows, too."""


class CheckpointSection(Section):
    """When to save, and how many of the latest checkpoints to keep beside the best and the last."""

    every: Annotated[Cadence, Field(examples=[500])] = EpochCadence(epochs=1.0)
    """How often: after so many steps, every `{ epochs = 0.5 }`, or never; the best and the last are always saved."""
    keep: Annotated[int, Field(ge=1)] = 2
    """How many of the latest checkpoints to keep beside the best and the last."""


class LogSection(Section):
    """How often a step is shown and written to log.jsonl, and what else is made of a run."""

    every: Cadence = 10
    """How often: after so many steps, every `{ epochs = 0.5 }`, or never."""
    tensorboard: bool = False
    """Whether to write the run's numbers to RUN/tensorboard."""
    report: bool = True
    """Whether to make the page RUN/report.html when the run ends."""
