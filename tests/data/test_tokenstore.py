"""The token store gives back, padded, what the tokenizer made of the rows."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier, local
from typing import cast

import orjson
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.data.dataset import Prepared
from ftcli.data.prepare import prepare
from ftcli.data.targets import targets_of
from ftcli.data.tokens import UNLABELLED, TokenizedSplit
from ftcli.data.tokenstore import TokenStore, label_facts, open_tokens, token_key, tokenize
from ftcli.errors import DataError
from ftcli.runtime.activity import Activity, finish
from ftcli.runtime.encoding import Encoded, EncodeRows, Fields
from ftcli.spec.card import DataCard
from tests.data.encoding import Shape, TokenRow, assert_same_split, encoded, labels_for, relabelled, shaped_rows

TRAIN = [{"a": "x" * (1 + n % 5), "b": "y" * (1 + n % 3), "label": ("no", "yes")[n % 2]} for n in range(11)]
TEST = [{"a": "xyz", "b": "w"}, {"a": "支付", "b": "v"}]


def encode_to(max_length: int, *, pair: bool = True, types: bool = True) -> EncodeRows:
    """One token a character, its code point, between a 1 and a 2; a second text follows with its own 2."""

    def encode(rows: Sequence[Fields]) -> Encoded:
        ids, type_ids = [], []
        for row in rows:
            first = [1, *map(ord, str(row["a"])), 2]
            second = [*map(ord, str(row["b"])), 2] if pair else []
            ids.append(first + second)
            type_ids.append([0] * len(first) + [1] * len(second))
        cut = [[row[:max_length] for row in rows] for rows in (ids, type_ids)]
        return Encoded(cut[0], cut[1] if types else None, [len(row) for row in ids])

    return encode


def never(rows: Sequence[Fields]) -> Encoded:
    raise AssertionError("the store should have been there")


def prepared_from(folder: Path, *, pair: bool = True, train: Sequence[dict[str, str]] = TRAIN) -> Prepared:
    for name, rows in (("train", train), ("test", TEST)):
        (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    columns = {"text": "a", "label": "label"} | ({"pair": "b"} if pair else {})
    files = {"train": "train.jsonl", "test": "test.jsonl"}
    card = DataCard.model_validate({"name": "toy", "columns": columns, "files": files})
    work = prepare(card, folder=folder / "out", card_folder=folder, source=None, downloads=folder / "d", max_bad_rows=0)
    return finish(work)


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return prepared_from(tmp_path)


def store_of(prepared: Prepared, encode: EncodeRows | None = None) -> TokenStore:
    return finish(tokenize(prepared, encode=encode or encode_to(64), fingerprint="f"))


def test_a_store_holds_what_the_tokenizer_made_of_every_row(prepared: Prepared) -> None:
    store = store_of(prepared)
    assert list(store.splits) == ["train", "test"]
    for split, rows in (("train", TRAIN), ("test", TEST)):
        expected = encode_to(64)(rows)
        found = store.splits[split]
        assert found.num_rows == len(rows)
        assert found.offsets.diff().tolist() == [len(ids) for ids in expected.ids]
        for number, ids in enumerate(expected.ids):
            inputs = found.gather(torch.tensor([number]), pad_id=0)
            assert inputs["input_ids"].tolist() == [ids]
            assert expected.type_ids is not None
            assert inputs["token_type_ids"].tolist() == [expected.type_ids[number]]
            assert inputs["attention_mask"].tolist() == [[1] * len(ids)]


def test_labels_are_numbers_and_missing_ones_are_marked(prepared: Prepared) -> None:
    store = store_of(prepared)
    assert store.splits["train"].labels.tolist() == [n % 2 for n in range(11)]
    assert store.splits["train"].is_labelled
    assert store.splits["test"].labels.tolist() == [UNLABELLED] * 2
    assert not store.splits["test"].is_labelled


def test_single_texts_and_models_without_types_are_stored_too(tmp_path: Path) -> None:
    store = store_of(prepared_from(tmp_path, pair=False), encode_to(64, pair=False, types=False))
    inputs = store.splits["test"].gather(torch.tensor([0, 1]), pad_id=9)
    assert inputs["input_ids"].tolist() == [[1, *map(ord, "xyz"), 2], [1, *map(ord, "支付"), 2, 9]]
    assert set(inputs) == {"input_ids", "attention_mask"}


def test_rows_are_cut_and_their_full_lengths_are_counted(prepared: Prepared) -> None:
    split = store_of(prepared, encode_to(4)).splits["test"]
    assert split.offsets.diff().tolist() == [4, 4]
    assert split.length_counts == {7: 1, 6: 1}


def test_a_store_that_is_there_is_opened_and_not_made_again(prepared: Prepared) -> None:
    first = store_of(prepared)
    again = store_of(prepared, never)
    assert again.folder == first.folder
    assert torch.equal(again.splits["train"].ids, first.splits["train"].ids)
    assert open_tokens(first.folder).splits["test"].length_counts == first.splits["test"].length_counts


def test_other_rows_and_other_encoders_have_stores_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    prepared, changed = prepared_from(tmp_path), prepared_from(tmp_path / "other", train=TRAIN[:-1])
    keys = {
        token_key(prepared, fingerprint="f"),
        token_key(prepared, fingerprint="g"),
        token_key(changed, fingerprint="f"),
    }
    assert len(keys) == 3
    assert token_key(prepared, fingerprint="f") in keys


def test_more_rows_than_are_read_at_once_come_out_in_order(tmp_path: Path) -> None:
    rows = [{"a": str(n), "b": "b", "label": "no" if n % 2 else "yes"} for n in range(5000)]
    prepared = prepared_from(tmp_path, train=rows)
    work = tokenize(prepared, encode=encode_to(64), fingerprint="f")
    seen = [activity for activity in work if isinstance(activity, Activity)]
    counts = [(activity.done, activity.total) for activity in seen if activity.name == "tokenize train"]
    assert len(counts) > 1
    assert counts == sorted(counts)
    assert counts[-1] == (5000, 5000)
    split = open_tokens(next((prepared.folder / "tokens").iterdir())).splits["train"]
    ids = split.gather(torch.tensor([0, 2047, 2048, 4999]), pad_id=0)["input_ids"]
    texts = ["".join(map(chr, row)).rstrip("\0") for row in ids.tolist()]
    assert texts == [f"\1{number}\2b\2" for number in (0, 2047, 2048, 4999)]


@pytest.mark.parametrize("name", ["train.ids", "train.type_ids", "test.offsets", "train.labels"])
def test_a_store_that_has_lost_something_is_made_anew(prepared: Prepared, name: str) -> None:
    folder = store_of(prepared).folder
    expected = store_of(prepared).splits["train"].ids.tolist()
    os.truncate(folder / name, 4)
    assert store_of(prepared).splits["train"].ids.tolist() == expected
    (folder / name).unlink()
    assert store_of(prepared).splits["train"].ids.tolist() == expected


def test_a_store_without_its_description_is_made_anew(prepared: Prepared) -> None:
    folder = store_of(prepared).folder
    (folder / "meta.json").unlink()
    assert store_of(prepared).splits["train"].num_rows == 11


def test_a_tokenizer_that_fails_leaves_nothing_behind(prepared: Prepared) -> None:
    with pytest.raises(AssertionError):
        store_of(prepared, never)
    assert list((prepared.folder / "tokens").iterdir()) == []
    assert store_of(prepared).splits["train"].num_rows == 11


def test_a_store_that_another_one_has_finished_in_the_meantime_is_used(prepared: Prepared) -> None:
    slow = tokenize(prepared, encode=encode_to(64), fingerprint="f")
    next(slow)
    fast = store_of(prepared)
    inode = fast.folder.stat().st_ino
    store = finish(slow)
    assert store.folder == fast.folder
    assert store.folder.stat().st_ino == inode
    assert store.splits["train"].ids.tolist() == fast.splits["train"].ids.tolist()
    assert list(store.folder.parent.iterdir()) == [store.folder]


def test_several_that_make_one_store_at_once_all_get_it_whole(prepared: Prepared) -> None:
    together = Barrier(3)
    met = local()

    def encode(rows: Sequence[Fields]) -> Encoded:
        if not hasattr(met, "others"):  # all have found no store, and have begun one
            met.others = together.wait(30)
        return encode_to(64)(rows)

    with ThreadPoolExecutor(3) as pool:
        stores = list(pool.map(lambda _: store_of(prepared, encode), range(3)))
    expected = encode_to(64)(TRAIN)
    for store in stores:
        assert store.splits["train"].ids.tolist() == list(chain.from_iterable(expected.ids))
    assert list((prepared.folder / "tokens").iterdir()) == [stores[0].folder]


def test_what_a_killed_process_left_of_a_store_is_removed_a_day_later(prepared: Prepared) -> None:
    folder = store_of(prepared).folder
    old, young = (folder.with_name(f".{folder.name}.{name}") for name in ("old", "young"))
    folder.rename(old)
    young.mkdir()
    for path in (old, *old.iterdir()):
        os.utime(path, (0, time.time() - 48 * 3600))
    store_of(prepared)
    assert sorted(folder.parent.iterdir()) == sorted([folder, young])


def test_a_store_that_can_not_be_written_is_a_data_error(prepared: Prepared) -> None:
    (prepared.folder / "tokens").touch()
    with pytest.raises(DataError, match="can't write the token store"):
        store_of(prepared)


def assert_stored_as_in_memory(prepared: Prepared, rows: Sequence[TokenRow], shape: Shape, task: str) -> None:
    labelled = [{"n": n, "label": label} for n, label in enumerate(labels_for(task, rows))]
    changed = relabelled(prepared, task, labelled, labels=() if task == "regression" else ("a", "b"))

    def encode(chunk: Sequence[Fields]) -> Encoded:
        return encoded([rows[cast("int", row["n"])] for row in chunk], shape)

    stored = store_of(changed, encode).splits["train"]
    assert_same_split(stored, TokenizedSplit.of(encode(labelled), targets_of(labelled, label_facts(changed))))


@settings(deadline=None, max_examples=40)
@given(shaped_rows(), st.data())
def test_a_split_on_disk_equals_one_in_memory(case: tuple[list[TokenRow], Shape], data: st.DataObject) -> None:
    rows, shape = case
    tasks = ["tagging"] if shape == "words" else ["classification", "multilabel", "regression"]
    with TemporaryDirectory() as folder:
        assert_stored_as_in_memory(prepared_from(Path(folder)), rows, shape, data.draw(st.sampled_from(tasks)))


@pytest.mark.parametrize(
    ("shape", "task"), [("plain", "classification"), ("several", "multilabel"), ("words", "tagging")]
)
def test_so_it_does_where_rows_are_read_in_several_lots(prepared: Prepared, shape: Shape, task: str) -> None:
    rows = [TokenRow([[n + 1] * (1 + n % 3)] * (1 + n % 2), [[0][: n % 3]] * (1 + n % 2)) for n in range(5000)]
    assert_stored_as_in_memory(prepared, rows if shape != "plain" else rows[::2], shape, task)
