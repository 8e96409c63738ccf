"""What `prepare` says of a recipe's data, and what `train` repeats of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Ftcli, make_rows, write_rows


def findings(out: str) -> str:
    """The list of findings as one line."""
    return " ".join(out[out.index("\nfindings\n") :].split())


def test_a_recipe_adds_what_its_tokenizer_and_batch_make_of_the_data(project: Path, ftcli: Ftcli) -> None:
    rows = make_rows(45, seed=1)
    for fields in rows[:20]:
        fields["a"] = "zzz " * 30
    write_rows(project / "train.jsonl", rows)
    done = ftcli("prepare", "tiny.toml")
    assert done.code == 0, done.err
    said = findings(done.out)
    assert "rows of train (44.4%) are longer than max_length 32 and cut" in said
    assert "of the pieces of a text the tokenizer doesn't know" in said
    assert "is it the right tokenizer for this language?" in said
    assert "of train's token slots are padding in micro-batches of at most 4 sequences" in said
    (folder,) = project.glob("data/train-*")
    assert "(unknown)" in (folder / "report.md").read_text()


def test_findings_of_a_data_set_alone_outlive_those_of_a_recipe(project: Path, ftcli: Ftcli) -> None:
    write_rows(project / "test.jsonl", make_rows(45, seed=1)[:11])
    assert "stand in train too" in findings(ftcli("prepare", "tiny.toml").out)
    again = ftcli("prepare", "tiny.toml", "--set", "data.max_length=40")
    assert findings(again.out).count("stand in train too") == 1
    assert findings(again.out).count("are padding") == 1


@pytest.mark.parametrize("is_there", [True, False])
def test_train_warns_of_leaks_if_the_report_is_there(project: Path, ftcli: Ftcli, is_there: bool) -> None:
    write_rows(project / "test.jsonl", make_rows(45, seed=1)[:11])
    assert ftcli("prepare", "tiny.toml").code == 0
    if not is_there:
        (report,) = project.glob("data/train-*/report.json")
        report.unlink()
    done = ftcli("train", "tiny.toml", "--set", "train.steps=1")
    assert done.code == 0, done.err
    warning = "11 rows of test (100.0%) stand in train too"
    assert (warning in " ".join(done.err.split())) == is_there
    assert "are padding" not in done.err


def test_train_warns_of_unknown_pieces_only_for_the_tokenizer_that_was_prepared(project: Path, ftcli: Ftcli) -> None:
    rows = make_rows(45, seed=1)
    write_rows(project / "train.jsonl", [fields | {"a": f"zzz {fields['a']}"} for fields in rows])
    unknown = "of the pieces of a text the tokenizer doesn't know"
    before = ftcli("train", "tiny.toml", "--set", "train.steps=1", "--run-dir", "one")
    assert unknown not in before.err
    assert ftcli("prepare", "tiny.toml").code == 0
    after = ftcli("train", "tiny.toml", "--set", "train.steps=1", "--run-dir", "two")
    assert unknown in " ".join(after.err.split())


def test_one_file_and_two_shares_make_three_splits(project: Path, ftcli: Ftcli) -> None:
    options = ["data.validation=off", "data.test=off", "data.holdout=0.2", "data.test_holdout=0.2"]
    done = ftcli("prepare", "tiny.toml", *(part for option in options for part in ("--set", option)))
    assert done.code == 0, done.err
    assert "45 rows in 3 splits" in done.out
    assert "rows of 45 were held out for test" in findings(done.out)


def test_planted_defects_are_told_with_their_price_and_their_place(project: Path, ftcli: Ftcli) -> None:
    rows = make_rows(45, seed=1)
    rows[0]["label"] = "No"
    rows[2]["label"] = rows[4]["label"] = "yes|no"
    write_rows(project / "train.jsonl", [*rows, rows[6] | {"label": "yes"}])
    write_rows(project / "test.jsonl", [rows[8], rows[10] | {"label": "yes"}, *make_rows(18, seed=3)])
    done = ftcli("prepare", "tiny.toml")
    assert done.code == 0, done.err
    said = findings(done.out)
    assert "2 rows of test (10.0%) stand in train too: 2 as they are; 1 of them with another label." in said
    assert "can lift the test accuracy by up to 5.0 points" in said
    assert "`no` (20), `No` (1) differ only in case, width or space" in said
    assert 'data.label_map = { "No" = "no" } makes them one' in said
    assert "1 label of 4 looks like several joined by `|`, and comes up 2 times in train: `yes|no`." in said
    assert 'task.multi_label = true and data.label_separator = "|" part them' in said
    assert "2 rows of train have 1 text that stands with different labels" in said
    assert "right on more than 97.8% of them all" in said
    (listed,) = project.glob("data/train-*/contradictions.jsonl")
    places = [json.loads(line)["location"].rpartition("/")[2] for line in listed.read_text().splitlines()]
    assert places == ["train.jsonl:7", "train.jsonl:46"]


def test_a_regression_is_told_its_numbers_and_what_answering_their_mean_scores(project: Path, ftcli: Ftcli) -> None:
    for split, numbers in (("train", (0, 4)), ("validation", (1, 2)), ("test", (2, 5))):
        rows = make_rows(12, seed=len(split))
        scored = [fields | {"label": str(numbers[place % 2])} for place, fields in enumerate(rows)]
        write_rows(project / f"{split}.jsonl", scored)
    done = ftcli("prepare", "tiny.toml", "--set", "task.kind=regression")
    assert done.code == 0, done.err
    table = [line.split() for line in done.out.splitlines()]
    start = table.index(["numbers", "of", "least", "mean", "most", "mse", "of", "train's", "mean"])
    assert table[start + 1 : start + 4] == [
        ["train", "0", "2", "4", "4"],
        ["validation", "1", "1.5", "2", "0.5"],
        ["test", "2", "3.5", "5", "4.5"],
    ]
    (page,) = project.glob("data/train-*/report.md")
    assert "| train | 12 | 0 | 2 | 4 | 4 |" in page.read_text()
