"""What passes between a tokenizer, which knows models, and a token store, which knows files.

A row is given to the model as one or more *sequences*: the windows of a long sentence, both orders of a symmetric pair.
An *item* is what the loss averages over. The items of a row's sequences, in order, are the items of the row: a word
belongs to exactly one of its sentence's windows, the one where it stands most central.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as token ids, cut to the model's length.

    `ids` and `type_ids` have one entry for each sequence, `full_lengths` one for each row: its tokens, uncut.
    `sequences` says how many sequences each row has (None: one). `positions` says for each sequence where each of its
    items has its first token (None: the sequence as a whole is the item). Pieces are tokens that are not special ones.
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
"""From rows of words to token ids."""

Fields = dict[str, object]
"""One row: its fields by name."""

EncodeRows = Callable[[Sequence[Fields]], Encoded]
"""From rows to token ids, whatever of them the model reads."""
