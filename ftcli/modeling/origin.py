"""A model's config as its file has it, turned into the one that a recipe asks for."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, PreTrainedConfig

from ftcli.errors import RecipeError
from ftcli.modeling.dropout import set_dropout
from ftcli.modeling.outputs import Outputs
from ftcli.spec.sections import HeadName, ModelSection

UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, SafetensorError, StrictDataclassError)
"""What transformers raises for files that are missing, damaged, or not what it takes them for."""
_HEAD_KEY = "ftcli_head"
"""A config's key for a head that the class it names does not have; without it, that is the class's own, or a mean."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a model's file was made with: its labels, what its scores mean, and the classes that its config names."""

    labels: tuple[str, ...]
    problem: str | None
    classes: tuple[str, ...]
    head: str | None

    def has_labels(self, outputs: Outputs) -> bool:
        """Whether its outputs are those asked for; a number needs no name."""
        if outputs.problem == "regression":
            return len(self.labels) == outputs.size
        return self.labels == outputs.names

    def has_problem(self, outputs: Outputs) -> bool:
        """Whether its scores mean what is asked for, as far as the file says."""
        return outputs.per == "token" or self.problem in {None, outputs.problem}

    def has_head(self, head: HeadName, class_name: str) -> bool:
        """Whether it has a head of this kind on this class of transformers."""
        return class_name in self.classes and (self.head == head or (self.head is None and head in {"auto", "mean"}))


def read_config(path: str, outputs: Outputs, section: ModelSection) -> tuple[PreTrainedConfig, Origin]:
    """The architecture with our labels and dropout, and what the file was made with.

    Raises:
        RecipeError: there is none, or its head has no dropout rate where one is asked for.
    """
    try:
        config: Any = AutoConfig.from_pretrained(path)
    except UNREADABLE as error:
        hint = "without a network, name a folder that holds config.json and model.safetensors"
        raise RecipeError(f"can't load {path}: {brief(error)}", hint=hint, key=("model", "path")) from error
    origin = Origin(
        labels=tuple(config.id2label[number] for number in sorted(config.id2label)),
        problem=config.problem_type,
        classes=tuple(config.architectures or ()),
        head=getattr(config, _HEAD_KEY, None),
    )
    config.num_labels = outputs.size
    config.id2label = dict(enumerate(outputs.names))
    config.label2id = {label: number for number, label in enumerate(outputs.names)}
    config.problem_type = outputs.problem if outputs.per == "row" else None
    if origin.head is not None:
        delattr(config, _HEAD_KEY)
    if section.head != "auto":
        setattr(config, _HEAD_KEY, section.head)
    set_dropout(config, section, outputs)
    return config, origin


def brief(error: Exception) -> str:
    """An error of a library in a line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(line.strip() for line in lines[: 2 if lines[0].endswith(":") else 1])
