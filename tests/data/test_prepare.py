from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from ftcli.data.dataset import Prepared, open_prepared
from ftcli.data.prepare import is_held_out, prepare, read_profile
from ftcli.data.profile import with_token_lengths
from ftcli.data.report import write_report
from ftcli.errors import DataError, RecipeError
from ftcli.runtime.activity import Activity, finish
from ftcli.spec.card import DataCard

PAIR = {"text": "q1", "pair": "q2", "label": "y"}


def card(**changes: Any) -> DataCard:
    content: dict[str, Any] = {
        "name": "toy",
        "columns": PAIR,
        "files": {"train": "train.jsonl", "validation": "dev.csv", "test": "test.jsonl"},
    }
    return DataCard.model_validate(content | changes)


def jsonl(rows: Iterable[object]) -> str:
    return "".join(orjson.dumps(row).decode() + "\n" for row in rows)


def row(number: int, **changes: object) -> dict[str, object]:
    return {"id": number, "q1": f"first {number}", "q2": f"second {number}", "y": number % 2} | changes


TRAIN = [row(number) for number in range(4)]
TEST = [{"q1": "only", "q2": "texts"}]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "train.jsonl").write_text(jsonl(TRAIN))
    (folder / "dev.csv").write_text('q1,q2,y,note\n"a, b",c,1,x\nd,e,0,\n')
    (folder / "test.jsonl").write_text(jsonl(TEST))
    return folder


def run(files: Path, asked: DataCard | None = None, *, max_bad_rows: int = 0, source: str | None = None) -> Prepared:
    work = prepare(
        asked or card(),
        folder=files.parent / "out",
        card_folder=files,
        source=source,
        downloads=files.parent / "downloads",
        max_bad_rows=max_bad_rows,
    )
    return finish(work)


def refused(files: Path, asked: DataCard | None = None, *, max_bad_rows: int = 0) -> DataError:
    with pytest.raises(DataError) as raised:
        run(files, asked, max_bad_rows=max_bad_rows)
    assert sorted(path.name for path in files.parent.iterdir()) == ["files"]
    return raised.value


def test_rows_keep_their_fields_and_get_labels_as_text(files: Path) -> None:
    prepared = run(files)
    assert list(prepared.rows("train")) == [fields | {"y": str(fields["y"])} for fields in TRAIN]
    assert next(prepared.rows("validation")) == {"q1": "a, b", "q2": "c", "y": "1", "note": "x"}
    assert list(prepared.rows("test")) == TEST
    assert (prepared.folder / "test.jsonl").read_bytes() == b'{"q1":"only","q2":"texts"}\n'


def test_the_facts_say_what_was_found(files: Path) -> None:
    facts = run(files).facts
    assert facts.labels == ("0", "1")
    assert {split: (s.rows, s.labelled, s.label_counts, s.source) for split, s in facts.splits.items()} == {
        "train": (4, 4, {"0": 2, "1": 2}, "train.jsonl"),
        "validation": (2, 2, {"0": 1, "1": 1}, "dev.csv"),
        "test": (1, 0, {}, "test.jsonl"),
    }
    assert [source.bytes for source in facts.sources] == [
        (files / name).stat().st_size for name in ("train.jsonl", "dev.csv", "test.jsonl")
    ]
    assert facts.bad_rows.count == 0


def test_a_prepared_folder_opens_again(files: Path) -> None:
    prepared = run(files)
    again = open_prepared(prepared.folder)
    assert again == prepared
    assert sorted(path.name for path in again.folder.iterdir()) == [
        "dataset.json",
        "report.json",
        "report.md",
        "test.jsonl",
        "train.jsonl",
        "validation.jsonl",
    ]


def test_the_report_is_there_to_read(files: Path) -> None:
    prepared = run(files)
    assert read_profile(prepared).splits["train"].rows == 4
    report = (prepared.folder / "report.md").read_text()
    assert "| train | 4 | 0 (50.0%) | 2 (50.0%) | 2 (50.0%) |" in report
    assert "| test | 1 | unlabelled | – | – |" in report


