"""A model as a graph of tensor operations, for any number of rows of any length.

Of a tagger the graph reads besides where each word has its first piece, and gives the scores of words. Its decoder is
no part of it: a loop over words would be unrolled at the length that was traced.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ftcli.errors import UsageError
from ftcli.modeling.outputs import Outputs
from ftcli.modeling.tagger import word_logits

_UNTRACEABLE = (RuntimeError, ValueError, TypeError, AttributeError)
"""What torch raises where it can't follow a forward pass; most of its own errors are RuntimeErrors."""


class _Logits(nn.Module):
    """The model with plain tensors in and out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Logits [rows, outputs]; [rows, words, outputs] where there are `positions`, -1 beyond a row's words."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits
        return logits if positions is None else word_logits(logits, positions.clamp(min=0))


def traced(model: nn.Module, outputs: Outputs, *, has_types: bool) -> ExportedProgram:
    """The graph of a model, from int64 [rows, length] to logits.

    Args:
        model: A model in eval mode.
        outputs: What it gives; of words it also reads `positions`, int64 [rows, words].
        has_types: Whether it reads `token_type_ids`.

    Raises:
        UsageError: its forward pass depends on the values of a batch.
    """
    # Sizes that differ from each other and from 1, which torch would take for constants.
    inputs = {"input_ids": torch.ones(3, 9, dtype=torch.int64), "attention_mask": torch.ones(3, 9, dtype=torch.int64)}
    inputs["attention_mask"][1, 6:] = 0
    if has_types:
        inputs["token_type_ids"] = torch.zeros(3, 9, dtype=torch.int64)
    if outputs.per == "token":
        inputs["positions"] = torch.tensor([[1, 2, 3, 4, 5], [1, 3, 4, -1, -1], [2, 4, 5, 6, -1]])
    shapes = {name: {0: Dim.DYNAMIC, 1: Dim.DYNAMIC} for name in inputs}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(_Logits(model).eval(), (), inputs, dynamic_shapes=shapes)
    except _UNTRACEABLE as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        hint = "a head of your own may only use operations that don't ask for the numbers in a batch"
        raise UsageError(f"torch can't make a graph of this model: {reason}", hint=hint) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names files of this machine
    return program
