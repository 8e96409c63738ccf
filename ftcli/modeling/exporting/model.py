"""A graph that was exported, in the place of the model that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ftcli.errors import UsageError
from ftcli.modeling.crf import LinearChainCRF
from ftcli.modeling.tagger import TaggerOutput

Compute = Callable[[Mapping[str, Tensor]], Tensor]
"""From a graph's inputs by name to its logits."""


class ExportedModel(nn.Module):
    """Answers a batch by a graph instead of by modules, on the CPU and without gradients.

    Args:
        compute: Runs the graph.
        by_word: Whether it reads words' positions and gives their scores.
        crf: The CRF on them, if there is one.
    """

    def __init__(self, compute: Compute, *, by_word: bool, crf: LinearChainCRF | None = None) -> None:
        super().__init__()
        self._compute = compute
        self._by_word = by_word
        self.crf = crf

    def forward(
        self,
        *,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        tags: Tensor | None = None,
        begins: Tensor | None = None,
        finishes: Tensor | None = None,
        **inputs: Any,
    ) -> TaggerOutput:
        """Logits [rows, outputs], or [rows, words or length, outputs], as `CrfTagger` gives them.

        Raises:
            UsageError: something else is asked for.
        """
        if others := [name for name, value in inputs.items() if not isinstance(value, Tensor)]:
            what = f"the task asks the model for `{others[0]}`, and an exported model gives logits alone"
            raise UsageError(what, hint="use the checkpoint itself")
        if self._by_word:
            inputs["positions"] = marked(positions, mask, inputs["input_ids"])
        logits = self._compute(inputs)
        if tags is None or mask is None or self.crf is None:
            return TaggerOutput(logits)
        return TaggerOutput(logits, self.crf.log_likelihood(logits, tags, mask, begins=begins, finishes=finishes))


def marked(positions: Tensor | None, mask: Tensor | None, ids: Tensor) -> Tensor:
    """Words' positions as a graph reads them, -1 beyond a row's words; without any, every token is one."""
    if positions is None:
        return torch.arange(ids.shape[1]).expand_as(ids)
    return positions if mask is None else positions.masked_fill(~mask, -1)
