"""Rows are read as their task says: pairs once or in both orders, and words one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.modeling.tokenizer import Tokenizer, load_tokenizer
from ftcli.runtime.encoding import Encoded, Fields
from ftcli.spec.card import Columns
from ftcli.spec.choices import ClassificationTask, RegressionTask, TaggingTask, TaskChoice
from ftcli.train.encoding import RowEncoder, row_encoder

PAIR, SINGLE = Columns(text="a", pair="b", label="label"), Columns(text="a", label="label")
ROWS: list[Fields] = [{"a": "open my card", "b": "help"}, {"a": "late", "b": "where is the parcel"}]
SYMMETRIC: list[TaskChoice] = [ClassificationTask(symmetric=True), RegressionTask(symmetric=True)]


@pytest.fixture(scope="module")
def tokenizer(model_folder: Path) -> Tokenizer:
    return load_tokenizer(str(model_folder))


def encoder(tokenizer: Tokenizer, task: TaskChoice, columns: Columns = PAIR, *, max_length: int = 32) -> RowEncoder:
    return row_encoder(tokenizer, task=task, columns=columns, max_length=max_length)


def swapped(rows: list[Fields]) -> list[Fields]:
    return [{"a": row["b"], "b": row["a"]} for row in rows]


def alternating(first: list[list[int]], second: list[list[int]]) -> list[list[int]]:
    return [ids for pair in zip(first, second, strict=True) for ids in pair]


def test_a_pair_is_read_as_it_stands(tokenizer: Tokenizer) -> None:
    found = encoder(tokenizer, ClassificationTask()).encode(ROWS)
    inner = tokenizer.inner([str(row["a"]) for row in ROWS], [str(row["b"]) for row in ROWS])
    assert found.ids == inner["input_ids"]
    assert found.type_ids == inner["token_type_ids"]
    assert found.sequences is None
    assert (
        encoder(tokenizer, ClassificationTask(), SINGLE).encode(ROWS).ids
        == tokenizer.inner([str(row["a"]) for row in ROWS])["input_ids"]
    )


@pytest.mark.parametrize("task", SYMMETRIC)
@pytest.mark.parametrize("max_length", [32, 5])
def test_a_symmetric_pair_is_read_in_both_orders(tokenizer: Tokenizer, task: TaskChoice, max_length: int) -> None:
    once = encoder(tokenizer, ClassificationTask(), max_length=max_length)
    there, back = once.encode(ROWS), once.encode(swapped(ROWS))
    found = encoder(tokenizer, task, max_length=max_length).encode(ROWS)
    assert found.ids == alternating(there.ids, back.ids)
    assert there.type_ids is not None
    assert back.type_ids is not None
    assert found.type_ids == alternating(there.type_ids, back.type_ids)
    assert found.sequences == [2, 2]
    assert found.full_lengths == there.full_lengths
    assert found.positions is None


@pytest.mark.parametrize("task", SYMMETRIC)
def test_a_single_text_has_no_other_order(tokenizer: Tokenizer, task: TaskChoice) -> None:
    found, plain = (encoder(tokenizer, each, SINGLE) for each in (task, ClassificationTask()))
    assert found.encode(ROWS) == plain.encode(ROWS)
    assert found.fingerprint == plain.fingerprint


def test_words_are_read_as_words(tokenizer: Tokenizer) -> None:
    rows: list[Fields] = [{"a": ["open", "my", "card"]}, {"a": ["late"]}]
    found = encoder(tokenizer, TaggingTask(), SINGLE).encode(rows)
    assert isinstance(found, Encoded)
    assert found.ids == tokenizer.inner(["open my card", "late"])["input_ids"]
    assert found.positions == [[1, 2, 3], [1]]


def test_whatever_changes_the_ids_changes_the_fingerprint(tokenizer: Tokenizer) -> None:
    encoders = [
        encoder(tokenizer, ClassificationTask()),
        encoder(tokenizer, ClassificationTask(), max_length=16),
        encoder(tokenizer, SYMMETRIC[0]),
        encoder(tokenizer, TaggingTask()),
        encoder(tokenizer, TaggingTask(stride=2)),
    ]
    assert len({each.fingerprint for each in encoders}) == len(encoders)
    assert encoder(tokenizer, RegressionTask()).fingerprint == encoders[0].fingerprint
