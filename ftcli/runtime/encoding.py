"""What passes between a tokenizer, which knows models, and a token store, which knows files.

A row is given to a model as one or more sequences: the windows of a long sentence, say. An item is what a loss
averages over: a sequence, or each of its core words. The items of a row's sequences, in order, are the row's items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as token ids, cut to the model's length; `full_lengths` are their lengths uncut.

    `ids` and `type_ids` are one list for each sequence, special tokens included; `sequences` says how many sequences
    each row has (None: one each), `positions` where in each sequence its items have their first piece (None: the
    sequence is the item). Of `num_pieces` pieces, special tokens left out, `num_unknown` are unknown.
    """

    ids: list[list[int]]
    type_ids: list[list[int]] | None
    full_lengths: list[int]
    sequences: list[int] | None = None
    positions: list[list[int]] | None = None
    num_unknown: int = 0
    num_pieces: int = 0


Encode = Callable[[Sequence[str], Sequence[str] | None], Encoded]
"""From texts, and perhaps their second texts, to token ids."""

EncodeWords = Callable[[Sequence[Sequence[str]]], Encoded]
"""From rows of words to token ids and where in them the words are."""
