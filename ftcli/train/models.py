"""The model of a run with its tokenizer, as it starts, and the models of checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from torch import nn

from ftcli.modeling.backbone import Loaded, load_model, restore_model
from ftcli.modeling.cpu_dropout import use_cpu_dropout
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.packing import skip_padding
from ftcli.modeling.recompute import layers_apart, recompute_layers
from ftcli.modeling.tokenizer import Tokenizer, load_tokenizer, tokenizer_path
from ftcli.runtime.allocator import keep_freed_memory
from ftcli.runtime.seeding import seed_for
from ftcli.runtime.world import World
from ftcli.spec.sections import HeadName, ModelSection
from ftcli.train.code import head_builder


class HeadChoice(Protocol):
    """Which head a model has: a recipe's [model], or a checkpoint's card."""

    @property
    def head(self) -> HeadName:
        """Its name, "custom" for one of the user's own."""
        ...

    @property
    def head_factory(self) -> str:
        """What makes one of the user's own ("module:name"), or "off"."""
        ...

    @property
    def head_options(self) -> dict[str, Any]:
        """What the factory is called with."""
        ...


def restored(folder: Path, choice: HeadChoice, outputs: Outputs) -> nn.Module:
    """The model of a checkpoint.

    Raises:
        CheckpointError: a file is missing or damaged, or does not fit the head or the labels.
    """
    build_head = head_builder(choice.head_factory, choice.head_options)
    return restore_model(folder, head=choice.head, outputs=outputs, build_head=build_head)


def starting_model(
    section: ModelSection, outputs: Outputs, *, seed: int, start: Path | None
) -> tuple[Loaded, Tokenizer]:
    """The model and the tokenizer that a run starts from: those of the checkpoint `start`, or else the recipe's.

    Raises:
        RecipeError: the recipe's can't be had, or don't fit the task.
        CheckpointError: the checkpoint's can't be.
    """
    if start is not None:
        return Loaded(restored(start, section, outputs), ()), load_tokenizer(str(start))
    build_head = head_builder(section.head_factory, section.head_options)
    loaded = load_model(section, outputs=outputs, seed=seed_for(seed, "head"), build_head=build_head)
    return loaded, load_tokenizer(tokenizer_path(section))


def bring_to(world: World, model: nn.Module, *, recomputes: bool) -> None:
    """Move a model to its device, with what is fast there: on a CPU dropout of its own, and no padding.

    Where ranks split the weights, its parameters are other objects from here on.

    Raises:
        RecipeError: its layers are to be computed again in the backward pass, or its weights split, and can't be.
    """
    if recomputes:
        recompute_layers(model)
    if world.device.type == "cpu":
        keep_freed_memory()
        use_cpu_dropout(model)
        skip_padding(model)
    if world.sharding is None:  # else each unit moves as it is split
        model.to(world.device)
    world.split(model, layers_apart(model))
