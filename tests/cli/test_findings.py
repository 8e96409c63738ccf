"""What `prepare` says of a recipe's data, and what `train` repeats of it."""

from __future__ import annotations

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
    assert "of train's token slots are padding in micro-batches of at most 4 rows" in said
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
