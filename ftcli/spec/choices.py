"""The tables of a recipe that come in kinds: tagged unions, dispatched by `match` where they are built."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ftcli.spec.base import Section
from ftcli.spec.card import CardTask
from ftcli.spec.torch_names import TORCH_OPTIMIZERS, TORCH_SCHEDULERS

Rate = Annotated[float, Field(ge=0, lt=1)]
ClassWeights = dict[str, Annotated[float, Field(gt=0)]] | Literal["balanced", "off"]


class ClassificationTask(Section):
    """A label for each row, of a text or a pair of texts; with `multi_label` any number of them."""

    kind: Literal["classification"] = "classification"
    """What a row's label is, and so the loss and the metrics."""
    multi_label: bool = False
    """Whether a row may have any number of labels, none included."""
    threshold: Annotated[
        Annotated[float, Field(gt=0, lt=1)] | dict[str, Annotated[float, Field(gt=0, lt=1)]],
        Field(examples=[{"delivery": 0.4}]),
    ] = 0.5
    """The probability from which a row with any number of labels has one: a number for all, or a table by label (0.5
    for those it leaves out)."""
    symmetric: bool = False
    """Whether to train on both orders of a pair, and to predict the mean of both."""
    class_weights: Annotated[ClassWeights, Field(examples=["balanced"])] = "off"
    """What multiplies the loss of a label's rows, or of a tag's words: a table by label, or "balanced", inversely to
    how many there are."""
    label_smoothing: Annotated[Rate, Field(examples=[0.1])] = 0.0
    """The share of the target that is spread over all labels."""
    focal_gamma: Annotated[Annotated[float, Field(gt=0)] | Literal["off"], Field(examples=[2])] = "off"
    """The power that holds easy rows down in the loss (Lin et al., 2017); 2 is common."""
    r_drop: Annotated[Annotated[float, Field(gt=0)] | Literal["off"], Field(examples=[1])] = "off"
    """The weight of the distance between two passes with other dropout (Liang et al., 2021)."""
    loss: Annotated[str, Field(examples=["parts:robust"])] = "auto"
    """A loss of your own ("module:name") in place of the task's; see `ftcli.tasks.losses.ItemLoss`."""


class RegressionTask(Section):
    """A number for each row, of a text or a pair of texts."""

    kind: Literal["regression"] = "regression"
    """What a row's label is, and so the loss and the metrics."""
    symmetric: bool = False
    """Whether to train on both orders of a pair, and to predict the mean of both."""
    loss: Annotated[str, Field(examples=["parts:robust"])] = "auto"
    """A loss of your own ("module:name") in place of the task's; see `ftcli.tasks.losses.ItemLoss`."""


class TaggingTask(Section):
    """A tag for each word; a sentence that is too long is read in windows."""

    kind: Literal["tagging"] = "tagging"
    """What a row's label is, and so the loss and the metrics."""
    stride: Annotated[Annotated[int, Field(ge=0)] | Literal["auto"], Field(examples=[16])] = "auto"
    """By how many tokens neighbouring windows of a long sentence overlap; "auto" is a quarter of a window."""
    class_weights: Annotated[ClassWeights, Field(examples=[{"O": 0.5}])] = "off"
    """What multiplies the loss of a label's rows, or of a tag's words: a table by label, or "balanced", inversely to
    how many there are."""
    label_smoothing: Annotated[Rate, Field(examples=[0.1])] = 0.0
    """The share of the target that is spread over all labels."""
    loss: Annotated[str, Field(examples=["parts:robust"])] = "auto"
    """A loss of your own ("module:name") in place of the task's; see `ftcli.tasks.losses.ItemLoss`."""


class CustomTask(Section):
    """A task of your own; see `ftcli.tasks.base.Task` for what it does."""

    kind: Literal["custom"] = "custom"
    """What a row's label is, and so the loss and the metrics."""
    factory: Annotated[str, Field(examples=["parts:ordinal"])]
    """Your own code ("module:name") that makes the task; see `ftcli.tasks.build.TaskFactory`."""
    labels: Literal["classification", "multilabel", "regression", "tagging"] = "classification"
    """What the labels of its rows are like."""
    options: Annotated[dict[str, Any], Field(default_factory=dict, examples=[{"size": 5}])]
    """What `factory` is called with besides."""


def card_task(task: TaskChoice) -> CardTask:
    """What a data card calls the task: what the labels of its rows are like."""
    if isinstance(task, CustomTask):
        return task.labels
    return "multilabel" if isinstance(task, ClassificationTask) and task.multi_label else task.kind


def _kind_or(default: str) -> Discriminator:
    """Dispatch on `kind`, which may be left out."""

    def kind_of(value: Any) -> str:
        return str(value.get("kind", default) if isinstance(value, dict) else getattr(value, "kind", default))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]

    return Discriminator(kind_of)


class ParameterGroup(Section):
    """The parameters whose name matches get their own learning rate or weight decay; the first match wins."""

    match: Annotated[str, Field(examples=["^classifier"])]
    """A regular expression for the names of the group's parameters; the first group that matches wins."""
    lr: Annotated[Annotated[float, Field(ge=0)] | Literal["inherit"], Field(examples=[1e-4])] = "inherit"
    """The learning rate of these parameters at its peak; "inherit" is that of the optimizer."""
    weight_decay: Annotated[Annotated[float, Field(ge=0)] | Literal["inherit"], Field(examples=[0])] = "inherit"
    """The weight decay of these parameters; "inherit" is that of the optimizer."""


