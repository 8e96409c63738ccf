"""Rows without their padding: the layers of BERT's kin, but for attention, treat each token by itself.

So a batch's tokens pass through them as one long row, and only attention sets them out in rows again: a few of like
length at a time. Called as before, a model says the same to rounding; no parameter changes its name.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers is typed in part; its objects stop here.

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

LIKE_BERT = {"bert", "camembert", "electra", "roberta", "xlm-roberta"}
"""Architectures whose layers are built like BERT's, and whose own heads of rows read the first token."""
ATTENTION = "ftcli_cpu"
"""The attention function that knows of packing."""
PACKING = "packing"
"""The name of the argument that a `Packing` reaches the attention function by."""
_ROWS = 8
"""Rows whose attention is computed at once: the longest of them pads the others."""

Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Any]]
"""From query, key and value [rows, heads, length, size] and a mask to what they give, [rows, length, heads, size]."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some rows. `places` are their tokens' among all slots, None where there is no other slot."""

    num_rows: int
    length: int
    places: Tensor | None
    mask: Tensor | None

    def laid_out(self, tokens: Tensor) -> Tensor:
        """[tokens, heads, size] -> [rows, heads, length, size]."""
        if self.places is not None:
            slots = tokens.new_zeros(self.num_rows * self.length, *tokens.shape[1:])
            tokens = slots.index_copy(0, self.places, tokens)
        return tokens.unflatten(0, (self.num_rows, self.length)).transpose(1, 2)

    def packed(self, rows: Tensor) -> Tensor:
        """[rows, length, heads, size] -> [tokens, heads, size]."""
        slots = rows.flatten(0, 1)
        return slots if self.places is None else slots.index_select(0, self.places)


class Packing:
    """Where the tokens of a batch's rows are, one row behind the other."""

    def __init__(self, kept: Tensor) -> None:
        """Leave out the slots that are not `kept` [rows, length]; a row's first token always is."""
        self._places = kept.flatten().nonzero().squeeze(1)
        self._shape = kept.shape
        lengths = cast("list[int]", kept.sum(1).tolist())
        each = [lengths[start : start + _ROWS] for start in range(0, len(lengths), _ROWS)]
        self._sizes = list(map(sum, each))
        self._chunks = list(map(_chunk, each))
        self._starts = torch.tensor([0, *lengths[:-1]]).cumsum(0)

    @property
    def num_rows(self) -> int:
        """Of the batch."""
        return len(self._starts)

    def pack(self, states: Tensor) -> Tensor:
        """[rows, length, size] -> [1, tokens, size]."""
        return states.flatten(0, 1).index_select(0, self._places)[None]

    def unpack(self, states: Tensor) -> Tensor:
        """[1, tokens, size] -> [rows, length, size], with zeros where nothing was."""
        rows, length = self._shape
        slots = states.new_zeros(rows * length, states.shape[2]).index_copy(0, self._places, states[0])
        return slots.unflatten(0, (rows, length))

    def first(self, states: Tensor) -> Tensor:
        """Each row's first token: [1, tokens, size] -> [1, rows, size]."""
        return states.index_select(1, self._starts)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attention: Attend) -> Tensor:
        """Attention within each row.

        Args:
            query: Of all tokens, or of each row's first, [1, heads, tokens, size].
            key: Of all tokens.
            value: Of all tokens.
            attention: Computes it for rows.

        Returns:
            [1, tokens, heads, size].
        """
        of_first = query.shape[2] == self.num_rows
        query, key, value = (each[0].transpose(0, 1) for each in (query, key, value))
        queries = query.split(_ROWS) if of_first else query.split(self._sizes)
        found: list[Tensor] = []
        for chunk, asked, keys, values in zip(
            self._chunks, queries, key.split(self._sizes), value.split(self._sizes), strict=True
        ):
            rows = asked.unsqueeze(2) if of_first else chunk.laid_out(asked)
            answer, _ = attention(rows, chunk.laid_out(keys), chunk.laid_out(values), chunk.mask)
            found.append(answer.squeeze(1) if of_first else chunk.packed(answer))
        return torch.cat(found)[None]


def _chunk(lengths: Sequence[int]) -> _Chunk:
    """Rows of these lengths, set out from the left whatever side they were padded on."""
    num_rows, length = len(lengths), max(lengths)
    if min(lengths) == length:
        return _Chunk(num_rows, length, None, None)
    kept = torch.arange(length) < torch.tensor(lengths)[:, None]
    return _Chunk(num_rows, length, kept.flatten().nonzero().squeeze(1), kept[:, None, None])


def skip_padding(model: nn.Module) -> None:
    """Let the encoders of a model leave out padding where there is any, if they are of BERT's kin.

    They do so while their attention is the one that knows of packing.
    """
    for encoder in model.modules():
        if isinstance(encoder, PreTrainedModel) and encoder.config.model_type in LIKE_BERT:
            layers: Any = getattr(encoder, "encoder", None)
            if hasattr(layers, "layer") and _Unpadded(layers, encoder.config).is_possible:
                layers.forward = _Unpadded(layers, encoder.config)


def skips_padding(model: nn.Module) -> bool:
    """Whether padding costs a model nothing but attention."""
    return any(map(_is_packed, model.modules()))


def _is_packed(layers: nn.Module) -> bool:
    return isinstance(vars(layers).get("forward"), _Unpadded)


@dataclass(frozen=True, slots=True)
class _Unpadded:
    """A stack of layers that is called as before."""

    layers: Any
    config: Any

    @property
    def is_possible(self) -> bool:
        in_one_piece = not getattr(self.config, "chunk_size_feed_forward", 0)  # pieces of a row's length fit no other
        return self.config._attn_implementation == ATTENTION and in_one_piece

    def __call__(self, hidden_states: Tensor, attention_mask: Tensor | None = None, **options: Any) -> Any:
        whole = type(self.layers).forward
        if attention_mask is None or self._asks_for_all(options) or not self._is_of_keys(attention_mask):
            return whole(self.layers, hidden_states, attention_mask, **options)
        packing = Packing(attention_mask[:, 0, 0])
        found = whole(self.layers, packing.pack(hidden_states), None, **options, **{PACKING: packing})
        states = found.last_hidden_state
        is_of_first = states.shape[1] == packing.num_rows  # where the last layer answers for these alone
        found.last_hidden_state = states.transpose(0, 1) if is_of_first else packing.unpack(states)
        return found

    def _asks_for_all(self, options: dict[str, Any]) -> bool:
        names = ("output_hidden_states", "output_attentions")
        return any(options.get(name) or getattr(self.config, name, False) for name in names)

    def _is_of_keys(self, mask: Tensor) -> bool:
        """Whether a mask only tells tokens from padding: every token sees the same ones."""
        is_known = self.is_possible and not self.config.is_decoder and mask.dtype is torch.bool and mask.dim() == 4
        return is_known and bool((mask == mask[:, :1, :1]).all())


@contextmanager
def padded(model: nn.Module) -> Generator[None]:
    """Within the block, a model's layers treat padding like tokens again."""
    packed = [(each, vars(each).pop("forward")) for each in model.modules() if _is_packed(each)]
    try:
        yield
    finally:
        for layers, forward in packed:
            layers.forward = forward
