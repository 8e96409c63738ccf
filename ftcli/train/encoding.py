"""From rows to token ids, as a task reads them: texts, pairs, pairs in both orders, or words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from ftcli.modeling.tokenizer import Tokenizer
from ftcli.runtime.encoding import Encode, Encoded, EncodeRows, Fields
from ftcli.spec.card import Columns
from ftcli.spec.choices import TaggingTask, TaskChoice, card_task


@dataclass(frozen=True, slots=True)
class RowEncoder:
    """How rows become token ids."""

    encode: EncodeRows
    tokenizer: Tokenizer
    options: str

    @property
    def fingerprint(self) -> str:
        """Stands for the tokenizer and every option. It takes a while, and scoring needs none."""
        return f"{self.tokenizer.fingerprint} {self.options}"


def row_encoder(tokenizer: Tokenizer, *, task: TaskChoice, columns: Columns, max_length: int) -> RowEncoder:
    """The encoder of a task's rows."""
    if card_task(task) == "tagging":
        stride = task.stride if isinstance(task, TaggingTask) else "auto"
        words = tokenizer.word_encoder(max_length, None if stride == "auto" else stride)

        def encode_words(rows: Sequence[Fields]) -> Encoded:
            return words([cast("list[str]", row[columns.text]) for row in rows])

        return RowEncoder(encode_words, tokenizer, f"words {max_length} {stride}")
    texts = tokenizer.encoder(max_length)
    symmetric = getattr(task, "symmetric", False) and columns.pair is not None

    def encode_texts(rows: Sequence[Fields]) -> Encoded:
        first = [str(row[columns.text]) for row in rows]
        second = [str(row[columns.pair]) for row in rows] if columns.pair is not None else None
        return _both_ways(texts, first, second) if symmetric and second is not None else texts(first, second)

    return RowEncoder(encode_texts, tokenizer, f"texts {max_length} {symmetric}")


def both_orders(first: Sequence[str], second: Sequence[str]) -> tuple[list[str], list[str]]:
    """The first and the second texts of pairs of which each comes as it is, and behind it swapped."""
    left = [text for pair in zip(first, second, strict=True) for text in pair]
    right = [text for pair in zip(second, first, strict=True) for text in pair]
    return left, right


def _both_ways(encode: Encode, first: Sequence[str], second: Sequence[str]) -> Encoded:
    """Each pair as it is and swapped, one behind the other: two sequences a row."""
    found = encode(*both_orders(first, second))
    return Encoded(
        ids=found.ids,
        type_ids=found.type_ids,
        full_lengths=found.full_lengths[::2],
        sequences=[2] * len(first),
        num_unknown=found.num_unknown,
        num_pieces=found.num_pieces,
    )
