"""Heads that no architecture brings along. Parameter names of the encoder stay those of transformers under each."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class MeanPoolClassifier(nn.Module):
    """Mean over the tokens of the last layer -> dropout -> linear.

    The encoder hangs under its architecture's own prefix (`bert`, say), so patterns and checkpoints read alike under
    every head.
    """

    def __init__(self, encoder: PreTrainedModel, *, num_labels: int) -> None:
        super().__init__()
        config: Any = encoder.config
        self.config = cast("PreTrainedConfig", config)
        self.base_model_prefix = encoder.base_model_prefix
        if isinstance(getattr(encoder, "pooler", None), nn.Module):
            # It is unused under this head, and DDP waits for the gradient of every parameter it knows.
            encoder.register_module("pooler", None)
        setattr(self, self.base_model_prefix, encoder)
        self.dropout = nn.Dropout(_dropout_of(config))
        self.classifier = nn.Linear(config.hidden_size, num_labels)
        nn.init.normal_(self.classifier.weight, std=getattr(config, "initializer_range", 0.02))
        nn.init.zeros_(self.classifier.bias)

    @property
    def encoder(self) -> PreTrainedModel:
        """The pretrained encoder."""
        return getattr(self, self.base_model_prefix)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Tensor) -> SequenceClassifierOutput:
        """Logits [rows, labels] of token ids [rows, length]."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **inputs).last_hidden_state
        weights = attention_mask[..., None].to(hidden.dtype)
        mean = (hidden * weights).sum(1) / weights.sum(1)
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(mean)))


def _dropout_of(config: Any) -> float:
    for name in ("classifier_dropout", "classifier_dropout_prob", "hidden_dropout_prob", "dropout"):
        rate = getattr(config, name, None)
        if isinstance(rate, float):
            return rate
    return 0.1


def mean_head_on(path: str, config: PreTrainedConfig, *, num_labels: int) -> tuple[nn.Module, dict[str, Any]]:
    """A pretrained encoder under a new mean head, and what loading it reported."""
    encoder, report = AutoModel.from_pretrained(
        path,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    return MeanPoolClassifier(encoder, num_labels=num_labels), report


def empty_mean_head(config: PreTrainedConfig, *, num_labels: int) -> nn.Module:
    """The same structure with random weights, to load a checkpoint into."""
    return MeanPoolClassifier(AutoModel.from_config(config), num_labels=num_labels)