def test_the_report_can_be_written_again_with_token_lengths(files: Path) -> None:
    prepared = run(files)
    longer = with_token_lengths(read_profile(prepared), lengths={"train": [7, 9]}, max_length=8)
    write_report(prepared.folder, longer, facts=prepared.facts)
    assert read_profile(prepared) == longer
    assert "| train | tokens | 7 | 9 | 9 | 9 | 9 | 1 rows beyond 8 |" in (prepared.folder / "report.md").read_text()
    run(files)
    assert open_prepared(prepared.folder) == prepared


def test_progress_is_reported_in_bytes_to_the_end(files: Path) -> None:
    work = prepare(
        card(), folder=files.parent / "out", card_folder=files, source=None, downloads=files.parent / "downloads"
    )
    activities = list(work)
    size = (files / "train.jsonl").stat().st_size
    assert Activity("read train", size, size, "bytes") in activities


def test_numbers_become_text(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl([row(0, q1=12), row(1, q2=2.5)]))
    rows = list(run(files).rows("train"))
    assert (rows[0]["q1"], rows[1]["q2"]) == ("12", "2.5")


def test_labels_sort_by_number_when_all_are_numbers(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl(row(n, y=y) for n, y in enumerate([10, 9, -1, 1, 0])))
    assert run(files).facts.labels == ("-1", "0", "1", "9", "10")


def test_labels_of_the_card_keep_their_order(files: Path) -> None:
    facts = run(files, card(labels=["1", "0", "2"])).facts
    assert facts.labels == ("1", "0", "2")
    assert facts.splits["train"].label_counts == {"1": 2, "0": 2, "2": 0}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"q1": "a", "q2"', "not JSON"),
        (jsonl([row(9, q1=None)]), "column `q1` is missing"),
        (jsonl([{"q1": "a", "y": 1}]), "column `q2` is missing"),
        (jsonl([row(9, q2="  ")]), "column `q2` is empty"),
        (jsonl([row(9, q2=["a"])]), "column `q2` holds a list, not text"),
        (jsonl([row(9, q2=True)]), "column `q2` holds true, not text"),
        (jsonl([row(9, y=None)]), "it has no label in column `y`"),
        (jsonl([row(9, y="")]), "it has no label in column `y`"),
        (jsonl([row(9, y=[1])]), "column `y` holds a list, not a label"),
        (jsonl([row(9, y="2")]), "unknown label `2`; the labels known are 0, 1"),
    ],
)
def test_a_bad_row_stops_with_its_place_or_is_left_out(files: Path, bad: str, reason: str) -> None:
    (files / "train.jsonl").write_text(jsonl(TRAIN[:2]) + bad.rstrip("\n") + "\n" + jsonl(TRAIN[2:]))
    asked = card(labels=["0", "1"])
    problem = refused(files, asked).problems[0]
    assert reason in problem.what
    assert problem.where is not None
    assert (problem.where.file, problem.where.line) == (str(files / "train.jsonl"), 3)
    assert problem.hint is not None
    assert "--max-bad-rows" in problem.hint
    prepared = run(files, asked, max_bad_rows=1)
    assert [fields["id"] for fields in prepared.rows("train")] == [0, 1, 2, 3]
    example = prepared.facts.bad_rows.examples[0]
    assert prepared.facts.bad_rows.count == 1
    assert example.location == f"{files / 'train.jsonl'}:3"
    assert reason in example.reason


def test_bad_rows_are_counted_over_all_splits(files: Path) -> None:
    (files / "train.jsonl").write_text("{\n" + jsonl(TRAIN))
    (files / "dev.csv").write_text("q1,q2,y\na,b\na,b,1\n")
    assert len(refused(files, max_bad_rows=1).problems) == 2
    assert run(files, max_bad_rows=2).facts.bad_rows.count == 2


def test_only_the_first_hundred_bad_rows_are_recorded(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl(TRAIN) + "{\n" * 150)
    bad_rows = run(files, max_bad_rows=200).facts.bad_rows
    assert (bad_rows.count, len(bad_rows.examples)) == (150, 100)


def test_missing_columns_are_named_with_what_there_is(files: Path) -> None:
    (files / "dev.csv").write_text("q1,Q2,label\na,b,1\n")
    problems = refused(files).problems
    assert [problem.what for problem in problems] == ["there is no column `q2`", "there is no column `y`"]
    assert problems[0].hint == "did you mean `Q2`? The columns are: q1, Q2, label"
    assert str(problems[0].where) == f"{files / 'dev.csv'}:1"


