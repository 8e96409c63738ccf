"""A prepared folder is there whole or not at all, and whatever is not ours in it stays."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from ftcli.data.dataset import open_prepared
from ftcli.data.prepare import prepare
from ftcli.errors import DataError
from ftcli.runtime.activity import finish
from tests.data.toy import TRAIN, card, jsonl, row, run


def test_an_old_data_set_stays_until_the_new_one_is_whole(files: Path) -> None:
    before = run(files)
    (files / "train.jsonl").write_text(jsonl(TRAIN) + "{")
    with pytest.raises(DataError):
        run(files)
    assert open_prepared(before.folder) == before
    assert sorted(path.name for path in files.parent.iterdir()) == ["files", "out"]


def test_a_preparation_that_is_broken_off_leaves_nothing(files: Path) -> None:
    work = prepare(
        card(), folder=files.parent / "out", card_folder=files, source=None, downloads=files.parent / "downloads"
    )
    while next(work).name != "read validation":
        pass
    work.close()
    assert sorted(path.name for path in files.parent.iterdir()) == ["files"]


def test_of_two_preparations_at_a_time_the_slower_replaces_what_the_faster_has_made(files: Path) -> None:
    """They take turns, but for on file systems without locks."""
    slow = prepare(
        card(), folder=files.parent / "out", card_folder=files, source=None, downloads=files.parent / "downloads"
    )
    next(slow)
    with ProcessPoolExecutor(1, get_context("spawn")) as another:
        fast = another.submit(run, files).result()
    prepared = finish(slow)
    assert prepared.facts == fast.facts
    assert open_prepared(prepared.folder) == prepared
    assert sorted(path.name for path in files.parent.iterdir()) == ["files", "out"]


def test_what_a_killed_preparation_left_is_removed_a_day_later(files: Path) -> None:
    old, young = files.parent / ".out.1.part", files.parent / ".out.2.part"
    old.mkdir()
    young.mkdir()
    os.utime(old, (0, time.time() - 48 * 3600))
    run(files)
    assert not old.exists()
    assert young.exists()


def test_a_folder_with_something_else_in_it_is_not_replaced(files: Path) -> None:
    mine = files.parent / "out" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("do not delete")
    with pytest.raises(DataError, match="isn't a prepared data set"):
        run(files)
    assert mine.read_text() == "do not delete"


def test_caches_outlive_a_new_preparation_only_of_the_same_rows(files: Path) -> None:
    folder = run(files).folder
    (folder / "tokens").mkdir()
    (folder / "notes.txt").write_text("mine")
    run(files)
    assert (folder / "tokens").is_dir()
    (files / "train.jsonl").write_text(jsonl([*TRAIN, row(4)]))
    run(files)
    assert not (folder / "tokens").exists()
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_missing_data_set_says_how_to_prepare_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        open_prepared(tmp_path / "toy")
    assert raised.value.problems[0].hint == "prepare it first: ftcli prepare toy"


def test_a_split_that_was_changed_is_noticed(files: Path) -> None:
    folder = run(files).folder
    with (folder / "train.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(DataError, match="the train split is"):
        open_prepared(folder)
    (folder / "train.jsonl").unlink()
    with pytest.raises(DataError, match="missing"):
        open_prepared(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"format_version": 99}', '{"format_version": 1}'])
def test_an_unreadable_description_is_an_error(files: Path, content: str) -> None:
    folder = run(files).folder
    (folder / "dataset.json").write_text(content)
    with pytest.raises(DataError) as raised:
        open_prepared(folder)
    assert raised.value.problems[0].hint.startswith("prepare it again: ftcli prepare out --force")


def test_an_unknown_split_is_an_error(files: Path) -> None:
    prepared = run(files, card(files={"train": "train.jsonl"}))
    with pytest.raises(DataError, match="no split called `test`"):
        prepared.rows("test")
