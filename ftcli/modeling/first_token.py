"""The last layer for the one token that a head reads: of BERT's kin, heads of rows read the first token's state alone.

Keys and values are computed of all tokens, everything else of the last layer of the first: the same logits and
gradients to rounding, for a sixth of that layer's products. No parameter changes its name.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface

from ftcli.modeling.packing import LIKE_BERT, PACKING, Packing

_PARTS = ("query", "key", "value", "dropout", "scaling", "num_attention_heads", "attention_head_size")


def read_first_token_only(encoder: Any) -> None:
    """Let an encoder's last layer answer for the first token alone, [rows, 1, size], if its kind allows it."""
    if encoder.config.model_type in LIKE_BERT:
        attention = _last_attention(encoder)
        if all(hasattr(attention.self, part) for part in _PARTS):
            attention.forward = _OfFirstToken(attention)


def _last_attention(encoder: nn.Module) -> Any:
    layers: Any = encoder.get_submodule("encoder.layer")
    return layers[-1].attention


@contextmanager
def every_token(encoder: Any) -> Generator[None]:
    """Within the block, the last layer answers for all tokens again."""
    attention = _last_attention(encoder) if encoder.config.model_type in LIKE_BERT else None
    narrowed = vars(attention).pop("forward", None) if attention is not None else None
    try:
        yield
    finally:
        if attention is not None and narrowed is not None:
            attention.forward = narrowed


@dataclass(frozen=True, slots=True)
class _OfFirstToken:
    """An attention block that answers for each row's first token; a copy of the model copies it along."""

    attention: Any

    def __call__(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, *others: Any, **options: Any
    ) -> tuple[Tensor, Any]:
        inner, whole = self.attention.self, type(self.attention).forward
        if options.get("output_hidden_states"):  # a task of one's own that reads them reads all tokens
            return whole(self.attention, hidden_states, attention_mask, *others, **options)
        name = inner.config._attn_implementation
        if name not in AttentionInterface():
            states, weights = whole(self.attention, hidden_states, attention_mask, *others, **options)
            return states[:, :1], weights
        packing: Packing | None = options.get(PACKING)
        first = hidden_states[:, :1] if packing is None else packing.first(hidden_states)
        found, weights = AttentionInterface()[name](
            inner,
            _by_head(inner, inner.query(first)),
            _by_head(inner, inner.key(hidden_states)),
            _by_head(inner, inner.value(hidden_states)),
            None if attention_mask is None else attention_mask[:, :, :1],
            dropout=inner.dropout.p if inner.training else 0.0,
            scaling=inner.scaling,
            **{PACKING: packing},
        )
        return self.attention.output(found.flatten(2), first), weights


def _by_head(inner: Any, values: Tensor) -> Tensor:
    """[rows, length, heads * size] -> [rows, heads, length, size]."""
    return values.unflatten(2, (inner.num_attention_heads, inner.attention_head_size)).transpose(1, 2)