def test_a_label_that_train_does_not_have_is_unknown(files: Path) -> None:
    (files / "dev.csv").write_text("q1,q2,y\na,b,1\nc,d,maybe\n")
    problem = refused(files).problems[0]
    assert "unknown label `maybe`; the labels known are 0, 1" in problem.what
    assert str(problem.where) == f"{files / 'dev.csv'}:3"


@pytest.mark.parametrize("labels", [(1, None), (None, 1)])
def test_a_test_split_is_labelled_wholly_or_not_at_all(files: Path, labels: tuple[object, object]) -> None:
    (files / "test.jsonl").write_text(jsonl([row(0, y=labels[0]), row(1, y=labels[1])]))
    assert "label all or none" in refused(files).problems[0].what


def test_a_labelled_test_split_is_counted(files: Path) -> None:
    (files / "test.jsonl").write_text(jsonl([row(0), row(1)]))
    assert run(files).facts.splits["test"].label_counts == {"0": 1, "1": 1}


def test_train_needs_two_labels(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl([row(0), row(2)]))
    assert "nothing to learn" in refused(files).problems[0].what


@pytest.mark.parametrize("name", ["train.jsonl", "dev.csv", "test.jsonl"])
def test_an_empty_file_is_an_error(files: Path, name: str) -> None:
    (files / name).write_text("")
    assert "no row" in refused(files).problems[0].what


def test_a_card_needs_a_label_column(files: Path) -> None:
    with pytest.raises(RecipeError, match=r"columns\.label"):
        run(files, card(columns={"text": "q1"}))


def test_a_missing_file_is_named(files: Path) -> None:
    (files / "dev.csv").unlink()
    assert "`dev.csv`" in refused(files).problems[0].what


def holdout_card() -> DataCard:
    return card(files={"train": "train.jsonl"}, holdout=0.25)


def test_held_out_rows_are_the_same_each_time_and_none_is_lost(files: Path) -> None:
    every = [row(number) for number in range(400)]
    (files / "train.jsonl").write_text(jsonl(every))
    first = run(files, holdout_card())
    held_out = [fields["id"] for fields in first.rows("validation")]
    assert held_out == [number for number in range(400) if is_held_out(number, share=0.25)]
    assert 70 < len(held_out) < 130
    assert sorted(held_out + [fields["id"] for fields in first.rows("train")]) == list(range(400))
    assert run(files, holdout_card()).facts == first.facts


def test_a_row_is_held_out_whatever_follows_it(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl(row(number) for number in range(40)))
    few = [fields["id"] for fields in run(files, holdout_card()).rows("validation")]
    (files / "train.jsonl").write_text(jsonl(row(number) for number in range(80)))
    many = [fields["id"] for fields in run(files, holdout_card()).rows("validation")]
    assert many[: len(few)] == few


def test_a_holdout_of_nothing_is_an_error(files: Path) -> None:
    assert "holdout" in refused(files, card(files={"train": "train.jsonl"}, holdout=0.0001)).problems[0].what


def test_the_rows_hash_follows_rows_labels_and_columns(files: Path) -> None:
    first = run(files).facts.rows_sha256
    assert run(files, card(title="another title")).facts.rows_sha256 == first
    assert run(files, card(labels=["1", "0"])).facts.rows_sha256 != first
    assert run(files, card(columns={"text": "q1", "label": "y"})).facts.rows_sha256 != first
    (files / "train.jsonl").write_text(jsonl([*TRAIN, row(4)]))
    assert run(files).facts.rows_sha256 != first


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


def test_rows_are_read_out_of_an_archive(files: Path) -> None:
    archive = files.parent / "toy.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
        for path in files.iterdir():
            content.write(path, f"toy/{path.name}")
    plain = run(files)
    packed = run(files, source=str(archive))
    assert packed.facts.rows_sha256 == plain.facts.rows_sha256
    assert [source.location for source in packed.facts.sources] == [str(archive)]
    (files / "train.jsonl").write_text(jsonl(TRAIN) + "{\n")
    with zipfile.ZipFile(archive, "w") as content:
        content.write(files / "train.jsonl", "toy/train.jsonl")
    with pytest.raises(DataError) as raised:
        run(files, card(files={"train": "train.jsonl"}), source=str(archive))
    assert str(raised.value.problems[0].where) == f"{archive}/toy/train.jsonl:5"


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
