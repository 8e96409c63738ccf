"""What passes between a tokenizer, which knows models, and a token store, which knows files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as token ids, cut to the model's length; `full_lengths` are their lengths uncut."""

    ids: list[list[int]]
    type_ids: list[list[int]] | None
    full_lengths: list[int]


Encode = Callable[[Sequence[str], Sequence[str] | None], Encoded]
"""From texts, and perhaps their second texts, to token ids."""
