"""Activation checkpointing (Chen et al., 2016): a layer's inner values are computed again when its gradient is due."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
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


@contextmanager
def one_layer_kept(model: nn.Module) -> Generator[None]:
    """Within the block, the lowest layer that is trained keeps its inner values.

    A forward pass then holds what a backward pass does while a layer is computed again.
    """
    again = [layer for layer in layers_of(model) if vars(layer).get("gradient_checkpointing")]
    kept = next((layer for layer in again if any(p.requires_grad for p in layer.parameters())), None)
    if kept is not None:
        vars(kept)["gradient_checkpointing"] = False
    try:
        yield
    finally:
        if kept is not None:
            vars(kept)["gradient_checkpointing"] = True


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
