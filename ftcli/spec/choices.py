"""The tables of a recipe that come in kinds: tagged unions, dispatched by `match` where they are built."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ftcli.spec.base import Section
from ftcli.spec.card import CardTask

Rate = Annotated[float, Field(ge=0, lt=1)]
ClassWeights = dict[str, Annotated[float, Field(gt=0)]] | Literal["balanced", "off"]


class ClassificationTask(Section):
    """A label for each row, of a text or a pair of texts; with `multi_label` any number of them.

    `threshold` is the probability from which a row of a multi-label task has a label, one for all or one each.
    `symmetric` pairs are trained on in both orders, and what is predicted is the mean of both. `class_weights` multiply
    the loss of a label's rows ("balanced": inversely to how many there are). `focal_gamma` (Lin et al., 2017) holds the
    easy rows down; `r_drop` (Liang et al., 2021) is the weight of the distance between two passes with other dropout.
    `loss` is code of one's own ("module:name"), see `ftcli.tasks.losses.ItemLoss`.
    """

    kind: Literal["classification"] = "classification"
    multi_label: bool = False
    threshold: Annotated[float, Field(gt=0, lt=1)] | dict[str, Annotated[float, Field(gt=0, lt=1)]] = 0.5
    symmetric: bool = False
    class_weights: ClassWeights = "off"
    label_smoothing: Rate = 0.0
    focal_gamma: Annotated[float, Field(gt=0)] | Literal["off"] = "off"
    r_drop: Annotated[float, Field(gt=0)] | Literal["off"] = "off"
    loss: str = "auto"


class RegressionTask(Section):
    """A number for each row, of a text or a pair of texts. `loss` is code of one's own ("module:name")."""

    kind: Literal["regression"] = "regression"
    symmetric: bool = False
    loss: str = "auto"


class TaggingTask(Section):
    """A tag for each word.

    A sentence that is too long is read in windows. `stride` is by how many pieces neighbours overlap ("auto": by a
    quarter of a window). `class_weights` multiply the loss of words by the weight of their tag; neither they nor
    `label_smoothing` nor `loss` (code of one's own) go with a CRF.
    """

    kind: Literal["tagging"] = "tagging"
    stride: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    class_weights: ClassWeights = "off"
    label_smoothing: Rate = 0.0
    loss: str = "auto"


class CustomTask(Section):
    """A task of the user's own, which `factory` ("module:name") makes; see `ftcli.tasks.base.Task` for what it does.

    `labels` says what its rows' labels are like, and `options` are passed on to the factory.
    """

    kind: Literal["custom"] = "custom"
    factory: str
    labels: Literal["classification", "multilabel", "regression", "tagging"] = "classification"
    options: Annotated[dict[str, Any], Field(default_factory=dict)]


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

    match: str
    lr: Annotated[float, Field(ge=0)] | Literal["inherit"] = "inherit"
    weight_decay: Annotated[float, Field(ge=0)] | Literal["inherit"] = "inherit"


class OptimizerBase(Section):
    """What every optimizer has. `layer_decay` multiplies the rate once for each layer below the head."""

    lr: Annotated[float, Field(ge=0)] = 2e-5
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    decay_biases_and_norms: bool = False
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    groups: Annotated[tuple[ParameterGroup, ...], Field(strict=False)] = ()


class AdamW(OptimizerBase):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    kind: Literal["adamw"] = "adamw"
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    epsilon: Annotated[float, Field(gt=0)] = 1e-8


class SGD(OptimizerBase):
    """Stochastic gradient descent, with momentum if asked for."""

    kind: Literal["sgd"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0


TaskChoice = Annotated[
    Annotated[ClassificationTask, Tag("classification")]
    | Annotated[RegressionTask, Tag("regression")]
    | Annotated[TaggingTask, Tag("tagging")]
    | Annotated[CustomTask, Tag("custom")],
    _kind_or("classification"),
]


class CustomOptimizer(OptimizerBase):
    """What `factory` ("module:name") makes of groups of parameters; see `ftcli.train.optim.OptimizerFactory`."""

    kind: Literal["custom"] = "custom"
    factory: str
    options: Annotated[dict[str, Any], Field(default_factory=dict)]


OptimizerChoice = Annotated[
    Annotated[AdamW, Tag("adamw")] | Annotated[SGD, Tag("sgd")] | Annotated[CustomOptimizer, Tag("custom")],
    _kind_or("adamw"),
]


class ScheduleBase(Section):
    """Warm-up, which every schedule begins with: below 1 a fraction of all steps, otherwise a number of steps."""

    warmup: Annotated[float, Field(ge=0)] = 0.0


class Linear(ScheduleBase):
    """Down to zero in a straight line."""

    kind: Literal["linear"] = "linear"


class Cosine(ScheduleBase):
    """Down to zero along half a cosine."""

    kind: Literal["cosine"] = "cosine"


class Polynomial(ScheduleBase):
    """Down to `end` (a fraction of the peak) as a power of the time left."""

    kind: Literal["polynomial"] = "polynomial"
    power: Annotated[float, Field(gt=0)] = 2.0
    end: Annotated[float, Field(ge=0, le=1)] = 0.0


class Constant(ScheduleBase):
    """The same rate to the end."""

    kind: Literal["constant"] = "constant"


ScheduleChoice = Annotated[
    Annotated[Linear, Tag("linear")]
    | Annotated[Cosine, Tag("cosine")]
    | Annotated[Polynomial, Tag("polynomial")]
    | Annotated[Constant, Tag("constant")],
    _kind_or("linear"),
]
