"""Rows as sequences and items: nothing is mixed up where a row has several of them."""

from __future__ import annotations

from itertools import chain

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.data.tokens import UNLABELLED, TokenizedSplit
from ftcli.runtime.encoding import Encoded
from tests.data.encoding import Shape, TokenRow, assert_same_split, encoded, num_items, shaped_rows

THREE_ROWS = Encoded(
    ids=[[5, 6, 7], [8], [9, 10], [11, 12]],
    type_ids=None,
    full_lengths=[4, 2, 4],
    sequences=[2, 1, 1],
    positions=[[1, 2], [], [0], [0, 1]],
)
"""Rows of two, one and two words; the first is read in two windows, and all of its words are in the first of them."""

rows_of_ids = st.lists(st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=9), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(rows_of_ids, st.data())
def test_gathered_rows_are_padded_to_the_longest_of_them(rows: list[list[int]], data: st.DataObject) -> None:
    types = [[n % 2 for n in range(len(row))] for row in rows]
    split = TokenizedSplit.of(Encoded(rows, types, [len(row) for row in rows]), torch.arange(len(rows)))
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=6))
    inputs = split.gather(torch.tensor(chosen), pad_id=7)
    width = max(len(rows[number]) for number in chosen)
    padding = [width - len(rows[number]) for number in chosen]
    assert inputs["input_ids"].tolist() == [rows[n] + [7] * p for n, p in zip(chosen, padding, strict=True)]
    assert inputs["token_type_ids"].tolist() == [types[n] + [0] * p for n, p in zip(chosen, padding, strict=True)]
    assert inputs["attention_mask"].tolist() == [
        [1] * len(rows[n]) + [0] * p for n, p in zip(chosen, padding, strict=True)
    ]
    assert all(value.dtype == torch.int64 for value in inputs.values())


def test_rows_sequences_and_items_are_counted_apart() -> None:
    split = TokenizedSplit.of(THREE_ROWS, torch.tensor([0, 1, 2, 3, 4]))
    assert (split.num_rows, split.num_sequences, split.num_items) == (3, 4, 5)
    assert split.lengths[torch.arange(4)].tolist() == [3, 1, 2, 2]
    assert split.row_lengths[torch.arange(3)].tolist() == [4, 2, 2]
    assert split.row_item_counts().tolist() == [2, 1, 2]
    assert split.sequences_of(torch.tensor([2, 0])).tolist() == [3, 0, 1]
    assert split.rows_of(torch.tensor([3, 1, 0, 2])).tolist() == [2, 0, 0, 1]
    assert split.items_of(torch.tensor([3, 1, 0])).tolist() == [3, 4, 0, 1]
    assert split.length_counts == {4: 2, 2: 1}


@settings(deadline=None, max_examples=100)
@given(shaped_rows(), st.data())
def test_what_belongs_to_a_row_is_found_from_either_side(
    case: tuple[list[TokenRow], Shape], data: st.DataObject
) -> None:
    rows, shape = case
    split = TokenizedSplit.of(encoded(rows, shape), None)
    chosen = torch.tensor(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6)), dtype=torch.int64)
    sequences = split.sequences_of(chosen)
    assert split.rows_of(sequences).tolist() == [row for row in chosen.tolist() for _ in rows[row].sequences]
    texts = [split.ids[split.offsets[n] : split.offsets[n + 1]].tolist() for n in sequences.tolist()]
    assert texts == list(chain.from_iterable(rows[row].sequences for row in chosen.tolist()))
    items = split.items_of(sequences)
    assert len(items) == int(split.row_item_counts()[chosen].sum()) == num_items([rows[n] for n in chosen], shape)
    if shape == "words":
        assert split.positions is not None
        expected = chain.from_iterable(chain.from_iterable(rows[row].positions for row in chosen.tolist()))
        assert split.positions[items].tolist() == list(expected)


@settings(deadline=None, max_examples=100)
@given(shaped_rows(), st.data())
def test_rows_that_are_joined_are_as_if_read_at_once(case: tuple[list[TokenRow], Shape], data: st.DataObject) -> None:
    rows, shape = case
    border = data.draw(st.integers(0, len(rows)))
    parts = [part for part in (rows[:border], rows[border:]) if part]
    targets = torch.arange(num_items(rows, shape)) if shape == "words" else torch.arange(len(rows))
    cut = num_items(parts[0], shape) if shape == "words" else len(parts[0])
    expected = TokenizedSplit.of(encoded(rows, shape), targets)
    labelled = zip(parts, (targets[:cut], targets[cut:]), strict=False)
    joined = TokenizedSplit.joined([TokenizedSplit.of(encoded(part, shape), labels) for part, labels in labelled])
    assert_same_split(joined, expected)
    unlabelled = TokenizedSplit.joined([TokenizedSplit.of(encoded(part, shape), None) for part in parts])
    assert_same_split(unlabelled, TokenizedSplit.of(encoded(rows, shape), None))


@pytest.mark.parametrize(
    "targets", [torch.tensor([4, 5, 6]), torch.tensor([[1, 0], [0, 1], [1, 1]]), torch.tensor([0.5, 1.5, -2.0])]
)
def test_every_sequence_of_a_row_has_the_label_of_its_row(targets: torch.Tensor) -> None:
    split = TokenizedSplit.of(Encoded([[1]] * 4, None, [1] * 3, sequences=[2, 1, 1]), targets)
    assert torch.equal(split.labels, targets[[0, 0, 1, 2]])
    assert split.is_labelled


def test_items_without_labels_are_marked() -> None:
    split = TokenizedSplit.of(THREE_ROWS, None)
    assert split.labels.tolist() == [UNLABELLED] * 5
    assert not split.is_labelled
