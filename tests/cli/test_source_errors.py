"""What a user reads when data can't be had, read or used: the text, the place, the way out, and the exit code."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import COLUMNS, Ftcli, Result, make_rows, write_rows


def refused(result: Result, code: int) -> str:
    assert result.code == code, result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    return result.err[result.err.index("error[") :]


def recipe(*changes: tuple[str, str]) -> str:
    """`tiny.toml` with some text replaced, as `a.toml`."""
    text = Path("tiny.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("a.toml").write_text(text)
    return "a.toml"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server's address and the folder of its files."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", folder
        server.shutdown()
        thread.join()


# Rows


@pytest.mark.parametrize("command", ["train", "prepare"])
def test_a_bad_row_names_the_command_that_can_leave_it_out(project: Path, ftcli: Ftcli, command: str) -> None:
    with Path("train.jsonl").open("a") as file:
        file.write('{"a": oops\n')
    error = refused(ftcli(command, "tiny.toml"), 3)
    assert error.endswith(
        "\nhelp: mend the row, or leave out up to N bad rows: `ftcli prepare` with --max-bad-rows N\n"
    )
    assert ftcli("prepare", "tiny.toml", "--max-bad-rows", 1).code == 0


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (["data.test=empty.jsonl"], "no row for the test split\n  --> empty.jsonl\n"),
        (["data.validation=off", "data.holdout=0.001"], "no row for the validation split (holdout = 0.001)\n"),
    ],
)
def test_a_split_without_rows_is_refused(project: Path, ftcli: Ftcli, settings: list[str], what: str) -> None:
    Path("empty.jsonl").touch()
    options = [part for setting in settings for part in ("--set", setting)]
    assert refused(ftcli("prepare", "tiny.toml", *options), 3).startswith(f"error[data]: {what}")


@pytest.mark.parametrize("command", ["train", "prepare"])
def test_columns_without_a_label_are_shown_where_they_stand(project: Path, ftcli: Ftcli, command: str) -> None:
    name = recipe((COLUMNS, 'columns = { text = "a" }'))
    error = refused(ftcli(command, name), 2)
    assert error.startswith("error[recipe]: the data set `train-")
    assert "` needs columns.label\n --> a.toml:6\n" in error
    help_line = 'help: name the column that holds the label: columns = { text = "...", label = "..." }\n'
    assert error.endswith(help_line)
    Path("card.toml").write_text('name = "own"\nfiles = { train = "train.jsonl" }\ncolumns = { text = "a" }\n')
    assert refused(ftcli("prepare", "card.toml"), 2) == (
        f"error[recipe]: the data set `own` needs columns.label\n{help_line}"
    )


# Files


@pytest.mark.parametrize("command", ["train", "prepare"])
def test_a_file_that_is_not_there_is_shown_where_it_is_named(project: Path, ftcli: Ftcli, command: str) -> None:
    name = recipe(("test.jsonl", "tset.jsonl"), ('"validation.jsonl"', '"dev.jsonl"'))
    help_line = f"help: paths start from {project}; `ftcli prepare` with --source PATH takes them from elsewhere\n"
    assert refused(ftcli(command, name), 3) == (
        "error[data]: the validation file `dev.jsonl` doesn't exist\n"
        " --> a.toml:4\n  |\n"
        '4 | validation = "dev.jsonl"\n'
        f"  |              ^^^^^^^^^^^\n{help_line}\n"
        "error[data]: the test file `tset.jsonl` doesn't exist\n"
        " --> a.toml:5\n  |\n"
        '5 | test = "tset.jsonl"\n'
        f"  |        ^^^^^^^^^^^^\n{help_line}\n"
        "2 problems\n"
    )


def test_an_archive_of_several_files_is_no_split(project: Path, ftcli: Ftcli) -> None:
    with zipfile.ZipFile("two.zip", "w") as archive:
        archive.write("train.jsonl")
        archive.write("test.jsonl")
    assert refused(ftcli("prepare", "tiny.toml", "--set", "data.train=two.zip"), 3) == (
        "error[data]: two.zip holds 2 files; which one is meant?\n"
        "  --> two.zip\n"
        "help: name the archive under [[sources]] (or with --source) and the file inside it under [files]\n"
    )


def test_a_setting_for_what_is_no_recipe_is_refused(project: Path, ftcli: Ftcli) -> None:
    assert refused(ftcli("prepare", "demo", "--set", "batch.size=4"), 2) == (
        "error[usage]: `--set` changes a recipe, and this is none\nhelp: ftcli prepare RECIPE --set batch.size=4\n"
    )


def test_the_folder_for_prepared_data_may_be_named_for_a_recipe_too(project: Path, ftcli: Ftcli) -> None:
    result = ftcli("prepare", "tiny.toml", "--root", "elsewhere")
    assert result.code == 0, result.err
    assert not Path("data").exists()
    (folder,) = (facts.parent for facts in Path("elsewhere").glob("*/dataset.json"))
    assert (folder / "tokens").is_dir()
    assert ftcli("prepare", "tiny.toml", "--set", "data.root=third").code == 0
    assert Path("third").is_dir()


def test_a_preparation_that_fails_leaves_nothing(project: Path, ftcli: Ftcli) -> None:
    refused(ftcli("prepare", "tiny.toml", "--set", "data.train=nope.jsonl"), 3)
    assert not Path("data").exists()
    assert ftcli("prepare", "tiny.toml").code == 0
    refused(ftcli("prepare", "tiny.toml", "--set", "data.train=nope.jsonl"), 3)
    assert [path.name.split("-")[0] for path in Path("data").iterdir()] == ["train"]


def test_a_folder_for_prepared_data_that_can_not_be_had_is_an_error(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("prepare", "tiny.toml", "--root", "train.jsonl/data"), 3)
    assert error == "error[data]: Not a directory: train.jsonl/data\n"


# Downloads


def test_a_damaged_download_can_be_had_again(project: Path, site: tuple[str, Path], ftcli: Ftcli) -> None:
    url, folder = site
    name = recipe(('"train.jsonl"', f'"{url}/far.jsonl"'))
    write_rows(folder / "far.jsonl", make_rows(20, seed=1))
    with (folder / "far.jsonl").open("a") as file:
        file.write("{\n")
    error = refused(ftcli("prepare", name), 3)
    (kept,) = Path("data/.downloads").glob("*/far.jsonl")
    remedy = f"help: delete {kept} to download it again, or leave out up to N bad rows: `ftcli prepare`"
    assert remedy in error
    write_rows(folder / "far.jsonl", make_rows(30, seed=1))
    refused(ftcli("prepare", name), 3)
    by_hand = kept.with_name("by-hand.jsonl")
    by_hand.touch()
    again = ftcli("prepare", name, "--force")
    assert again.code == 0, again.err
    assert len(kept.read_text().splitlines()) == 30
    assert by_hand.exists()
    assert json.loads(next(Path("data").glob("*/dataset.json")).read_text())["splits"]["train"]["rows"] == 30


def test_a_download_that_can_not_be_stored_is_an_error(project: Path, site: tuple[str, Path], ftcli: Ftcli) -> None:
    url, _ = site
    Path("data").mkdir()
    Path("data/.downloads").touch()
    error = refused(ftcli("prepare", recipe(('"train.jsonl"', f'"{url}/far.jsonl"'))), 3)
    assert error.startswith(f"error[data]: can't store {url}/far.jsonl in data/.downloads/far-")
    assert error.endswith(": Not a directory\n")


def test_an_address_that_is_none_is_an_error(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("prepare", recipe(('"train.jsonl"', '"http://localhost/a b.jsonl"'))), 3)
    assert error.startswith("error[data]: http://localhost/a b.jsonl is no URL: ")
