"""Pretrained encoders: found, loaded in fp32, put under a head, saved and restored.

Loading is strict where it matters: a file that lacks a part of the encoder is an error, and what a new head adds is
reported. Weights become fp32 whatever the file holds; half precision is the forward pass's business alone.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from ftcli.errors import CheckpointError, RecipeError
from ftcli.modeling.dropout import set_dropout
from ftcli.modeling.heads import MeanPoolClassifier, empty_mean_head, mean_head_on
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.places import resolve_path
from ftcli.spec.sections import ModelSection

WEIGHTS = "model.safetensors"
_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, SafetensorError, StrictDataclassError)
"""What transformers raises for files that are missing, damaged, or not what it takes them for."""
Head = Literal["auto", "mean"]

# What they have to say reaches the user as our errors and notes; their own lines would tear the live screen.
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to train; `new` names the parameters that no file held."""

    model: nn.Module
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """What a model's file was made with: its labels, and the classes that its config names."""

    labels: tuple[str, ...]
    classes: tuple[str, ...]


def tokenizer_path(section: ModelSection) -> str:
    """Where the section's tokenizer is: beside the model, or at a path of its own."""
    if section.tokenizer == "auto":
        return resolve_path(section.path)
    return resolve_path(section.tokenizer, key=("model", "tokenizer"))


def load_model(section: ModelSection, *, outputs: Outputs, seed: int) -> Loaded:
    """Load an encoder and put the section's head on it, with one output for each label.

    A task checkpoint works as well: its head is kept if it is of the same kind and its labels are these, else new.

    Raises:
        RecipeError: the model can't be had, or its file lacks parts of the encoder.
    """
    path, labels = resolve_path(section.path), outputs.labels
    config, made = _config(path, outputs, section)
    torch.manual_seed(seed)
    try:
        if section.head == "mean":
            model, report = mean_head_on(path, config, num_labels=len(labels))
        else:
            model, report = AutoModelForSequenceClassification.from_pretrained(
                path,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except _UNREADABLE as error:
        raise RecipeError(f"can't load {section.path}: {_brief(error)}", key=("model", "path")) from error
    prefix = cast("PreTrainedModel", model).base_model_prefix
    fresh = _missing(report) if section.head == "auto" else {f"{prefix}.{name}" for name in _missing(report)}
    _check_encoder(fresh, prefix, section.path)
    heads = {name for name, _ in model.named_parameters() if not name.startswith(f"{prefix}.")}
    kind = type(getattr(model, prefix) if section.head == "mean" else model).__name__
    keeps = _keeps_head(section, made, labels, kind)
    if section.head == "mean":
        fresh |= set[str]() if keeps and _take_head(model, Path(path), heads) else heads
    elif not keeps:
        _renew_head(model, config, heads)
        fresh |= heads
    names = {name for name, _ in model.named_parameters()}
    return Loaded(model, tuple(sorted(fresh & names)))


def _keeps_head(section: ModelSection, made: _Made, labels: tuple[str, ...], kind: str) -> bool:
    """Whether the file's own head is to be used."""
    if section.weights == "all" and made.labels != labels:
        what = f"{section.path} knows the labels {', '.join(made.labels)}; the data has {', '.join(labels)}"
        hint = 'a new head for these: --new-head (model.weights = "encoder")'
        raise RecipeError(what, hint=hint, key=("model", "path"))
    if section.weights == "all" and kind not in made.classes:
        what = f'{section.path} has another head than `model.head` = "{section.head}" asks for'
        hint = 'the head it was trained with, or a new one: --new-head (model.weights = "encoder")'
        raise RecipeError(what, hint=hint, key=("model", "head"))
    return section.weights != "encoder" and made.labels == labels and kind in made.classes


def _config(path: str, outputs: Outputs, section: ModelSection) -> tuple[PreTrainedConfig, _Made]:
    """The architecture with our labels and dropout, and what the file was made with."""
    try:
        config: Any = AutoConfig.from_pretrained(path)
    except _UNREADABLE as error:
        hint = "without a network, name a folder that holds config.json and model.safetensors"
        raise RecipeError(f"can't load {path}: {_brief(error)}", hint=hint, key=("model", "path")) from error
    known = tuple(config.id2label[number] for number in sorted(config.id2label))
    made = _Made(known, tuple(config.architectures or ()))
    labels = outputs.labels
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    config.problem_type = outputs.problem
    set_dropout(config, section)
    return config, made


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(line.strip() for line in lines[: 2 if lines[0].endswith(":") else 1])


def _missing(report: dict[str, Any]) -> set[str]:
    mismatched = {item[0] if isinstance(item, tuple) else item for item in report.get("mismatched_keys", ())}
    return cast("set[str]", {*report.get("missing_keys", ()), *mismatched})


def _check_encoder(fresh: set[str], prefix: str, path: str) -> None:
    lost = sorted(n for n in fresh if n.startswith(f"{prefix}.") and ".pooler." not in n)
    if lost:
        what = f"{path} lacks {len(lost)} of the encoder's tensors, for instance {lost[0]}"
        raise RecipeError(what, hint="is its config.json that of another model?", key=("model", "path"))


def _renew_head(model: nn.Module, config: PreTrainedConfig, heads: set[str]) -> None:
    fresh = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for name, value in fresh.named_parameters():
            if name in heads:
                model.get_parameter(name).copy_(value)


def _take_head(model: nn.Module, folder: Path, heads: set[str]) -> bool:
    """Take a mean head from a checkpoint's file; False if it holds none."""
    weights = load_file(folder / WEIGHTS) if (folder / WEIGHTS).is_file() else {}
    if not heads <= set(weights):
        return False
    with torch.no_grad():
        for name in heads:
            model.get_parameter(name).copy_(weights[name])
    return True


def longest_row(model: nn.Module) -> int | None:
    """The most tokens the model has positions for, if it has a limit."""
    config: Any = model.config
    positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return None
    starts_after_padding = config.model_type in {"roberta", "xlm-roberta", "camembert", "mpnet"}
    return positions - (config.pad_token_id + 1) if starts_after_padding else positions


def save_model(model: nn.Module, folder: Path, *, weights: dict[str, Tensor]) -> None:
    """Write config.json and model.safetensors so that plain transformers loads what it knows of them."""
    if isinstance(model, PreTrainedModel):
        model.save_pretrained(folder, state_dict=dict(weights))
        return
    mean = cast("MeanPoolClassifier", model)
    config: Any = mean.config
    config.architectures = [type(mean.encoder).__name__]
    mean.config.save_pretrained(folder)
    save_file({n: w.contiguous() for n, w in weights.items()}, folder / WEIGHTS, metadata={"format": "pt"})


def restore_model(folder: Path, *, head: Head, outputs: Outputs) -> nn.Module:
    """The model of a checkpoint, in fp32.

    Raises:
        CheckpointError: a file is missing or damaged, or the weights don't fit the checkpoint's own config.
    """
    try:
        config: Any = AutoConfig.from_pretrained(folder)
    except _UNREADABLE as error:
        raise CheckpointError(f"can't load {folder}: {_brief(error)}") from error
    if head == "mean":
        model = empty_mean_head(config, num_labels=config.num_labels)
    else:
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    load_weights(model, folder)
    return model


def load_weights(model: nn.Module, folder: Path) -> None:
    """Load a checkpoint's weights, all of them and nothing else.

    Raises:
        CheckpointError: the file is missing or damaged, or tensors are missing, left over, or of another shape.
    """
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"can't read {folder / WEIGHTS}: {_brief(error)}") from error
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise CheckpointError(f"the weights of {folder} don't fit the model: {' '.join(lines)}") from error
