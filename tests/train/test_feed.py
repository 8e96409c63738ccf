"""From the plan to batches: every row once, nothing twice, and any step on its own."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.data.plan import Cut
from ftcli.data.tokens import TokenizedSplit
from ftcli.runtime.encoding import Encoded
from ftcli.runtime.world import World
from ftcli.spec.sections import BatchSection
from ftcli.tasks.base import Task
from ftcli.tasks.classification import Classification
from ftcli.tasks.losses import LabelLoss
from ftcli.tasks.tagging import Tagging
from ftcli.train.feed import Feed, Group, choose_cut

PAD = 0


def make_split(rows: int, *, longest: int = 12, seed: int = 0) -> TokenizedSplit:
    """Row n is the token n + 1, so many times; its label is n % 2."""
    rng = random.Random(seed)
    ids = [[number + 1] * rng.randint(1, longest) for number in range(rows)]
    return TokenizedSplit.of(Encoded(ids, None, [len(row) for row in ids]), torch.arange(rows) % 2)


def make_windows(rows: int, *, words: bool) -> TokenizedSplit:
    """Row n is one to three sequences of the token n + 1; with words, each sequence has none, one or two of them."""
    rng = random.Random(rows)
    sequences = [1 + number % 3 for number in range(rows)]
    ids = [[row + 1] * rng.randint(1, 12) for row, count in enumerate(sequences) for _ in range(count)]
    positions = [sorted(rng.sample(range(len(tokens)), min(len(tokens), rng.randint(0, 2)))) for tokens in ids]
    found = Encoded(ids, None, [1] * rows, sequences=sequences, positions=positions if words else None)
    return TokenizedSplit.of(found, torch.arange(sum(map(len, positions)) if words else rows) % 2)


TASK = Classification(labels=("no", "yes"), metrics=("accuracy",))
WEIGHTED = replace(TASK, criterion=LabelLoss(weights=(0.25, 3.0)))
TAGS = Tagging(words="tokens", labels=("O", "B-x"), scheme="bio", metrics=("accuracy",))


def make_feed(
    split: TokenizedSplit,
    cut: Cut,
    *,
    rank: int = 0,
    ranks: int = 1,
    seed: int = 1,
    task: Task = TASK,
    **batch: int,
) -> Feed:
    return Feed(
        split,
        task=task,
        batch=BatchSection(**batch),
        cut=cut,
        seed=seed,
        world=World(rank=rank, size=ranks),
        pad_id=PAD,
    )


def rows_of(group: Group) -> list[int]:
    """The rows that a group's batches really count."""
    return [int(ids[0]) - 1 for batch in group.batches if batch.weight for ids in batch.inputs["input_ids"]]


cuts = st.one_of(
    st.integers(1, 8).map(lambda n: Cut(rows=n)),
    st.integers(12, 60).map(lambda n: Cut(tokens=n)),
    st.integers(1, 8).map(lambda n: Cut(accumulation=n)),
    st.integers(12, 60).map(lambda n: Cut(tokens=n, call_tokens=5)),
)


@given(rows=st.integers(1, 40), size=st.integers(1, 12), cut=cuts, ranks=st.integers(1, 4), window=st.integers(1, 3))
@settings(deadline=None, max_examples=80)
def test_an_epoch_has_every_row_exactly_once_whatever_the_cut_and_the_world(
    rows: int, size: int, cut: Cut, ranks: int, window: int
) -> None:
    split = make_split(rows)
    feeds = [make_feed(split, cut, rank=rank, ranks=ranks, size=size, window=window) for rank in range(ranks)]
    seen: list[int] = []
    for step in range(feeds[0].steps_per_epoch):
        groups = [feed.group(step) for feed in feeds]
        there = [row for group in groups for row in rows_of(group)]
        assert sorted(there) == sorted(feeds[0].rows(step).tolist())
        assert {group.num_rows for group in groups} == {group.num_items for group in groups} == {len(there)}
        assert {group.num_tokens for group in groups} == {int(split.lengths[torch.tensor(there)].sum())}
        assert len({len(group.batches) for group in groups}) == 1
        seen += there
    assert sorted(seen) == list(range(rows))


@given(
    rows=st.integers(1, 20),
    size=st.integers(1, 9),
    cut=cuts,
    ranks=st.integers(1, 4),
    window=st.integers(1, 3),
    words=st.booleans(),
)
@settings(deadline=None, max_examples=80)
def test_a_rows_sequences_stay_in_one_step_and_an_epoch_has_each_of_them_once(
    *, rows: int, size: int, cut: Cut, ranks: int, window: int, words: bool
) -> None:
    split, task = make_windows(rows, words=words), TAGS if words else TASK
    feeds = [
        make_feed(split, cut, rank=rank, ranks=ranks, task=task, size=size, window=window) for rank in range(ranks)
    ]
    seen: list[int] = []
    for step in range(feeds[0].steps_per_epoch):
        groups, expected = [feed.group(step) for feed in feeds], feeds[0].rows(step)
        sequences = split.sequences_of(expected)
        there = [row for group in groups for row in rows_of(group)]
        assert sorted(there) == sorted(split.rows_of(sequences).tolist())
        assert {group.num_rows for group in groups} == {len(expected)}
        assert {group.num_items for group in groups} == {len(split.items_of(sequences))}
        assert {group.num_tokens for group in groups} == {int(split.lengths[sequences].sum())}
        assert len({len(group.batches) for group in groups}) == 1
        batches = [batch for group in groups for batch in group.batches if batch.weight]
        assert sum(int((batch.labels >= 0).sum()) for batch in batches) == len(split.items_of(sequences))
        seen += expected.tolist()
    assert sorted(seen) == list(range(rows))


