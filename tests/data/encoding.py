"""Rows of tokens, drawn at random: a sequence each, several, or words that have positions; and labels for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import orjson
import torch
from hypothesis import strategies as st

from ftcli.data.dataset import Prepared
from ftcli.data.tokens import TokenizedSplit
from ftcli.runtime.encoding import Encoded, Fields

Shape = Literal["plain", "several", "words"]


@dataclass(frozen=True)
class TokenRow:
    """One row: its sequences, and where in each of them its words begin."""

    sequences: list[list[int]]
    positions: list[list[int]]

    @property
    def num_words(self) -> int:
        return sum(map(len, self.positions))


def encoded(rows: Sequence[TokenRow], shape: Shape) -> Encoded:
    ids = [sequence for row in rows for sequence in row.sequences]
    return Encoded(
        ids=ids,
        type_ids=[[token % 2 for token in sequence] for sequence in ids],
        full_lengths=[1 + sum(map(len, row.sequences)) for row in rows],
        sequences=None if shape == "plain" else [len(row.sequences) for row in rows],
        positions=[places for row in rows for places in row.positions] if shape == "words" else None,
        num_unknown=sum(sequence.count(1) for sequence in ids),
        num_pieces=sum(map(len, ids)),
    )


def num_items(rows: Sequence[TokenRow], shape: Shape) -> int:
    return sum(row.num_words if shape == "words" else len(row.sequences) for row in rows)


@st.composite
def token_rows(draw: st.DrawFn, shape: Shape) -> TokenRow:
    """Any row; words may stand nowhere in some of its sequences."""
    sequence = st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=6)
    sequences = draw(st.lists(sequence, min_size=1, max_size=1 if shape == "plain" else 3))
    places = [draw(st.sets(st.integers(0, len(tokens) - 1))) for tokens in sequences]
    return TokenRow(sequences, [sorted(each) for each in places])


shapes = st.sampled_from(["plain", "several", "words"])


@st.composite
def shaped_rows(draw: st.DrawFn, *, most: int = 8) -> tuple[list[TokenRow], Shape]:
    shape = draw(shapes)
    return draw(st.lists(token_rows(shape), min_size=1, max_size=most)), shape


def assert_same_split(found: TokenizedSplit, expected: TokenizedSplit) -> None:
    for each in (field for field in fields(TokenizedSplit) if field.compare):
        left, right = getattr(found, each.name), getattr(expected, each.name)
        if isinstance(right, torch.Tensor):
            assert left.dtype == right.dtype, each.name
            assert torch.equal(left, right), each.name
        else:
            assert left == right, each.name


def relabelled(prepared: Prepared, task: str, rows: Sequence[Fields], *, labels: Sequence[str] = ()) -> Prepared:
    """The prepared training split with other rows, as another task's data would be."""
    (prepared.folder / "train.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    splits = {"train": prepared.facts.splits["train"].model_copy(update={"rows": len(rows)})}
    changes = {"task": task, "labels": tuple(labels), "splits": splits}
    return Prepared(prepared.folder, prepared.facts.model_copy(update=changes))


def labels_for(task: str, rows: Sequence[TokenRow]) -> list[object]:
    """Some label for each row: of tags one for each of its words."""
    made: dict[str, Callable[[int, TokenRow], object]] = {
        "classification": lambda number, row: "ab"[number % 2],
        "multilabel": lambda number, row: ["a", "b"][: number % 3],
        "regression": lambda number, row: number / 3,
        "tagging": lambda number, row: ["ab"[(number + place) % 2] for place in range(row.num_words)],
    }
    return [made[task](number, row) for number, row in enumerate(rows)]
