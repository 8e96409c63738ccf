"""Pretrained encoders: found, loaded in fp32, put under a head, saved and restored.

Loading is strict where it matters: a file that lacks a part of the encoder is an error, and what a new head adds is
reported. Weights become fp32 whatever the file holds; half precision is the forward pass's business alone.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from ftcli.errors import CheckpointError, RecipeError
from ftcli.modeling.building import HeadPlan, class_name, empty_model, pretrained_model, random_model
from ftcli.modeling.heads import BuildHead
from ftcli.modeling.origin import UNREADABLE, Origin, brief, read_config
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.places import resolve_path
from ftcli.modeling.quiet import quieten
from ftcli.modeling.tagger import CrfTagger
from ftcli.spec.sections import HeadName, ModelSection

WEIGHTS = "model.safetensors"

quieten()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to train; `new` names the parameters that no file held."""

    model: nn.Module
    new: tuple[str, ...]

    @property
    def new_modules(self) -> list[str]:
        """The modules that start from random weights."""
        return sorted({name.rpartition(".")[0] for name in self.new})


def load_model(section: ModelSection, *, outputs: Outputs, seed: int, build_head: BuildHead | None = None) -> Loaded:
    """Load an encoder and put the section's head on it.

    A task checkpoint works as well: its head is kept if it is of the same kind and its labels are these, else new.

    Args:
        section: The recipe's [model].
        outputs: What the head has to give.
        seed: What a new head's weights depend on.
        build_head: What makes the head if it is the user's own.

    Raises:
        RecipeError: the model can't be had, its file lacks parts of the encoder, or the head does not fit the task.
    """
    plan = HeadPlan(section.head, outputs, build_head)
    if problem := plan.problem():
        raise RecipeError([problem])
    path = resolve_path(section.path)
    config, origin = read_config(path, outputs, section)
    torch.manual_seed(seed)
    try:
        model, fresh = pretrained_model(path, config, plan)
    except UNREADABLE as error:
        raise RecipeError(f"can't load {section.path}: {brief(error)}", key=("model", "path")) from error
    prefix = cast("PreTrainedModel", model).base_model_prefix
    _check_encoder(fresh, prefix, section.path)
    heads = {name for name in model.state_dict() if not name.startswith(f"{prefix}.")}
    if _keeps_head(section, origin, outputs, class_name(model)):
        if section.head != "auto" and not _take_head(model, Path(path), heads):
            _refuse_head(section)
            fresh |= heads
    else:
        if plan.is_native:
            _renew_head(model, config, plan, heads)
        fresh |= heads
    names = {name for name, _ in model.named_parameters()}
    return Loaded(model, tuple(sorted(fresh & names)))


def _keeps_head(section: ModelSection, origin: Origin, outputs: Outputs, kind: str) -> bool:
    """Whether the file's own head is to be used."""
    if section.weights == "all" and not origin.has_labels(outputs):
        what = f"{section.path} knows the labels {', '.join(origin.labels)}; "
        wanted = f"the data has {', '.join(outputs.labels)}" if outputs.labels else "this task has a number instead"
        hint = 'a new head for these: --new-head (model.weights = "encoder")'
        raise RecipeError(what + wanted, hint=hint, key=("model", "path"))
    fits = origin.has_head(section.head, kind) and origin.has_problem(outputs)
    if not fits:
        _refuse_head(section)
    return section.weights != "encoder" and origin.has_labels(outputs) and fits


def _refuse_head(section: ModelSection) -> None:
    """An error where the file's own head, which is not the one asked for, is to be used all the same."""
    if section.weights == "all":
        what = f'{section.path} has another head than `model.head` = "{section.head}" asks for'
        hint = 'the head it was trained with, or a new one: --new-head (model.weights = "encoder")'
        raise RecipeError(what, hint=hint, key=("model", "head"))


def _check_encoder(fresh: set[str], prefix: str, path: str) -> None:
    lost = sorted(n for n in fresh if n.startswith(f"{prefix}.") and ".pooler." not in n)
    if lost:
        what = f"{path} lacks {len(lost)} of the encoder's tensors, for instance {lost[0]}"
        raise RecipeError(what, hint="is its config.json that of another model?", key=("model", "path"))


def _renew_head(model: nn.Module, config: PreTrainedConfig, plan: HeadPlan, heads: set[str]) -> None:
    fresh = random_model(config, plan)
    with torch.no_grad():
        for name, value in fresh.named_parameters():
            if name in heads:
                model.get_parameter(name).copy_(value)


def _take_head(model: nn.Module, folder: Path, heads: set[str]) -> bool:
    """Take a head that is not of transformers from a checkpoint's file; False if it holds none that fits."""
    state = model.state_dict()
    if isinstance(model, CrfTagger):  # what may follow what is the task's to say
        heads = {name for name in heads if not name.startswith("crf.may_")}
    if not (folder / WEIGHTS).is_file():
        return False
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        held: dict[str, Tensor] = {name: file.get_tensor(name) for name in heads & set(file.keys())}
    if any(name not in held or held[name].shape != state[name].shape for name in heads):
        return False
    with torch.no_grad():
        for name, value in held.items():
            state[name].copy_(value)
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
        with _saved_by_this_process(model):
            model.save_pretrained(folder, state_dict=dict(weights))
        return
    config: Any = model.config
    config.architectures = [class_name(model)]
    config.save_pretrained(folder)
    save_file({n: w.contiguous() for n, w in weights.items()}, folder / WEIGHTS, metadata={"format": "pt"})


@contextmanager
def _saved_by_this_process(model: PreTrainedModel) -> Generator[None]:
    """Within the block, save whoever asks: of several processes, transformers lets the first alone, on one machine."""
    vars(model)["should_save_on_this_rank"] = bool  # of whether it is the main process, which is so by default
    try:
        yield
    finally:
        del vars(model)["should_save_on_this_rank"]


def restore_model(folder: Path, *, head: HeadName, outputs: Outputs, build_head: BuildHead | None = None) -> nn.Module:
    """The model of a checkpoint, in fp32. A CRF's constraints come with its weights, whatever `outputs` says of them.

    Raises:
        CheckpointError: a file is missing or damaged, its labels are others, or the weights don't fit its config.
    """
    plan = HeadPlan(head, outputs, build_head)
    if problem := plan.problem():
        raise CheckpointError(f"can't restore {folder}: {problem.what}")
    try:
        config: Any = AutoConfig.from_pretrained(folder)
    except UNREADABLE as error:
        raise CheckpointError(f"can't load {folder}: {brief(error)}") from error
    _check_labels(config, outputs, folder)
    model = empty_model(config, plan)
    load_weights(model, folder)
    return model


def _check_labels(config: Any, outputs: Outputs, folder: Path) -> None:
    """A score means the label at its place: config.json must list the labels that are asked for, in their order."""
    known = tuple(config.id2label[number] for number in sorted(config.id2label))
    if known != outputs.names:
        what = f"the config.json of {folder} lists the labels {', '.join(known)}, but it is used for"
        hint = "one of the two was changed since it was trained"
        raise CheckpointError(f"{what} {', '.join(outputs.names)}", hint=hint)


def load_weights(model: nn.Module, folder: Path) -> None:
    """Load a checkpoint's weights, all of them and nothing else.

    Raises:
        CheckpointError: the file is missing or damaged, or tensors are missing, left over, or of another shape.
    """
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"can't read {folder / WEIGHTS}: {brief(error)}") from error
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise CheckpointError(f"the weights of {folder} don't fit the model: {' '.join(lines)}") from error
