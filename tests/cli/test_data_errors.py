"""What a user reads when data can not be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.data.catalog import builtin_names
from tests.cli.errors import recipe, refused
from tests.conftest import Ftcli, make_rows, write_rows


@pytest.mark.parametrize("command", ["prepare", "train"])
def test_an_unknown_data_set_names_the_nearest_and_all(project: Path, ftcli: Ftcli, command: str) -> None:
    Path("a.toml").write_text('[data]\nname = "afqmk"\n[model]\npath = "model"\n')
    error = refused(ftcli(command, "a.toml" if command == "train" else "afqmk"), 2)
    place = ' --> a.toml:2\n  |\n2 | name = "afqmk"\n  |        ^^^^^^^\n' if command == "train" else ""
    assert error == (
        f"error[recipe]: there is no built-in data set called `afqmk`\n{place}"
        f"help: did you mean `afqmc`? Built-in data sets: {', '.join(builtin_names())}\n"
    )


def test_a_label_that_train_does_not_have_is_shown_with_its_line(project: Path, ftcli: Ftcli) -> None:
    rows = make_rows(21, seed=2)
    rows[3] = {"a": "open", "b": "card", "label": "maybe"}
    write_rows(project / "validation.jsonl", rows)
    error = refused(ftcli("train", "tiny.toml"), 3)
    assert error == (
        "error[data]: a row can't be used: unknown label `maybe`; the labels known are no, yes\n"
        f" --> {project / 'validation.jsonl'}:4\n"
        "  |\n"
        '4 | {"a":"open","b":"card","label":"maybe"}\n'
        "help: mend the row, or leave out up to N bad rows: `ftcli prepare` with --max-bad-rows N\n"
    )
    assert not (project / "run").exists()


def test_a_data_file_that_is_not_there_is_named(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", "tiny.toml", "--set", "data.train=none.jsonl"), 3)
    assert error.startswith("error[data]: the train file `none.jsonl` doesn't exist\n")


def test_a_column_that_is_not_there_names_the_nearest(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", recipe(('pair = "b"', 'pair = "bb"'))), 3)
    assert error == (
        "error[data]: there is no column `bb`\n"
        f"  --> {project / 'train.jsonl'}:1\n"
        "help: did you mean `b`? The columns are: a, b, label\n"
    )


def test_bad_rows_are_left_out_up_to_the_number_allowed(project: Path, ftcli: Ftcli) -> None:
    with Path("train.jsonl").open("a") as file:
        file.write('{"a": oops\n{"a":"x","label":"yes"}\n')
    first = (
        "error[data]: a row can't be used: not JSON: unexpected character, expected a JSON value (column 7)\n"
        '  --> train.jsonl:46\n   |\n46 | {"a": oops\n'
    )
    second = (
        "error[data]: a row can't be used: column `b` is missing\n"
        '  --> train.jsonl:47\n   |\n47 | {"a":"x","label":"yes"}\n'
    )
    help_line = "help: mend the row, or leave out up to N bad rows: `ftcli prepare` with --max-bad-rows N"
    assert refused(ftcli("prepare", "tiny.toml"), 3) == f"{first}{help_line}\n"
    assert refused(ftcli("prepare", "tiny.toml", "--max-bad-rows", 1), 3) == (
        f"{first}\n{second}{help_line} (so far 1 were left out)\n\n2 problems\n"
    )
    allowed = ftcli("prepare", "tiny.toml", "--max-bad-rows", 2)
    assert allowed.code == 0, allowed.err
    assert "77 rows in 3 splits" in allowed.out


def test_scoring_a_split_that_the_data_does_not_have_names_those_it_has(project: Path, ftcli: Ftcli) -> None:
    name = recipe(('validation = "validation.jsonl"\n', ""))
    assert ftcli("train", name, "--set", "train.steps=1").code == 0
    error = refused(ftcli("eval", "--ckpt", "run/best"), 3)
    assert error.splitlines()[0].endswith(" has no split called `validation`")
    assert error.endswith("\nhelp: it has train, test\n")
