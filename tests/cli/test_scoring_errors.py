"""What a user reads when rows can not be scored or predicted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.errors import refused
from tests.conftest import Ftcli, make_rows, write_rows


def test_a_prepared_data_set_with_other_labels_is_refused(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    card = 'name = "other"\ncolumns = { text = "a", pair = "b", label = "label" }\nfiles = { train = "rows.jsonl" }\n'
    (tmp_path / "card.toml").write_text(card)
    write_rows(tmp_path / "rows.jsonl", make_rows(9, seed=1, labels=("a", "b", "c")))
    assert ftcli("prepare", tmp_path / "card.toml", "--root", tmp_path).code == 0
    error = refused(ftcli("eval", "--ckpt", "run/best", "--data", tmp_path / "other"), 6)
    assert error == (
        f"error[checkpoint]: run/best was trained for the labels no, yes; {tmp_path / 'other'} has a, b, c\n"
        "help: evaluate a checkpoint on data with its own labels, in its own order\n"
    )


def test_a_row_with_a_label_that_the_checkpoint_does_not_know_is_located(
    trained: Path, tmp_path: Path, ftcli: Ftcli
) -> None:
    file = write_rows(tmp_path / "rows.jsonl", make_rows(9, seed=1, labels=("no", "maybe")))
    error = refused(ftcli("eval", "--ckpt", "run/best", "--input", file), 3)
    assert error == f"error[data]: unknown label `maybe`; the labels known are no, yes\n  --> {file}:2\n"


def test_rows_without_labels_can_not_be_scored(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [{"a": "open", "b": "card"}])
    error = refused(ftcli("eval", "--ckpt", "run/best", "--input", file), 3)
    assert error == (
        "error[data]: there is no label in column `label`, and only labelled rows can be scored\n"
        f"  --> {file}:1\n"
        "help: `ftcli predict` needs no labels\n"
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "error[data]: no such file: {}\n"),
        ("", "error[data]: there are no rows to evaluate\n"),
        ('{"a":"x","b":" ","label":"no"}', "error[data]: column `b` is empty\n  --> {}:1\n"),
        ('{"a"', "error[data]: not JSON: "),
    ],
)
def test_rows_that_can_not_be_scored_say_why(
    trained: Path, tmp_path: Path, ftcli: Ftcli, content: str | None, what: str
) -> None:
    file = tmp_path / "rows.jsonl"
    if content is not None:
        file.write_text(content)
    assert refused(ftcli("eval", "--ckpt", "run/best", "--input", file), 3).startswith(what.format(file))


def test_scoring_without_the_training_data_asks_for_rows(copied: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("eval", "--ckpt", copied / "export" / "hf"), 3)
    assert error.startswith("error[data]: no prepared data set in train-")
    assert error.endswith("\nhelp: say where rows are: --data DIR (a prepared data set) or --input FILE\n")
    error = refused(ftcli("eval", "--ckpt", "run/best", "--data", "none"), 3)
    assert error.startswith("error[data]: no prepared data set in none\n")


def test_predicting_rows_without_a_column_says_what_they_have(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [{"a": "open", "c": "card"}])
    error = refused(ftcli("predict", "--ckpt", "run/best", "--input", file), 3)
    assert error == (
        "error[data]: there is no column `b`; this row has a, c\n"
        f"  --> {file}:1\n"
        "help: `--pair COLUMN` says what it is called here;"
        " `--keep-going` gives such rows an `error` field and goes on\n"
    )


def test_a_line_that_can_not_be_read_is_shown_and_writes_nothing(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    file, output = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    file.write_text('{"a":"open","b":"card"}\n{"a": oops\n')
    error = refused(ftcli("predict", "--ckpt", "run/best", "--input", file, "--output", output), 3)
    assert error == (
        "error[data]: not JSON: unexpected character, expected a JSON value (column 7)\n"
        f" --> {file}:2\n"
        "  |\n"
        '2 | {"a": oops\n'
        "help: `--keep-going` gives such rows an `error` field and goes on\n"
    )
    assert list(tmp_path.iterdir()) == [file]


def test_predicting_can_go_on_past_bad_lines(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"a":"open","b":"card"}\n{"a": oops\n{"a":"open"}\n{"a":"my","b":"card"}\n')
    result = ftcli("predict", "--ckpt", "run/best", "--input", file, "--keep-going")
    assert result.code == 0
    first, unread, short, last = map(json.loads, result.out.splitlines())
    assert {"a", "b", "label", "probability"} == set(first) == set(last)
    assert unread == {"line": 2, "error": "not JSON: unexpected character, expected a JSON value (column 7)"}
    assert short == {"a": "open", "error": "there is no column `b`; this row has a"}
    assert result.err.endswith("2 of 4 rows could not be read\n")


@pytest.mark.parametrize(
    ("options", "code", "what"),
    [
        (
            ["--input", "none.jsonl"],
            3,
            "error[data]: no such file: none.jsonl\nhelp: `--input -` reads standard input\n",
        ),
        (
            ["--input", "test.jsonl", "--output", "none/out.jsonl"],
            2,
            "error[usage]: the output's folder does not exist: none\n",
        ),
        (
            ["--input", "test.jsonl", "--output", "run"],
            2,
            "error[usage]: the output run is a folder\nhelp: name a file in it\n",
        ),
        (
            ["--input", "test.jsonl", "--format", "xml"],
            2,
            "error[usage]: --format xml: there is no such format\n"
            "help: one of auto, jsonl, json, csv, tsv, conll, text, parquet\n",
        ),
        (
            ["--input", "test.jsonl", "--output-format", "xml"],
            2,
            "error[usage]: --output-format xml: there is no such format\nhelp: jsonl, csv, tsv or conll\n",
        ),
        (
            ["--input", "test.jsonl", "--delimiter", "ab"],
            2,
            "error[usage]: --delimiter ab: a delimiter is one character, and no quote or line end\n"
            "help: --delimiter ';', or --delimiter '\\t' for a tab\n",
        ),
    ],
)
def test_predicting_from_or_to_nowhere_is_refused(
    trained: Path, ftcli: Ftcli, options: list[str], code: int, what: str
) -> None:
    assert refused(ftcli("predict", "--ckpt", "run/best", *options), code) == what
