"""Rows with a prediction: nothing of the input is lost, and a file is there whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.errors import DataError
from ftcli.flows.writing import ERRORS, RowEncoder, answered, kept, write_whole
from tests.conftest import Ftcli, make_rows, write_rows

RESULTS = ("label", "probability")


def written(rows: list[dict[str, object]], format: str) -> str:
    return RowEncoder(format, last=RESULTS).encode(rows).decode()


def test_the_prediction_follows_the_rows_own_fields() -> None:
    (row,) = answered([{"id": 7, "a": "x"}], [{"label": "yes", "probability": 0.5}], reserved=RESULTS)
    assert list(row.items()) == [("id", 7), ("a", "x"), ("label", "yes"), ("probability", 0.5)]


def test_fields_that_are_called_like_the_prediction_are_kept_under_other_names() -> None:
    rows = [{"label": "no", "a": "x", "probability": 1}]
    (row,) = answered(rows, [{"label": "yes", "probability": 0.5}], reserved=RESULTS)
    assert list(row.items()) == [
        ("gold", "no"),
        ("a", "x"),
        ("input_probability", 1),
        ("label", "yes"),
        ("probability", 0.5),
    ]


NAMES = ["label", "labels", "gold", "input_gold", "probability", "input_probability", "error", "line", "x"]


@given(
    row=st.dictionaries(st.sampled_from(NAMES), st.integers()),
    reserved=st.sampled_from([RESULTS, (*RESULTS, *ERRORS), ("labels", "probabilities"), ("value",)]),
)
@settings(deadline=None, max_examples=60)
def test_no_field_of_the_input_is_lost_or_taken_for_a_result(row: dict[str, object], reserved: tuple[str, ...]) -> None:
    result = kept(row, reserved=reserved)
    assert list(result.values()) == list(row.values())
    assert not set(result) & set(reserved)
    assert {name: result[name] for name in row if name not in reserved} == {
        name: value for name, value in row.items() if name not in reserved
    }


def test_as_many_answers_as_rows_are_demanded() -> None:
    with pytest.raises(ValueError, match="zip"):
        list(answered([{}], [{}, {}], reserved=RESULTS))


values = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(st.characters(codec="utf-8")))


@given(rows=st.lists(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), values), max_size=5))
@settings(deadline=None, max_examples=60)
def test_json_lines_give_back_every_value(rows: list[dict[str, object]]) -> None:
    text = written(rows, "jsonl")
    assert [json.loads(line) for line in text.split("\n")[:-1]] == rows


@given(texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0")), min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_csv_gives_back_every_text_with_its_commas_quotes_and_line_ends(texts: list[str]) -> None:
    text = written([{"a": value, "label": "no"} for value in texts], "csv")
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["a"] for row in read] == texts


def test_csv_takes_its_columns_from_the_first_rows_and_leaves_blanks() -> None:
    rows: list[dict[str, object]] = [{"label": "no", "a": 1, "b": None}, {"b": [1, "x"], "c": "kept"}, {"a": True}]
    expected = 'a,b,c,label,probability\n1,,,no,\n,"[1,""x""]",kept,,\ntrue,,,,\n'
    assert written(rows, "csv") == expected


def test_a_field_that_the_first_rows_of_a_csv_had_not_is_an_error_and_not_lost() -> None:
    encoder = RowEncoder("csv", last=RESULTS)
    encoder.encode([{"a": 1}])
    with pytest.raises(DataError, match="a field `b`"):
        encoder.encode([{"a": 1, "b": 2}])


def test_rows_with_errors_have_a_column_for_them_in_csv() -> None:
    encoder = RowEncoder("csv", last=(*RESULTS, *ERRORS))
    parts = [encoder.encode([row]) for row in ({"a": 1, "error": "no text"}, {"line": 2, "error": "not JSON"})]
    assert b"".join(parts) == b"a,label,probability,line,error\n1,,,,no text\n,,,2,not JSON\n"


def test_a_file_appears_only_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "test.jsonl"

    def rows() -> Iterator[dict[str, object]]:
        yield {"n": 1}
        assert not path.exists()
        yield {"n": 2}

    write_whole(path, rows())
    assert path.read_text() == '{"n":1}\n{"n":2}\n'
    assert [file.name for file in path.parent.iterdir()] == ["test.jsonl"]


def test_an_old_file_stays_as_it_was_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text("old\n")

    def rows() -> Iterator[dict[str, object]]:
        yield {"n": 1}
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, rows())
    assert path.read_text() == "old\n"


def test_predicting_to_csv_keeps_rows_and_order(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml", "--set", "train.steps=1").code == 0
    rows = [{**row, "id": str(number)} for number, row in enumerate(make_rows(9, seed=4))]
    write_rows(project / "rows.jsonl", rows)
    result = ftcli("predict", "--ckpt", "run/best", "--input", "rows.jsonl", "--output", "out.csv")
    assert result.code == 0, result.err
    with Path("out.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["id"] for row in read] == [row["id"] for row in rows]
    assert [row["gold"] for row in read] == [row["label"] for row in rows]
    assert {row["label"] for row in read} <= {"no", "yes"}
    assert all(0.5 <= float(row["probability"]) <= 1 for row in read)
