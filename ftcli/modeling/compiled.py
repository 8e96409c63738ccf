"""A model's forward pass as torch.compile makes it, to stand in for the model's own while a step is taken.

The model itself stays as it is: its class, its parameters' names, and what evaluating and saving see of it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import nn

from ftcli.errors import RecipeError
from ftcli.modeling.origin import brief
from ftcli.modeling.packing import padded
from ftcli.modeling.replacing import replaced


class CompiledForward:
    """Compiled when it is first called, for batches of any shape; one of a single row gets a graph of its own.

    It computes padding, where the model's own may not: what is left out of a batch would be of ever another shape.

    Dropout draws its masks in another order than the model's own pass, and for a seed always in the same. Only one
    is alive at a time, for it forgets what was compiled before: torch allows a piece of code so many graphs.
    """

    def __init__(self, model: nn.Module) -> None:
        torch.compiler.reset()
        self._model = model
        self._forward = torch.compile(model.forward, dynamic=True)
        self._graphs_before = _count_graphs()
        self.num_reported = 0

    @contextmanager
    def standing_in(self) -> Generator[None]:
        """Within the block, the model's forward pass is this one.

        Raises:
            RecipeError: it can't be compiled for a batch's shape.
        """
        from torch._dynamo.exc import TorchDynamoException

        try:
            with padded(self._model), replaced(self._model, self._forward):
                yield
        except TorchDynamoException as error:
            hint = "take them as they are: train.compile = false"
            raise RecipeError(
                f"steps can't be compiled: {brief(error)}", hint=hint, key=("train", "compile")
            ) from error

    @property
    def num_graphs(self) -> int:
        """How many graphs have been compiled so far; more than a few, where the code depends on a batch's shape."""
        return _count_graphs() - self._graphs_before


def _count_graphs() -> int:
    from torch._dynamo.utils import counters  # it loads half of a compiler, which most runs don't need

    return counters["stats"]["unique_graphs"]
