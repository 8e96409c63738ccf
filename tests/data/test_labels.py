"""Rows of tasks whose labels are more than one text: several labels, numbers, or whatever the user makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcli.data.labels import LabelNames, read_labels, read_number, sort_labels
from ftcli.errors import RecipeError
from tests.data.toy import card, jsonl, refused, row, run


def test_several_labels_are_written_in_label_order(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl([row(0, y=["b", "a"]), row(1, y=[]), row(2, y=["10", "9", "b", "b"])]))
    (files / "dev.csv").write_text('q1,q2,y\nx,y,"b, a"\nz,w,\nv,u,9\n')
    found = run(files, card(task="multilabel"))
    assert found.facts.labels == ("9", "10", "a", "b")
    assert [fields["y"] for fields in found.rows("train")] == [["a", "b"], [], ["9", "10", "b"]]
    assert [fields["y"] for fields in found.rows("validation")] == [["a", "b"], [], ["9"]]
    train = found.facts.splits["train"]
    assert (train.labelled, train.label_counts) == (3, {"9": 1, "10": 1, "a": 1, "b": 2})
    assert found.facts.splits["test"].labelled == 0


def test_labels_of_a_text_are_parted_by_any_separator(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl([row(0, y="a, 1|b"), row(1, y="c|")]))
    asked = card(task="multilabel", label_separator="|", labels=["c", "b", "a, 1"], files={"train": "train.jsonl"})
    assert [fields["y"] for fields in run(files, asked).rows("train")] == [["b", "a, 1"], ["c"]]


@pytest.mark.parametrize(
    ("task", "value", "reason"),
    [
        ("multilabel", None, "it has no label in column `y`"),
        ("multilabel", 3, "column `y` holds the number 3, not a list of labels"),
        ("multilabel", ["a", ["b"]], "column `y` holds a list with a list in it, not labels"),
        ("multilabel", ["a", "z"], "unknown label `z`; the labels known are a, b"),
        ("regression", None, "it has no label in column `y`"),
        ("regression", " ", "it has no label in column `y`"),
        ("regression", "high", "column `y` holds `high`, which is no finite number"),
        ("regression", "nan", "column `y` holds `nan`, which is no finite number"),
        ("regression", "1e999", "column `y` holds `1e999`, which is no finite number"),
        ("regression", True, "column `y` holds true, not a number"),
        ("regression", [1.0], "column `y` holds a list, not a number"),
    ],
)
def test_a_bad_label_says_why(files: Path, task: str, value: object, reason: str) -> None:
    good = ["a", "b"] if task == "multilabel" else 1.5
    (files / "train.jsonl").write_text(jsonl([row(0, y=good), row(1, y=value)]))
    labels = {"labels": ["a", "b"]} if task == "multilabel" else {}
    problem = refused(files, card(task=task, files={"train": "train.jsonl"}, **labels)).problems[0]
    assert problem.what == f"a row can't be used: {reason}"
    assert str(problem.where) == f"{files / 'train.jsonl'}:2"


def test_numbers_are_written_as_numbers(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl([row(0, y=1), row(1, y=" 2.5 "), row(2, y=-0.5), row(3, y="1e3")]))
    found = run(files, card(task="regression"))
    assert [fields["y"] for fields in found.rows("train")] == [1.0, 2.5, -0.5, 1000.0]
    assert found.facts.labels == ()
    assert (found.facts.splits["train"].labelled, found.facts.splits["test"].labelled) == (4, 0)
    assert found.facts.splits["train"].label_counts == {}


def test_one_number_alone_is_no_error(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl([row(0, y=1), row(1, y=1)]))
    assert run(files, card(task="regression", files={"train": "train.jsonl"})).facts.splits["train"].rows == 2


@pytest.mark.parametrize("given", [{"labels": ["1"]}, {"label_map": {"1": "2"}}])
def test_regression_has_no_names_of_labels(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="labels and label_map have no place"):
        card(task="regression", **given)


def test_a_label_map_renames_labels_before_they_are_compared(files: Path) -> None:
    asked = card(label_map={"0": "different", "1": "same"}, labels=["same", "different"])
    found = run(files, asked)
    assert [fields["y"] for fields in found.rows("train")] == ["different", "same", "different", "same"]
    assert found.facts.labels == ("same", "different")


def test_a_label_map_must_rename_something(files: Path) -> None:
    with pytest.raises(RecipeError, match="`label_map` renames `2`, which no row has") as raised:
        run(files, card(label_map={"0": "no", "2": "maybe"}))
    assert raised.value.problems[0].key == ("data", "label_map", "2")


def test_a_custom_task_gets_rows_as_they_are(files: Path) -> None:
    rows = [{"q1": ["any", 1], "q2": "text", "x": {"deep": None}}, {"q1": 1, "q2": "t"}]
    (files / "train.jsonl").write_text(jsonl(rows))
    asked = card(task="custom", columns={"text": "q1", "pair": "q2"}, files={"train": "train.jsonl"})
    found = run(files, asked)
    assert list(found.rows("train")) == rows
    assert (found.facts.labels, found.facts.splits["train"].labelled) == ((), 0)


def test_a_custom_task_needs_its_texts(files: Path) -> None:
    (files / "train.jsonl").write_text(jsonl([{"q1": "a", "q2": "b"}, {"q1": "a", "q2": None}]))
    asked = card(task="custom", columns={"text": "q1", "pair": "q2"}, files={"train": "train.jsonl"})
    assert "column `q2` is missing" in refused(files, asked).problems[0].what


def test_whole_numbers_come_first_and_by_value() -> None:
    assert sort_labels(["b", "10", "9", "-1", "a", "1.5"], column="y") == ("-1", "9", "10", "1.5", "a", "b")


labels = st.sampled_from(["a", "b", "10", "9", "-1", "x y", "标签"])


@given(st.lists(st.lists(labels, max_size=4), min_size=1, max_size=6))
def test_rows_read_before_the_labels_are_known_are_in_the_same_order(rows: list[list[str]]) -> None:
    def read_all(names: LabelNames) -> list[object]:
        return [read_labels(value, names=names, column="y", separator=",") for value in rows]

    names = LabelNames(None, {})
    before = read_all(names)
    names.settle(column="y")
    assert read_all(names) == before


@given(st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_any_finite_number_reads_back(number: float, as_text: bool) -> None:
    answer = read_number(repr(number) if as_text else number, column="y")
    assert not isinstance(answer, str | None)
    assert answer.value == number
