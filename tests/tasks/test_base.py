"""From sequences to a batch: inputs are padded, labels stay with what they are said of, and words keep their places."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.data.tokens import UNLABELLED, TokenizedSplit
from ftcli.runtime.encoding import Encoded
from ftcli.tasks.base import collate, mean_over_sequences, row_labels
from tests.data.encoding import TokenRow, encoded, token_rows
from tests.tasks.toy import split_of

WINDOWS = TokenizedSplit.of(
    Encoded(
        ids=[[1, 11, 12, 2], [1, 13, 14, 15, 2], [1, 16, 2], [1, 21, 2]],
        type_ids=None,
        full_lengths=[8, 3],
        sequences=[3, 1],
        positions=[[1, 2], [3], [1], []],
    ),
    torch.tensor([5, 6, 7, 8]),
)
"""A sentence of four words in three windows, and one whose only word is never counted."""


def test_words_have_their_places_and_labels_padded_to_the_most_of_them() -> None:
    batch = collate(WINDOWS, torch.tensor([0, 1, 3]), pad_id=9)
    assert batch.inputs["input_ids"].tolist() == [[1, 11, 12, 2, 9], [1, 13, 14, 15, 2], [1, 21, 2, 9, 9]]
    assert batch.words is not None
    assert batch.words.positions.tolist() == [[1, 2], [3, 0], [0, 0]]
    assert batch.words.mask.tolist() == [[True, True], [True, False], [False, False]]
    assert batch.labels.tolist() == [[5, 6], [7, UNLABELLED], [UNLABELLED, UNLABELLED]]
    assert batch.rows.tolist() == [0, 0, 1]


def test_the_first_and_the_last_of_a_rows_windows_are_told() -> None:
    words = collate(WINDOWS, torch.arange(4), pad_id=0).words
    assert words is not None
    assert words.begins.tolist() == [True, False, False, True]
    assert words.finishes.tolist() == [False, False, True, True]
    alone = TokenizedSplit.of(Encoded([[1], [2]], None, [1, 1], positions=[[0], [0]]), None)
    words = collate(alone, torch.tensor([1]), pad_id=0).words
    assert words is not None
    assert words.begins.tolist() == words.finishes.tolist() == [True]


@given(st.lists(token_rows("words"), min_size=1, max_size=6), st.data())
@settings(deadline=None, max_examples=80)
def test_every_word_of_some_sequences_is_there_once_and_in_order(rows: list[TokenRow], data: st.DataObject) -> None:
    count = sum(row.num_words for row in rows)
    split = TokenizedSplit.of(encoded(rows, "words"), torch.arange(count))
    chosen = data.draw(st.permutations(range(split.num_sequences)))
    batch = collate(split, torch.tensor(chosen), pad_id=0)
    assert batch.words is not None
    assert batch.labels[batch.words.mask].tolist() == split.items_of(torch.tensor(chosen)).tolist()
    positions = [places for row in rows for places in row.positions]
    assert [part[mask].tolist() for part, mask in zip(batch.words.positions, batch.words.mask, strict=True)] == [
        positions[number] for number in chosen
    ]
    assert bool((batch.labels[~batch.words.mask] == UNLABELLED).all())


@pytest.mark.parametrize("labels", [torch.tensor([4, 5, 6]), torch.tensor([[1, 0], [0, 1], [1, 1]])])
def test_rows_without_words_have_the_labels_of_their_sequences(labels: torch.Tensor) -> None:
    batch = collate(split_of(labels, sequences=[2, 1, 1]), torch.tensor([3, 1, 0]), pad_id=0)
    assert batch.words is None
    assert torch.equal(batch.labels, labels[[2, 0, 0]])
    assert batch.rows.tolist() == [2, 0, 0]


def test_a_batch_on_the_cpu_is_there_already() -> None:
    batch = collate(WINDOWS, torch.arange(2), pad_id=0)
    assert batch.to(torch.device("cpu")) is batch


@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=8))
@settings(deadline=None, max_examples=60)
def test_a_rows_mean_is_over_its_own_sequences(counts: list[int]) -> None:
    labels = torch.arange(len(counts))
    split = split_of(labels, sequences=counts)
    scores = torch.arange(2.0 * sum(counts)).view(-1, 2)
    expected = torch.stack([part.mean(0) for part in torch.split(scores, counts)])
    assert torch.allclose(mean_over_sequences(scores, split), expected)
    assert torch.equal(row_labels(split), labels)
    assert mean_over_sequences(scores, split_of(None, rows=len(scores))) is scores
