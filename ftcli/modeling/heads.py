"""Heads that no architecture brings along. Parameter names of the encoder stay those of transformers under each.

The encoder hangs under its architecture's own prefix (`bert`, say), so patterns and checkpoints read alike under every
head.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from ftcli.errors import RecipeError
from ftcli.modeling.dropout import dropout_of
from ftcli.modeling.outputs import Outputs

Pooling = Literal["cls", "mean", "max"]


class Head(Protocol):
    """What a head of the user's own computes: scores of the last layer's vectors. It is an `nn.Module`."""

    def __call__(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits [rows, outputs], or [rows, length, outputs] for tokens, of hidden [rows, length, size]."""
        ...


BuildHead = Callable[[PreTrainedConfig, Outputs], nn.Module]
"""Makes a head of the user's own, with new weights, for an encoder and what is asked of it; the module is a `Head`.

A recipe's `model.head_factory` names such a function or class, which takes `model.head_options` by name, too. Padding
(0 in `attention_mask`) must change nothing, for which rows are padded together depends on how a step is cut.
"""


class EncoderModel(nn.Module):
    """An encoder under its own prefix, for a head that takes the last layer's vectors."""

    def __init__(self, encoder: PreTrainedModel) -> None:
        super().__init__()
        self.config = encoder.config
        self.base_model_prefix = encoder.base_model_prefix
        if isinstance(getattr(encoder, "pooler", None), nn.Module):
            # It is unused under such a head, and DDP waits for the gradient of every parameter it knows.
            encoder.register_module("pooler", None)
        setattr(self, self.base_model_prefix, encoder)

    @property
    def encoder(self) -> PreTrainedModel:
        """The pretrained encoder."""
        return getattr(self, self.base_model_prefix)


class PooledClassifier(EncoderModel):
    """One vector of a row's last layer -> dropout -> linear.

    The vector is the first token's ("cls"), or the mean or the maximum over the row's tokens.
    """

    def __init__(self, encoder: PreTrainedModel, *, pooling: Pooling, num_labels: int) -> None:
        super().__init__(encoder)
        config: Any = encoder.config
        self.pooling: Pooling = pooling
        self.dropout = nn.Dropout(dropout_of(config))
        self.classifier = nn.Linear(config.hidden_size, num_labels)
        nn.init.normal_(self.classifier.weight, std=getattr(config, "initializer_range", 0.02))
        nn.init.zeros_(self.classifier.bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Tensor) -> SequenceClassifierOutput:
        """Logits [rows, labels] of token ids [rows, length]."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **inputs).last_hidden_state
        vector = pooled(hidden, attention_mask, self.pooling)
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(vector)))


def pooled(hidden: Tensor, attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """One vector for each row, [rows, size], of its tokens' [rows, length, size]; padding counts for nothing."""
    match pooling:
        case "cls":
            return hidden[:, 0]
        case "mean":
            weights = attention_mask[..., None].to(hidden.dtype)
            return (hidden * weights).sum(1) / weights.sum(1)
        case "max":
            return hidden.masked_fill(attention_mask[..., None] == 0, torch.finfo(hidden.dtype).min).amax(1)


class CustomHeadModel(EncoderModel):
    """An encoder with a head of the user's own as its attribute `head`."""

    def __init__(self, encoder: PreTrainedModel, head: nn.Module, outputs: Outputs) -> None:
        super().__init__(encoder)
        self.head = head
        self.outputs = outputs

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Tensor) -> SequenceClassifierOutput:
        """What the head makes of the last layer's vectors, as `logits`.

        Raises:
            RecipeError: that has another shape than the task asks for.
        """
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **inputs).last_hidden_state
        logits = self.head(hidden, attention_mask)
        shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        wanted = [*hidden.shape[: 1 if self.outputs.per == "row" else 2], self.outputs.size]
        if shape != wanted:
            of = f"{wanted[0]} rows" if self.outputs.per == "row" else f"{wanted[0]} rows of {wanted[1]} tokens"
            what = f"the head gives {shape} for {of}, where {wanted} is wanted"
            hint = (
                f"logits [rows, {'' if self.outputs.per == 'row' else 'length, '}outputs]; outputs.size is {wanted[-1]}"
            )
            raise RecipeError(what, hint=hint, key=("model", "head_factory"))
        return SequenceClassifierOutput(logits=logits)
