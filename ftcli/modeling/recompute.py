"""Activation checkpointing (Chen et al., 2016): a layer's inner values are computed again when its gradient is due."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint  # pyright: ignore[reportUnknownVariableType]
from transformers.modeling_layers import GradientCheckpointingLayer

from ftcli.errors import RecipeError


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The layers of a model's encoder, from the input up; none where it isn't known what they are."""
    return [each for each in model.modules() if isinstance(each, GradientCheckpointingLayer)]


def layers_apart(model: nn.Module) -> list[nn.Module]:
    """Those of its layers that have weights of their own; none where all layers share one's."""
    layers = layers_of(model)
    config: Any = getattr(model, "config", None)
    return layers if len(layers) == getattr(config, "num_hidden_layers", None) else []


def recompute_layers(model: nn.Module) -> None:
    """Let each layer of a model's encoder keep its input alone in training; gradients are the same.

    Raises:
        RecipeError: the architecture has no layers that can do so.
    """
    layers = layers_of(model)
    if not layers:
        what = f"the layers of {type(model).__name__} can't be computed again"
        raise RecipeError(what, hint="leave train.recompute out", key=("train", "recompute"))
    for layer in layers:
        vars(layer)["gradient_checkpointing"] = True
        # The other way, which torch calls reentrant, gives no gradient where the layers below are frozen.
        vars(layer)["_gradient_checkpointing_func"] = partial(checkpoint, use_reentrant=False)
