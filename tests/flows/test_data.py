"""Which prepared folder a recipe means, and when it is prepared anew."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from ftcli.data.dataset import Prepared
from ftcli.errors import DataError, RecipeError
from ftcli.flows.data import DataPlace, place_named, place_of, prepared_for, why_prepare
from ftcli.runtime.activity import Activity, finish
from ftcli.runtime.locks import WAITING
from ftcli.spec.sections import DataSection
from tests.conftest import Ftcli, make_rows, write_rows

COLUMNS = {"text": "a", "pair": "b", "label": "label"}
FILES = {"train": "train.jsonl", "validation": "validation.jsonl", "test": "test.jsonl"}


def place(**data: object) -> DataPlace:
    return place_of(DataSection.model_validate({**FILES, "columns": COLUMNS, **data}))


def prepare(place: DataPlace, *, force: bool = False) -> Prepared:
    return finish(prepared_for(place, force=force))


def is_stale(place: DataPlace) -> bool:
    return finish(why_prepare(place)) is not None


def stamp(place: DataPlace) -> int:
    return (place.folder / "dataset.json").stat().st_mtime_ns


def test_prepared_data_is_opened_not_prepared_again(project: Path) -> None:
    first = prepare(place())
    before = stamp(place())
    assert prepare(place()).facts == first.facts
    assert stamp(place()) == before
    prepare(place(), force=True)
    assert stamp(place()) != before


def test_of_two_that_prepare_at_a_time_one_does_and_the_other_opens_what_it_has_made(project: Path) -> None:
    first, second = prepared_for(place()), prepared_for(place())
    assert next(first).name == "check train.jsonl"
    assert next(second) is WAITING
    made = finish(first)
    before = stamp(place())
    assert list(second) == []
    assert stamp(place()) == before
    assert prepare(place()).facts == made.facts


def test_one_that_asks_for_it_waits_for_its_turn_and_prepares_all_the_same(project: Path) -> None:
    first, second = prepared_for(place()), prepared_for(place(), force=True)
    next(first)
    assert next(second) is WAITING
    finish(first)
    assert next(activity.name for activity in second) == "check train.jsonl"


def test_of_two_that_prepare_at_a_time_the_second_does_where_the_first_has_failed(project: Path) -> None:
    first, second = prepared_for(place()), prepared_for(place())
    next(first)
    assert next(second) is WAITING
    first.close()
    assert finish(second).facts.name == place().card.name
    assert not is_stale(place())


@pytest.mark.parametrize("file", FILES.values())
def test_own_files_that_have_changed_are_prepared_anew(project: Path, file: str) -> None:
    before = prepare(place())
    assert not is_stale(place())
    rows = make_rows(13, seed=8)
    write_rows(project / file, rows)
    assert is_stale(place())
    after = prepare(place())
    assert after.folder == before.folder
    assert after.facts.rows_sha256 != before.facts.rows_sha256
    assert list(after.rows(file.removesuffix(".jsonl"))) == rows
    assert not is_stale(place())


def test_a_file_that_is_gone_does_not_take_the_prepared_rows_with_it(project: Path) -> None:
    before = prepare(place())
    (project / "train.jsonl").unlink()
    assert not is_stale(place())
    assert prepare(place()).facts == before.facts


def test_a_touched_file_with_the_same_rows_is_not_stale(project: Path) -> None:
    prepare(place())
    file = project / "train.jsonl"
    file.write_bytes(file.read_bytes())
    os.utime(file, ns=(1, 1))
    assert not is_stale(place())


def test_only_a_file_whose_size_or_time_has_changed_is_read_again(project: Path) -> None:
    prepare(place())
    assert list(why_prepare(place())) == []
    file = project / "test.jsonl"
    os.utime(file, ns=(1, 1))
    size = file.stat().st_size
    assert list(why_prepare(place())) == [Activity("check test.jsonl", size, size, "bytes")]


def test_the_same_files_are_the_same_data_however_their_path_is_written(project: Path) -> None:
    there = place().folder.resolve()
    assert place(train=str(project / "train.jsonl")).folder.resolve() == there
    assert place(train="./train.jsonl").folder.resolve() == there
    assert there.name.startswith("train-")


@pytest.mark.parametrize(
    "change",
    [
        {"train": "validation.jsonl"},
        {"test": "off"},
        {"columns": {"text": "a", "label": "label"}},
        {"columns": {"text": "b", "pair": "a", "label": "label"}},
        {"labels": ["yes", "no"]},
        {"validation": "off", "holdout": 0.2},
        {"format": {"kind": "jsonl", "encoding": "utf-16"}},
        {"label_map": {"yes": "same"}},
        {"label_separator": ";"},
        {"tags": {"to": "bio"}},
    ],
)
def test_whatever_changes_the_rows_or_labels_is_other_data(project: Path, change: dict[str, object]) -> None:
    assert place(**change).folder != place().folder


def test_another_task_is_other_data(project: Path) -> None:
    data = DataSection.model_validate({**FILES, "columns": COLUMNS})
    folders = {place_of(data, task=task).folder for task in ("classification", "multilabel", "custom")}
    assert len(folders) == 3
    assert place_of(data, task="multilabel").card.task == "multilabel"


def test_a_data_set_for_another_task_is_refused_with_both_named(project: Path) -> None:
    with pytest.raises(RecipeError, match="`demo` is for classification, but the recipe's task is tagging") as caught:
        place_of(DataSection(name="demo"), task="tagging")
    assert caught.value.problems[0].key == ("data", "name")
    Path("card.toml").write_text('task = "custom"\n' + CARD.format(**VALUES))
    assert place_of(DataSection(name="card.toml"), task="tagging").card.task == "custom"


def test_data_prepared_in_an_older_format_is_stale(project: Path) -> None:
    file = prepare(place()).folder / "dataset.json"
    file.write_text(file.read_text().replace('"format_version": 4', '"format_version": 2'))
    assert str(finish(why_prepare(place()))).endswith("was prepared by an older version of ftcli: preparing it anew")
    prepare(place())
    assert not is_stale(place())


def test_data_prepared_in_a_newer_format_is_refused(project: Path) -> None:
    file = prepare(place()).folder / "dataset.json"
    file.write_text(file.read_text().replace('"format_version": 4', '"format_version": 99'))
    with pytest.raises(DataError, match="prepared in format 99; format 4 is needed"):
        prepare(place())


def test_another_order_of_labels_is_never_read_from_the_old_folder(project: Path) -> None:
    assert prepare(place()).facts.labels == ("no", "yes")
    assert prepare(place(labels=["yes", "no"])).facts.labels == ("yes", "no")


def test_another_share_held_out_is_never_read_from_the_old_folder(project: Path) -> None:
    rows = {share: prepare(place(validation="off", holdout=share)).facts.splits for share in (0.2, 0.5)}
    assert 0 < rows[0.2]["validation"].rows < rows[0.5]["validation"].rows
    assert all(splits["train"].rows + splits["validation"].rows == 45 for splits in rows.values())


def test_a_name_that_is_not_ascii_still_makes_a_folder(project: Path) -> None:
    write_rows(project / "训练.jsonl", make_rows(9, seed=1))
    found = prepare(place(train="训练.jsonl"))
    assert found.folder.name.startswith("data-")
    assert found.facts.splits["train"].rows == 9


CARD = """
name = "own"
title = "{title}"
files = {{ train = "{train}" }}
columns = {{ text = "{text}", label = "label" }}
labels = {labels}
holdout = {holdout}
format = {{ quotes = "{quotes}" }}
"""
VALUES = {"title": "", "train": "train.jsonl", "text": "a", "labels": '["no", "yes"]', "holdout": 0.2, "quotes": "auto"}


def card(**changes: str | float) -> DataPlace:
    Path("card.toml").write_text(CARD.format(**VALUES | changes))
    return place_named("card.toml", Path("data"))


@pytest.mark.parametrize("change", [{"quotes": "literal"}, {"train": "test.jsonl"}, {"text": "b"}])
def test_a_card_that_says_anything_else_about_its_rows_is_prepared_anew(project: Path, change: dict[str, str]) -> None:
    prepare(card())
    assert finish(why_prepare(card())) is None
    assert finish(why_prepare(card(**change))) == "the data card of own has changed: preparing it anew"
    prepare(card(**change))
    assert not is_stale(card(**change))


def test_another_title_of_a_card_changes_nothing(project: Path) -> None:
    prepare(card())
    assert not is_stale(card(title="Better said"))


def test_files_from_elsewhere_do_not_hide_that_the_card_has_changed(project: Path) -> None:
    finish(prepared_for(card(train="gone.jsonl"), source="train.jsonl"))
    assert not is_stale(card(train="gone.jsonl"))
    assert is_stale(card(train="gone.jsonl", text="b"))


@pytest.mark.parametrize("change", [{"labels": '["yes", "no"]'}, {"holdout": 0.4}])
def test_data_whose_card_has_changed_is_prepared_anew(project: Path, change: dict[str, str | float]) -> None:
    before = prepare(card())
    assert not is_stale(card())
    assert is_stale(card(**change))
    after = prepare(card(**change))
    assert after.folder == before.folder
    assert after.facts.rows_sha256 != before.facts.rows_sha256


def test_a_card_finds_its_files_beside_itself(project: Path) -> None:
    (project / "deep").mkdir()
    (project / "deep" / "card.toml").write_text(CARD.format(**VALUES | {"holdout": 0.0}))
    write_rows(project / "deep" / "train.jsonl", make_rows(10, seed=5))
    found = prepare(place_named("deep/card.toml", Path("data")))
    assert found.facts.splits["train"].rows == 10
    assert found.folder == Path("data/own")


def test_a_built_in_is_found_by_its_name_and_a_missing_one_at_its_key(project: Path) -> None:
    assert place_named("demo", Path("data")).folder == Path("data/demo")
    with pytest.raises(RecipeError, match="no built-in data set called `dmeo`") as caught:
        place_of(DataSection(name="dmeo"))
    assert caught.value.problems[0].key == ("data", "name")


def test_a_damaged_prepared_folder_is_an_error_until_it_is_made_again(project: Path) -> None:
    found = prepare(place())
    with (found.folder / "train.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(DataError, match=r"the train split is [\d,]+ bytes long, but [\d,]+ were prepared"):
        prepare(place())
    prepare(place(), force=True)
    assert prepare(place()).facts == found.facts


def test_training_on_changed_files_says_that_they_are_prepared_anew(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("prepare", "tiny.toml").code == 0
    unchanged = ftcli("train", "tiny.toml", "--set", "train.steps=1", "--run-dir", "one")
    assert "prepar" not in unchanged.err
    write_rows(project / "train.jsonl", make_rows(33, seed=6))
    changed = ftcli("train", "tiny.toml", "--set", "train.steps=1", "--run-dir", "two")
    assert changed.code == 0, changed.err
    assert "have changed: preparing it anew" in changed.err
    assert "train 33, validation 21, test 11 rows" in changed.err


def test_training_on_an_edited_card_says_so_and_takes_the_new_rows(project: Path, ftcli: Ftcli) -> None:
    card()
    command = ["train", "tiny.toml", "--set", "data={ name = 'card.toml', max_length = 32 }", "--set", "train.steps=1"]
    recipe = Path("tiny.toml").read_text()
    Path("tiny.toml").write_text(recipe[: recipe.index("[data]")] + recipe[recipe.index("[model]") :])
    assert ftcli(*command, "--run-dir", "one").code == 0
    again = ftcli(*command, "--run-dir", "two")
    assert "prepar" not in again.err
    card(train="validation.jsonl")
    changed = ftcli(*command, "--run-dir", "three")
    assert changed.code == 0, changed.err
    assert "the data card of own has changed: preparing it anew" in changed.err


def test_generated_data_is_prepared_anew_when_what_generates_it_has_changed(tmp_path: Path) -> None:
    demo = place_named("demo-stars", tmp_path)
    prepare(demo)
    assert not is_stale(demo)
    facts = json.loads((demo.folder / "dataset.json").read_text())
    facts["card_sha256"] = hashlib.sha256(demo.card.model_dump_json().encode()).hexdigest()  # of no such generator
    (demo.folder / "dataset.json").write_text(json.dumps(facts))
    assert finish(why_prepare(demo)) == "the generator of demo-stars has changed: preparing it anew"
