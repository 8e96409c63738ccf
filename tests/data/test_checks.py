"""Rows, labels and files that can't be used are named, located, and left out if asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.errors import RecipeError
from tests.data.toy import TRAIN, card, jsonl, refused, row, run


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
