"""What `predict` and `eval` do with rows, names and files that are not as they should be."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ftcli.cli.main import run
from tests.conftest import Ftcli, Result, make_project, make_rows, write_rows

PREDICT = ("predict", "--ckpt", "run/best")
GOES_ON = "`--keep-going` gives such rows an `error` field and goes on"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A project with a run of one step in `run`. Look, don't touch."""
    folder = make_project(tmp_path_factory.mktemp("finished"), model_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(["train", "tiny.toml", "--set", "train.steps=1"]) == 0
    return folder


@pytest.fixture
def trained(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished project as the working directory. What is written there must have a name of its own."""
    monkeypatch.chdir(finished)
    return finished


@pytest.fixture
def rows(trained: Path, tmp_path: Path) -> Path:
    """A file of two good rows, to be changed."""
    return write_rows(tmp_path / "rows.jsonl", make_rows(2, seed=4))


def refused(result: Result, code: int) -> str:
    assert result.code == code, result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    return result.err[result.err.index("error[") :]


def add(path: Path, *lines: object) -> None:
    with path.open("a") as file:
        file.writelines(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)


# Names


def test_a_late_bad_row_has_its_place_in_a_csv(rows: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    write_rows(rows, make_rows(1030, seed=4))  # more than are read at once
    add(rows, '{"a": oops\n', {"a": "open"})
    result = ftcli(*PREDICT, "--input", rows, "--output", tmp_path / "out.csv", "--keep-going")
    assert result.code == 0, result.err
    with (tmp_path / "out.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == ["a", "b", "gold", "label", "probability", "line", "error"]
    assert len(read) == 1032
    assert (read[-2]["line"], read[-2]["error"][:9], read[-2]["label"]) == ("1031", "not JSON:", "")
    assert (read[-1]["line"], read[-1]["error"]) == ("", "there is no column `b`; this row has a")


def test_no_field_is_lost_to_another_and_none_is_taken_for_an_error(rows: Path, ftcli: Ftcli) -> None:
    row = {"a": "open", "b": "card", "label": "no", "gold": "G", "error": "mine", "line": 3}
    write_rows(rows, [row])
    add(rows, {**row, "b": ""})
    plain = ftcli(*PREDICT, "--input", write_rows(rows.with_name("one.jsonl"), [row]))
    found = json.loads(plain.out)
    assert (found["input_label"], found["gold"], found["error"], found["line"]) == ("no", "G", "mine", 3)
    result = ftcli(*PREDICT, "--input", rows, "--keep-going")
    good, bad = map(json.loads, result.out.splitlines())
    own = {"a": "open", "b": "card", "input_label": "no", "gold": "G", "input_error": "mine", "input_line": 3}
    assert {name: value for name, value in good.items() if name not in ("label", "probability")} == own
    assert bad == {**own, "b": "", "error": "column `b` is empty"}


def test_a_column_of_another_name_can_be_named(rows: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli(*PREDICT, "--input", rows, "--text", "q1"), 3)
    assert error == (
        "error[data]: there is no column `q1`; this row has a, b, label\n"
        f"  --> {rows}:1\n"
        f"help: `--text COLUMN` says what it is called here; {GOES_ON}\n"
    )
    assert "help: `--pair COLUMN` says" in refused(ftcli(*PREDICT, "--input", rows, "--pair", "q2"), 3)


# What a row is


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("true", "column `a` holds true, not text"),
        ('["x"]', "column `a` holds a list, not text"),
        ("{}", "column `a` holds an object, not text"),
        ("null", "column `a` is missing"),
        ('" "', "column `a` is empty"),
    ],
)
def test_a_row_is_refused_for_one_reason_everywhere(
    rows: Path, tmp_path: Path, ftcli: Ftcli, value: str, reason: str
) -> None:
    rows.write_text(f'{{"a": {value}, "b": "x", "label": "no"}}\n')
    place = f"\n --> {rows}:1\n"
    for command in (PREDICT, ("eval", "--ckpt", "run/best")):
        error = refused(ftcli(*command, "--input", rows), 3)
        assert error.startswith(f"error[data]: {reason}\n")
        assert place.strip() in error
    card = f'name = "own"\nfiles = {{ train = "{rows}" }}\ncolumns = {{ text = "a", pair = "b", label = "label" }}\n'
    (tmp_path / "card.toml").write_text(card)
    error = refused(ftcli("prepare", tmp_path / "card.toml", "--root", tmp_path), 3)
    assert error.startswith(f"error[data]: a row can't be used: {reason}\n")


def test_the_number_zero_is_a_text_everywhere(rows: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    rows.write_text('{"a": 0, "b": 0.5, "label": "no"}\n{"a": "0", "b": "0.5", "label": "yes"}\n')
    found = ftcli(*PREDICT, "--input", rows)
    as_number, as_text = map(json.loads, found.out.splitlines())
    assert (as_number["label"], as_number["probability"]) == (as_text["label"], as_text["probability"])
    assert json.loads(ftcli("eval", "--ckpt", "run/best", "--input", rows, "--json").out)["num_rows"] == 2
    card = f'name = "own"\nfiles = {{ train = "{rows}" }}\ncolumns = {{ text = "a", pair = "b", label = "label" }}\n'
    (tmp_path / "card.toml").write_text(card)
    prepared = ftcli("prepare", tmp_path / "card.toml", "--root", tmp_path)
    assert prepared.code == 0, prepared.err
    lines = (tmp_path / "own" / "train.jsonl").read_text().splitlines()
    assert [json.loads(line)["a"] for line in lines] == ["0", "0"]


# Files


@pytest.mark.parametrize("command", [PREDICT, ("eval", "--ckpt", "run/best")])
def test_a_file_of_unknown_kind_asks_for_the_option(
    trained: Path, tmp_path: Path, ftcli: Ftcli, command: Sequence[str]
) -> None:
    file = write_rows(tmp_path / "rows.dat", make_rows(2, seed=4))
    assert refused(ftcli(*command, "--input", file), 3) == (
        f"error[data]: can't tell the format of `{file}` from its ending\n"
        f"  --> {file}\n"
        "help: say what it is: --format jsonl, json, csv, tsv, conll, text or parquet\n"
    )
    assert ftcli(*command, "--input", file, "--format", "jsonl").code == 0


def test_rows_to_score_may_come_from_standard_input(rows: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = json.loads(ftcli("eval", "--ckpt", "run/best", "--input", rows, "--json").out)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(rows.read_bytes())))
    found = json.loads(ftcli("eval", "--ckpt", "run/best", "--input", "-", "--json").out)
    assert found == {**expected, "data": "standard input"}
    error = refused(ftcli("eval", "--ckpt", "run/best", "--input", "none.jsonl"), 3)
    assert error == "error[data]: no such file: none.jsonl\nhelp: `--input -` reads standard input\n"


@pytest.mark.parametrize("name", ["x.xml", "x", "x.jsonl.bz2", "x.gz"])
def test_an_output_of_unknown_kind_is_refused(rows: Path, tmp_path: Path, ftcli: Ftcli, name: str) -> None:
    output = tmp_path / name
    assert refused(ftcli(*PREDICT, "--input", rows, "--output", output), 2) == (
        f"error[usage]: can't tell the format of the output `{output}` from its ending\n"
        "help: endings that are known: .jsonl, .json, .csv, .tsv, .conll, .bio, .bioes, .txt, each also with .gz;"
        " or say --output-format\n"
    )
    assert ftcli(*PREDICT, "--input", rows, "--output", output, "--output-format", "jsonl").code == 0
    assert output.exists()


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".tsv"])
def test_an_output_that_ends_in_gz_is_compressed(rows: Path, tmp_path: Path, ftcli: Ftcli, ending: str) -> None:
    plain, packed = tmp_path / f"x{ending}", tmp_path / f"x{ending}.gz"
    for output in (plain, packed):
        assert ftcli(*PREDICT, "--input", rows, "--output", output).code == 0
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert sorted(tmp_path.iterdir()) == sorted([rows, plain, packed])


def test_an_input_that_ends_in_gz_is_unpacked(rows: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    expected = ftcli(*PREDICT, "--input", rows).out
    for name in ("x.jsonl.gz", "X.JSONL.GZ"):
        (tmp_path / name).write_bytes(gzip.compress(rows.read_bytes()))
        assert ftcli(*PREDICT, "--input", tmp_path / name).out == expected


def test_an_empty_output_can_be_unpacked(rows: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    rows.write_text("")
    assert ftcli(*PREDICT, "--input", rows, "--output", tmp_path / "x.jsonl.gz").code == 0
    assert (tmp_path / "x.jsonl.gz").stat().st_size > 0
    assert gzip.decompress((tmp_path / "x.jsonl.gz").read_bytes()) == b""


def test_a_table_may_be_parted_by_anything(rows: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    texts = {"a": 'open; "my"', "b": "card\tnow"}
    rows.write_text(json.dumps(texts) + "\n")
    for delimiter, options in (("\t", ()), ("\t", ("--output-delimiter", "\\t")), ("|", ("--output-delimiter", "|"))):
        output = tmp_path / "out.tsv"
        assert ftcli(*PREDICT, "--input", rows, "--output", output, *options).code == 0
        with output.open(newline="") as file:
            (row,) = csv.DictReader(file, delimiter=delimiter)
        assert {name: row[name] for name in texts} == texts
    read = ("--format", "csv", "--delimiter", "|")
    again = ftcli(*PREDICT, "--input", tmp_path / "out.tsv", *read)
    assert {name: json.loads(again.out)[name] for name in texts} == texts


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            ("--output-delimiter", ";"),
            "--output-delimiter is for tables, and the output's format is jsonl\n"
            "help: --output-format csv, or no --output-delimiter\n",
        ),
        (
            ("--output-format", "csv", "--output-delimiter", '"'),
            '--output-delimiter ": a delimiter is one character, and no quote or line end\n'
            "help: --output-delimiter ';', or --output-delimiter '\\t' for a tab\n",
        ),
        (
            ("--delimiter", ";"),
            "--delimiter is for tables and columns of words, and FILE is read as jsonl\n"
            "help: --format csv, or no --delimiter\n",
        ),
    ],
)
def test_a_delimiter_that_parts_nothing_is_refused(
    rows: Path, ftcli: Ftcli, options: Sequence[str], error: str
) -> None:
    assert refused(ftcli(*PREDICT, "--input", rows, *options), 2) == f"error[usage]: {error.replace('FILE', str(rows))}"


def test_an_output_may_be_a_pipe_that_has_a_name(rows: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    subprocess.run(["mkfifo", tmp_path / "out.jsonl"], check=True)
    with subprocess.Popen(["cat", tmp_path / "out.jsonl"], stdout=subprocess.PIPE, text=True) as reader:
        assert ftcli(*PREDICT, "--input", rows, "--output", tmp_path / "out.jsonl").code == 0
        assert reader.communicate()[0] == ftcli(*PREDICT, "--input", rows).out


def test_a_compressed_output_that_fails_leaves_nothing(rows: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    add(rows, "{\n")
    refused(ftcli(*PREDICT, "--input", rows, "--output", tmp_path / "x.jsonl.gz"), 3)
    assert list(tmp_path.iterdir()) == [rows]


# Pipes


def test_standard_input_that_is_closed_is_no_input(rows: Path) -> None:
    command = f"{sys.executable} -m ftcli {' '.join(PREDICT)} --input - <&-"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "error[data]: standard input is closed\nhelp: name a file: --input FILE\n"


def left_early(*arguments: object, lines: int) -> tuple[int, str]:
    """The exit code and stderr of a command whose reader goes away after some lines."""
    command = [sys.executable, "-m", "ftcli", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.stdout.close()
        return process.wait(60), process.stderr.read().decode()


def test_a_reader_that_has_seen_enough_is_no_error(rows: Path) -> None:
    write_rows(rows, make_rows(3000, seed=4))  # more than a pipe holds
    code, said = left_early(*PREDICT, "--input", rows, lines=1)
    assert (code, "roken" in said, "rror" in said) == (0, False, False), said


def test_a_reader_that_is_gone_before_the_end_is_no_error(rows: Path) -> None:
    code, said = left_early("eval", "--ckpt", "run/best", "--input", rows, "--json", lines=0)
    assert (code, "roken" in said, "rror" in said) == (0, False, False), said