class OptimizerBase(Section):
    """What every optimizer has."""

    lr: Annotated[float, Field(ge=0)] = 2e-5
    """The learning rate at the schedule's peak."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """The share of a weight, times the learning rate, that each step takes from it."""
    decay_biases_and_norms: bool = False
    """Whether weight decay goes for biases and normalisation, too."""
    layer_decay: Annotated[float, Field(gt=0, le=1, examples=[0.9])] = 1.0
    """What multiplies the learning rate once for each layer below the head; 1 changes nothing."""
    groups: Annotated[
        tuple[ParameterGroup, ...], Field(strict=False, examples=[[{"match": "^classifier", "lr": 1e-4}]])
    ] = ()
    """Parameters with a learning rate or weight decay of their own; the first group that matches wins."""


class AdamW(OptimizerBase):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    kind: Literal["adamw"] = "adamw"
    """How a step is made of gradients."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """The share of the mean gradient that each step keeps."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """The share of the mean squared gradient that each step keeps."""
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    """What is added to the root of the mean squared gradient, which is divided by."""


class SGD(OptimizerBase):
    """Stochastic gradient descent, with momentum if asked for."""

    kind: Literal["sgd"] = "sgd"
    """How a step is made of gradients."""
    momentum: Annotated[float, Field(ge=0, lt=1, examples=[0.9])] = 0.0
    """The share of the last step's direction that the next one keeps."""


TaskChoice = Annotated[
    Annotated[ClassificationTask, Tag("classification")]
    | Annotated[RegressionTask, Tag("regression")]
    | Annotated[TaggingTask, Tag("tagging")]
    | Annotated[CustomTask, Tag("custom")],
    _kind_or("classification"),
]


class CustomOptimizer(OptimizerBase):
    """An optimizer of your own, made of groups of parameters."""

    kind: Literal["custom"] = "custom"
    """How a step is made of gradients."""
    factory: Annotated[str, Field(examples=["parts:Lion"])]
    """Your own code ("module:name") that makes the optimizer; see `ftcli.train.optim.OptimizerFactory`."""
    options: Annotated[dict[str, Any], Field(default_factory=dict, examples=[{"beta1": 0.95}])]
    """What makes the optimizer is called with these besides."""


class TorchOptimizer(OptimizerBase):
    """Any optimizer of torch.optim by its name, if it takes its step from gradients alone."""

    kind: Literal["torch"] = "torch"
    """How a step is made of gradients."""
    name: Annotated[str, Field(examples=list(TORCH_OPTIMIZERS))]
    """Its name in torch.optim."""
    options: Annotated[dict[str, Any], Field(default_factory=dict, examples=[{"lr_decay": 0.1}])]
    """What makes the optimizer is called with these besides."""


OptimizerChoice = Annotated[
    Annotated[AdamW, Tag("adamw")]
    | Annotated[SGD, Tag("sgd")]
    | Annotated[TorchOptimizer, Tag("torch")]
    | Annotated[CustomOptimizer, Tag("custom")],
    _kind_or("adamw"),
]


class ScheduleBase(Section):
    """What every schedule has."""

    warmup: Annotated[float, Field(ge=0, examples=[0.1])] = 0.0
    """How long the learning rate rises from 0 to its peak: below 1 a fraction of all steps, otherwise steps."""


class Linear(ScheduleBase):
    """Down to zero in a straight line."""

    kind: Literal["linear"] = "linear"
    """How the learning rate falls after the warm-up."""


class Cosine(ScheduleBase):
    """Down to zero along half a cosine."""

    kind: Literal["cosine"] = "cosine"
    """How the learning rate falls after the warm-up."""


class Polynomial(ScheduleBase):
    """Down to `end` as a power of the time left."""

    kind: Literal["polynomial"] = "polynomial"
    """How the learning rate falls after the warm-up."""
    power: Annotated[float, Field(gt=0)] = 2.0
    """The power: 1 is a straight line, 2 falls fast first."""
    end: Annotated[float, Field(ge=0, le=1, examples=[0.1])] = 0.0
    """The last learning rate, as a fraction of the peak."""


class Constant(ScheduleBase):
    """The same rate to the end."""

    kind: Literal["constant"] = "constant"
    """How the learning rate falls after the warm-up."""


class TorchSchedule(ScheduleBase):
    """Any scheduler of torch.optim.lr_scheduler by its name, if the rate follows from the step alone."""

    kind: Literal["torch"] = "torch"
    """How the learning rate falls after the warm-up."""
    name: Annotated[str, Field(examples=list(TORCH_SCHEDULERS))]
    """Its name in torch.optim.lr_scheduler."""
    options: Annotated[dict[str, Any], Field(default_factory=dict, examples=[{"T_0": 500}])]
    """What it is called with. It counts steps from the end of the warm-up; rates are fractions of the peak."""


ScheduleChoice = Annotated[
    Annotated[Linear, Tag("linear")]
    | Annotated[Cosine, Tag("cosine")]
    | Annotated[Polynomial, Tag("polynomial")]
    | Annotated[Constant, Tag("constant")]
    | Annotated[TorchSchedule, Tag("torch")],
    _kind_or("linear"),
]