@given(rows=st.integers(1, 20), size=st.integers(1, 9), cut=cuts, ranks=st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_with_class_weights_items_are_the_weights_of_all_that_the_ranks_share(
    rows: int, size: int, cut: Cut, ranks: int
) -> None:
    split = make_windows(rows, words=False)
    for rank in range(ranks):
        group = make_feed(split, cut, rank=rank, ranks=ranks, task=WEIGHTED, size=size).group(0)
        labels = split.labels[split.sequences_of(make_feed(split, cut, task=WEIGHTED, size=size).rows(0))]
        assert group.num_items == pytest.approx(sum((0.25, 3.0)[label] for label in labels.tolist()))


@given(cut=cuts, ranks=st.integers(1, 3), size=st.integers(1, 12))
@settings(deadline=None, max_examples=40)
def test_batches_are_padded_to_their_longest_row_and_labels_go_with_their_rows(cut: Cut, ranks: int, size: int) -> None:
    split = make_split(30)
    slots = 0
    for rank in range(ranks):
        group = make_feed(split, cut, rank=rank, ranks=ranks, size=size).group(0)
        for batch in group.batches:
            ids, mask = batch.inputs["input_ids"], batch.inputs["attention_mask"]
            assert bool(mask.sum(0).all())
            assert torch.equal(mask, (ids != PAD).long())
            assert torch.equal(batch.labels, (ids[:, 0] - 1) % 2)
            assert torch.equal(mask.sum(1), split.lengths[ids[:, 0] - 1])
            slots += ids.numel() if batch.weight else 0
    assert group.num_slots == slots


def test_a_rank_without_rows_gets_a_dummy_that_counts_for_nothing() -> None:
    groups = [make_feed(make_split(3), Cut(rows=8), rank=rank, ranks=4, size=8).group(0) for rank in range(4)]
    assert sorted(len(rows_of(group)) for group in groups) == [0, 1, 1, 1]
    [dummy] = next(group for group in groups if not rows_of(group)).batches
    assert dummy.weight == 0
    assert len(dummy.labels) == 1


def test_a_dummy_of_a_row_with_several_sequences_is_one_of_them() -> None:
    split = make_windows(3, words=True)
    groups = [make_feed(split, Cut(rows=99), rank=rank, ranks=9, task=TAGS, size=3).group(0) for rank in range(9)]
    dummies = [batch for group in groups for batch in group.batches if batch.weight == 0]
    assert len(dummies) == 3  # six sequences for nine ranks
    assert [len(batch.rows) for batch in dummies] == [1, 1, 1]
    assert all(batch.words is not None for batch in dummies)


def test_no_batch_is_larger_than_the_cut_allows() -> None:
    split = make_split(60)
    for batch in make_feed(split, Cut(tokens=24), size=30).group(1).batches:
        assert batch.inputs["input_ids"].numel() <= 24
    assert {len(batch.labels) for batch in make_feed(split, Cut(rows=4), size=30).group(0).batches} <= {3, 4}
    assert len(make_feed(split, Cut(accumulation=5), size=30).group(0).batches) == 5


def test_going_on_from_a_step_gives_what_the_whole_run_would_have_given() -> None:
    one, other = (make_feed(make_split(21), Cut(rows=3), size=8) for _ in range(2))
    whole = [rows_of(one.group(step)) for step in range(9)]
    rest = [rows_of(other.group(step)) for step in range(5, 9)]
    assert rest == whole[5:]
    assert whole[0] != whole[3]  # the same place in another epoch
    assert [len(rows) for rows in whole] == [8, 8, 5] * 3


def test_the_order_depends_on_the_seed() -> None:
    one, two = (make_feed(make_split(40), Cut(rows=8), size=8, seed=seed).rows(0).tolist() for seed in (1, 2))
    assert one != two


@pytest.mark.parametrize(
    ("section", "device", "ranks", "cut"),
    [
        ({}, "cpu", 1, Cut(tokens=4096, call_tokens=128)),
        ({}, "cuda", 2, Cut(tokens=4096, call_tokens=8192)),
        ({"micro_size": 5}, "cpu", 2, Cut(rows=5)),
        ({"max_tokens": 512}, "cuda", 1, Cut(tokens=512)),
        ({"accumulation": 4}, "cpu", 1, Cut(accumulation=4)),
    ],
)
def test_a_step_is_cut_as_the_recipe_says_or_as_device_and_world_like(
    section: dict[str, int], device: str, ranks: int, cut: Cut
) -> None:
    """A GPU's micro-batches have a token for each 4 MiB of its memory, here 16 GiB."""
    assert choose_cut(BatchSection(**section), World(size=ranks, device=torch.device(device))) == cut


def test_a_group_that_was_assembled_ahead_is_the_one_that_is_asked_for() -> None:
    """Beside a GPU, groups come from a thread; here only their assembling is looked at, which needs none."""
    split, batch = make_split(40), BatchSection(size=8)
    world = World(device=torch.device("cuda"))
    feed = Feed(split, task=TASK, batch=batch, cut=Cut(tokens=60, call_tokens=5), seed=1, world=world, pad_id=PAD)
    plain = make_feed(split, Cut(tokens=60, call_tokens=5), size=8, seed=1)
    for step in (0, 1, 2, 7, 3, 4):  # also out of turn, as a resumed run begins
        assert rows_of(feed.group(step)) == rows_of(plain.group(step))
    tokens = feed.halve(5)
    assert tokens is not None
    assert max(batch.num_slots for batch in feed.group(5).batches) <= tokens
