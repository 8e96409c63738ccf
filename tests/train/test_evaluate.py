"""Scoring a split: every row once, in row order, and the loss divided once."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import accumulate, pairwise
from types import SimpleNamespace
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from ftcli.data.tokens import TokenizedSplit
from ftcli.runtime.activity import Activity, finish
from ftcli.runtime.encoding import Encoded
from ftcli.runtime.world import World
from ftcli.tasks.base import Task
from ftcli.tasks.classification import Classification
from ftcli.tasks.losses import LabelLoss
from ftcli.tasks.tagging import Tagging
from ftcli.train.evaluate import Scores, score_split

TASK = Classification(labels=("no", "yes"), metrics=("accuracy", "f1"))


class Counting(nn.Module):
    """Logits are a fixed function of a row's tokens; keeps the numbers of the rows it saw."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.9)
        self.dtype = dtype
        self.seen: list[int] = []
        self.sizes: list[int] = []

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        self.seen += (input_ids[:, 0] - 1).tolist()
        self.sizes.append(len(input_ids))
        return SimpleNamespace(logits=self.dropout(logits_of(input_ids[:, 0], attention_mask.sum(1)).to(self.dtype)))


def logits_of(first: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    return torch.stack((torch.sin(first.double()), torch.cos(lengths.double() * first)), dim=1)


def make_split(rows: int, *, labelled: bool = True) -> TokenizedSplit:
    rng = random.Random(rows)
    ids = [[number + 1] * rng.randint(1, 9) for number in range(rows)]
    labels = torch.tensor([rng.randint(0, 1) for _ in range(rows)]) if labelled else None
    return TokenizedSplit.of(Encoded(ids, None, [len(row) for row in ids]), labels)


def score(
    model: nn.Module, split: TokenizedSplit, *, batch_size: int | Literal["auto"] = 4, task: Task = TASK
) -> Scores:
    return finish(steps(model, split, batch_size=batch_size, task=task))


def steps(model: nn.Module, split: TokenizedSplit, *, batch_size: int | Literal["auto"], task: Task = TASK):
    return score_split(
        model,
        split,
        name="validation",
        task=task,
        world=World(),
        pad_id=0,
        batch_size=batch_size,
    )


@given(rows=st.integers(1, 50), batch_size=st.integers(1, 60))
@settings(deadline=None, max_examples=50)
def test_every_row_is_scored_once_and_scores_come_in_row_order(rows: int, batch_size: int) -> None:
    model, split = Counting(torch.float64), make_split(rows)
    found = score(model, split, batch_size=batch_size)
    assert sorted(model.seen) == list(range(rows))
    assert max(model.sizes) <= batch_size
    expected = logits_of(torch.arange(1, rows + 1), split.offsets.diff())
    assert torch.equal(found.scores, expected)
    assert found.loss == pytest.approx(float(cross_entropy(expected, split.labels)), rel=1e-12)
    assert found.losses is not None
    assert torch.allclose(found.losses, cross_entropy(expected, split.labels, reduction="none"))


def make_windows(rows: int, *, words: bool = False) -> TokenizedSplit:
    """One to three sequences a row, the n-th of the token n + 1; with words, up to as many as it has tokens."""
    rng = random.Random(rows)
    sequences = [rng.randint(1, 3) for _ in range(rows)]
    ids = [[number + 1] * rng.randint(1, 9) for number in range(sum(sequences))]
    positions = [sorted(rng.sample(range(len(tokens)), rng.randint(0, len(tokens)))) for tokens in ids]
    positions[0] = [0]
    found = Encoded(ids, None, [1] * rows, sequences=sequences, positions=positions if words else None)
    return TokenizedSplit.of(found, torch.randint(2, (sum(map(len, positions)) if words else rows,)))


@given(rows=st.integers(1, 20), batch_size=st.integers(1, 60))
@settings(deadline=None, max_examples=50)
def test_every_sequence_of_a_row_is_scored_once_and_rows_get_their_mean(rows: int, batch_size: int) -> None:
    model, split = Counting(torch.float64), make_windows(rows)
    found = score(model, split, batch_size=batch_size)
    assert sorted(model.seen) == list(range(split.num_sequences))
    assert max(model.sizes) <= batch_size
    expected = logits_of(torch.arange(1, split.num_sequences + 1), split.offsets.diff())
    assert torch.equal(found.scores, expected)
    assert found.loss == pytest.approx(float(cross_entropy(expected, split.labels)), rel=1e-12)
    assert split.row_offsets is not None
    each = torch.split(expected.softmax(1), split.row_offsets.diff().tolist())
    assert torch.allclose(found.found.exp(), torch.stack([part.mean(0) for part in each]))


class Spelling(nn.Module):
    """Scores of each token are a fixed function of the token and its place."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        places = torch.arange(input_ids.shape[1]).expand_as(input_ids)
        return SimpleNamespace(logits=torch.stack((torch.sin(input_ids.double()), torch.cos(places.double())), 2))


@given(rows=st.integers(1, 20), batch_size=st.integers(1, 60))
@settings(deadline=None, max_examples=50)
def test_words_are_scored_once_each_and_come_in_the_rows_order(rows: int, batch_size: int) -> None:
    split = make_windows(rows, words=True)
    tags = Tagging(words="tokens", labels=("O", "B-x"), scheme="bio", metrics=("accuracy",))
    found = score(Spelling(), split, batch_size=batch_size, task=tags)
    assert split.item_offsets is not None
    assert split.positions is not None
    tokens = torch.arange(1, split.num_sequences + 1).repeat_interleave(split.item_offsets.diff())
    expected = torch.stack((torch.sin(tokens.double()), torch.cos(split.positions.double())), 1)
    assert torch.equal(found.scores, expected)
    assert found.loss == pytest.approx(float(cross_entropy(expected, split.labels)), rel=1e-12)
    assert torch.equal(found.found, expected.argmax(1))
    each = cross_entropy(expected, split.labels, reduction="none").split(split.row_item_counts().tolist())
    assert found.losses is not None
    assert torch.allclose(found.losses, torch.stack([part.sum() for part in each]))


def test_with_class_weights_the_loss_is_the_weighted_mean() -> None:
    weighted = replace(TASK, criterion=LabelLoss(weights=(0.25, 3.0)))
    split = make_windows(13)
    found = score(Counting(torch.float64), split, task=weighted)
    expected = cross_entropy(found.scores, split.labels, weight=torch.tensor([0.25, 3.0]).double())
    assert found.loss == pytest.approx(float(expected), rel=1e-12)
    unlabelled = TokenizedSplit.of(Encoded([[1], [2]], None, [1, 1]), None)
    assert score(Counting(), unlabelled, task=weighted).loss is None


def test_the_loss_does_not_depend_on_the_batches() -> None:
    split = make_split(23)
    losses = [score(Counting(), split, batch_size=size).loss for size in (1, 2, 7, 23, 100)]
    assert losses == pytest.approx([losses[0]] * 5, rel=1e-6)


def test_rows_without_labels_have_no_loss() -> None:
    found = score(Counting(), make_split(9, labelled=False))
    assert found.loss is None
    assert found.scores.shape == (9, 2)


def test_scores_of_the_first_batches_that_are_known_are_not_computed_again() -> None:
    split, whole = make_split(23, labelled=False), Counting(torch.float64)
    scored: list[torch.Tensor] = []
    known = {"name": "rows", "task": TASK, "world": World(), "pad_id": 0, "batch_size": 4}
    expected = finish(score_split(whole, split, **known, scored=scored))
    again = Counting(torch.float64)
    found = finish(score_split(again, split, **known, scored=scored[:4]))
    assert whole.sizes == [len(part) for part in scored]
    assert again.seen == whole.seen[sum(whole.sizes[:4]) :]
    assert torch.equal(found.scores, expected.scores)


def test_dropout_is_off_and_no_graph_is_kept() -> None:
    model = Counting().train()
    found = score(model, make_split(9))
    assert not model.training
    assert not found.scores.requires_grad
    assert torch.equal(found.scores, logits_of(torch.arange(1, 10), make_split(9).offsets.diff()).float())


@pytest.mark.parametrize(
    ("computed", "kept"),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_scores_are_single_precision_or_better(computed: torch.dtype, kept: torch.dtype) -> None:
    assert score(Counting(computed), make_split(5)).scores.dtype is kept


def test_batches_are_of_similar_length_and_the_longest_come_first() -> None:
    model, split = Counting(), make_split(20)
    score(model, split)
    lengths = split.lengths[torch.tensor(model.seen)].view(-1, 4)
    assert lengths.max(1).values.tolist() == sorted(lengths.max(1).values.tolist(), reverse=True)
    assert all(int(later.max()) <= int(earlier.min()) for earlier, later in pairwise(lengths))


def test_left_to_us_it_is_cut_by_length_and_scores_are_the_same() -> None:
    model, split = Counting(), make_split(400)
    found = score(model, split, batch_size="auto")
    assert 1 < len(model.sizes) < 10
    assert sorted(model.seen) == [*range(400)]
    assert torch.equal(found.scores, score(Counting(), split).scores)


def test_it_says_how_far_it_is() -> None:
    model = Counting()
    activities = list(steps(model, make_split(10), batch_size=4))
    assert activities == [Activity("evaluate validation", done, 10) for done in accumulate(model.sizes)]
    assert len(activities) == 3


def test_metrics_are_of_the_whole_split() -> None:
    split = make_split(30)
    found = score(Counting(), split)
    right = found.scores.argmax(1) == split.labels
    metrics = TASK.measure(found.found, split)
    assert set(metrics) == {"accuracy", "f1"}
    assert metrics["accuracy"] == pytest.approx(float(right.double().mean()))
