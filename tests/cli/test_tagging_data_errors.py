"""What a user reads when tagged words, several labels or numbers can not be used."""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from ftcli.data.tagging import IN_ANOTHER, REPAIRS
from tests.cli.errors import line_of, recipe, refused
from tests.conftest import COLUMNS, Ftcli

WORDS = 'columns = { text = "0", label = "-1" }'
TAGGING = "[task]\nkind = 'tagging'\n"
MEND = "help: mend the row, or leave out up to N bad rows: `ftcli prepare` with --max-bad-rows N\n"


@pytest.fixture
def words(project: Path) -> Path:
    """A project whose files are columns of words."""
    Path("train.conll").write_text("how B-X\ndo I-X\n\ni O\nclose B-Y\n")
    Path("validation.conll").write_text("my B-X\ncard O\n")
    return project


def words_recipe(*changes: tuple[str, str], extra: str = TAGGING) -> str:
    files = (
        ('"train.jsonl"', '"train.conll"'),
        ('"validation.jsonl"', '"validation.conll"'),
        ('test = "test.jsonl"\n', ""),
    )
    return recipe(*files, (COLUMNS, WORDS), *changes, extra=extra)


def test_tagged_words_are_prepared_by_a_recipe(words: Path, ftcli: Ftcli) -> None:
    result = ftcli("prepare", words_recipe())
    assert result.code == 0, result.err
    assert "3 rows in 2 splits" in result.out


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("how B-X extra", "3 columns where other lines have 2"),
        ("how", "the token `how` stands alone, where other lines have 2 columns"),
        ("how I-X", "an invalid sequence of bio tags: `I-X` can't begin a sentence"),
        ("how B_X", "an invalid sequence of bio tags: `B_X` is no tag of the scheme `bio`"),
    ],
)
def test_a_bad_line_is_shown(words: Path, ftcli: Ftcli, line: str, what: str) -> None:
    with Path("train.conll").open("a") as file:
        file.write(f"\n{line}\n")
    error = refused(ftcli("prepare", words_recipe()), 3)
    remedy = f"{IN_ANOTHER.format('iob1')}, {REPAIRS}" if "begin" in what else REPAIRS
    help_line = MEND.replace(", or", f", {remedy}, or") if "sequence" in what else MEND
    place = f" --> train.conll:7\n  |\n7 | {line}\n"
    assert error == f"error[data]: a row can't be used: {what}\n{place}{help_line}"
    assert ftcli("prepare", "a.toml", "--max-bad-rows", 1).code == 0


def test_undecodable_bytes_are_shown(words: Path, ftcli: Ftcli) -> None:
    Path("validation.conll").write_bytes(b"my O\ncard\xff O\n")
    error = refused(ftcli("prepare", words_recipe()), 3)
    assert "a row can't be used: not valid UTF-8 (byte 5 of the line)\n --> validation.conll:2\n" in error
    assert "2 | card\\xff O\n" in error


def test_a_type_that_train_does_not_have_is_shown(words: Path, ftcli: Ftcli) -> None:
    Path("validation.conll").write_text("my O\ncard B-Z\n")
    error = refused(ftcli("prepare", words_recipe()), 3)
    assert "unknown entity type `Z`; the entity types known are X, Y\n --> validation.conll:2\n" in error
    assert "\n2 | card B-Z\n" in error


def test_a_column_that_is_not_there_is_named(words: Path, ftcli: Ftcli) -> None:
    assert refused(ftcli("prepare", words_recipe(('"-1"', '"2"'))), 3) == (
        "error[data]: there is no column 2 in `train.conll`\n  --> train.conll\n"
        "help: its lines have 2 columns, the first of which is 0 and the last -1\n"
    )


def test_train_without_entities_has_nothing_to_learn(words: Path, ftcli: Ftcli) -> None:
    Path("train.conll").write_text("how O\n")
    assert refused(ftcli("prepare", words_recipe()), 3).startswith(
        "error[data]: no word of train is in an entity: there is nothing to learn\n  --> train.conll\n"
    )


@pytest.mark.parametrize(
    ("entities", "what"),
    [
        ([[0, 2, "X"]], "column `label`: the entity `ho` (X, 0 to 2) ends inside the word `how`"),
        ([[0, 3, "X"], [2, 6, "Y"]], "column `label`: two entities overlap: `how` (X, 0 to 3) and `w do` (Y, 2 to 6)"),
        ([[0, 30, "X"]], "column `label`: entity 1 (X, 0 to 30) isn't within the 6 characters of the text"),
        (["X"], 'column `label`: entity 1 isn\'t of the form {"start": 0, "end": 2, "type": "X"} or [0, 2, "X"]'),
    ],
)
def test_spans_that_can_not_be_used_are_shown(project: Path, ftcli: Ftcli, entities: object, what: str) -> None:
    rows = [{"a": "how do", "label": [[0, 3, "X"]]}, {"a": "how do", "label": entities}]
    Path("train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    error = refused(ftcli("prepare", recipe(('pair = "b", ', ""), extra=TAGGING)), 3)
    assert error.startswith(f"error[data]: a row can't be used: {what}\n --> train.jsonl:2\n")


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        ('[{"a": "x", "b": "y", "label": "no"},\n', "`train.json` ends inside its JSON array: a bracket or a quote", 1),
        ('[{"a": "x", "b": "y", "label": "no"}]\nmore\n', "something follows the JSON array of `train.json`", 2),
        ('[{"a": "x", "b": "y", "label": "no"},\n{"a"}]', "a row can't be used: not JSON: unexpected character", 2),
        ('[{"a": "x", "b": "y", "label": "no"},\n3]', "a row can't be used: a JSON object is expected", 2),
    ],
)
def test_a_json_array_that_can_not_be_used_is_shown(
    project: Path, ftcli: Ftcli, content: str, what: str, line: int
) -> None:
    Path("train.json").write_text(content)
    error = refused(ftcli("prepare", recipe(("train.jsonl", "train.json"))), 3)
    assert error.startswith(f"error[data]: {what}")
    assert f" --> train.json:{line}\n" in error


def test_json_lines_are_no_array_and_an_array_no_json_lines(project: Path, ftcli: Ftcli) -> None:
    array = recipe(("max_length", "format = { kind = 'json' }\nmax_length"))
    assert refused(ftcli("prepare", array), 3).endswith('help: one object a line is kind = "jsonl"\n')
    Path("train.jsonl").write_text("[]\n")
    assert refused(ftcli("prepare", "tiny.toml"), 3).endswith(
        'help: set kind = "json" under [format], or write one object a line (JSON Lines)\n'
    )


def test_parquet_needs_pyarrow(project: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Path("train.parquet").touch()
    assert refused(ftcli("prepare", recipe(("train.jsonl", "train.parquet"))), 3) == (
        "error[data]: reading `train.parquet` needs pyarrow\n  --> train.parquet\n"
        "help: install it: pip install 'ftcli[parquet]'\n"
    )


def test_a_parquet_file_that_is_not_whole_is_named(project: Path, ftcli: Ftcli) -> None:
    Path("train.parquet").write_bytes(b"PAR1")
    error = refused(ftcli("prepare", recipe(("train.jsonl", "train.parquet"))), 3)
    assert error.startswith("error[data]: `train.parquet` is no whole Parquet file: ")


@pytest.mark.parametrize(
    ("task", "value", "what"),
    [
        ("kind = 'regression'", "high", "column `label` holds `high`, which is no finite number"),
        ("kind = 'regression'", [1], "column `label` holds a list, not a number"),
        ("multi_label = true", 3, "column `label` holds the number 3, not a list of labels"),
        ("multi_label = true", [["x"]], "column `label` holds a list with a list in it, not labels"),
    ],
)
def test_a_label_of_another_kind_is_shown(project: Path, ftcli: Ftcli, task: str, value: object, what: str) -> None:
    Path("train.jsonl").write_text(json.dumps({"a": "x", "b": "y", "label": value}) + "\n")
    error = refused(ftcli("prepare", recipe(extra=f"[task]\n{task}\n")), 3)
    assert error.startswith(f"error[data]: a row can't be used: {what}\n")
    assert "train.jsonl:1\n" in error


@pytest.mark.parametrize(
    ("given", "extra", "what"),
    [
        ("labels = ['a']", "[task]\nkind = 'regression'\n", "`data.labels` has no place: regression has numbers"),
        ("label_map = { a = 'b' }", "[task]\nkind = 'regression'\n", "`data.label_map` has no place: regression has"),
        ("tags = { to = 'bio' }", "", "`data.tags` is for tagged words"),
        ("test_split = 'x'", "", "unknown key `test_split` in [data]"),
        ("tags = { to = 'bilou' }", TAGGING, "`data.tags.to`"),
    ],
)
def test_keys_that_do_not_fit_the_task_are_shown(
    project: Path, ftcli: Ftcli, given: str, extra: str, what: str
) -> None:
    error = refused(ftcli("prepare", recipe(("max_length", f"{given}\nmax_length"), extra=extra)), 2)
    assert what in error
    assert f"a.toml:{line_of(given)}\n" in error


def test_tagging_takes_no_second_text(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("prepare", recipe(extra=TAGGING)), 2)
    assert error.startswith("error[recipe]: `data.columns.pair` has no place: tagging reads one text\n --> a.toml:6\n")


@pytest.mark.parametrize("key", ["tags = { to = 'bio' }", "label_map = { a = 'b' }", "label_separator = ';'"])
def test_keys_of_own_files_do_not_go_with_a_built_in(project: Path, ftcli: Ftcli, key: str) -> None:
    Path("a.toml").write_text(f"[data]\nname = 'demo'\n{key}\n[model]\npath = 'm'\n[task]\nkind = 'tagging'\n")
    name = key.split()[0]
    assert f"`data.{name}` goes with files of your own" in refused(ftcli("prepare", "a.toml"), 2)


def test_a_label_map_that_renames_nothing_is_shown(project: Path, ftcli: Ftcli) -> None:
    name = recipe(("max_length", "label_map = { yse = 'same' }\nmax_length"))
    error = refused(ftcli("prepare", name), 2)
    assert error.startswith("error[recipe]: `label_map` renames `yse`, which no row has\n --> a.toml:7\n")


def test_a_data_set_for_another_task_names_both(project: Path, ftcli: Ftcli) -> None:
    Path("a.toml").write_text("[data]\nname = 'demo'\n[model]\npath = 'm'\n[task]\nkind = 'tagging'\n")
    assert refused(ftcli("prepare", "a.toml"), 2) == (
        "error[recipe]: the data set `demo` is for classification, but the recipe's task is tagging\n"
        " --> a.toml:2\n  |\n2 | name = 'demo'\n  |        ^^^^^^\n"
        'help: under [task] write kind = "classification"\n'
    )


def test_data_prepared_in_an_older_format_is_prepared_anew(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("prepare", "tiny.toml").code == 0
    (file,) = Path("data").glob("train-*/dataset.json")
    before = json.loads(file.read_text())
    file.write_text(json.dumps({**before, "format_version": 2}))
    result = ftcli("train", "tiny.toml", "--set", "train.steps=1")
    assert result.code == 0, result.err
    assert "was prepared by an older version of ftcli: preparing it anew" in result.err
    assert json.loads(file.read_text())["format_version"] == before["format_version"]


@dataclass(frozen=True)
class Misread:
    """Files in a scheme that is not the one they are read in, and where that shows."""

    train: str
    validation: str
    scheme: str
    read_as: str
    place: str


@pytest.mark.parametrize(
    "case",
    [
        Misread("how B-X\ndo E-X\n\nclose S-Y\n", "my B-X\ncard I-X\n", "auto", "bioes", "validation.conll:2"),
        Misread("how I-X\ndo E-X\n", "my S-X\n", "bio", "bio", "train.conll:1"),
        Misread("how B-X\ndo I-X\n", "my B-X\n", "bmes", "bmes", "train.conll:2"),
    ],
)
def test_files_in_another_scheme_than_they_are_read_in_say_which(words: Path, ftcli: Ftcli, case: Misread) -> None:
    Path("train.conll").write_text(case.train)
    Path("validation.conll").write_text(case.validation)
    tags = f"tags = {{ scheme = '{case.scheme}' }}\n"
    error = refused(ftcli("prepare", words_recipe(("max_length", f"{tags}max_length"))), 3)
    assert f"an invalid sequence of {case.read_as} tags" in error
    assert f" --> {case.place}\n" in error
    if case.read_as != "bio":
        assert IN_ANOTHER.format("bio") in error
    assert REPAIRS in error


def test_a_scheme_that_is_none_names_those_there_are(words: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("prepare", words_recipe(("max_length", "tags = { scheme = 'bilou' }\nmax_length"))), 2)
    assert "`data.tags.scheme`" in error
    assert "bio" in error
    assert "bmes" in error


def test_a_table_that_another_character_parts_names_the_delimiter(project: Path, ftcli: Ftcli) -> None:
    Path("train.csv").write_text("a;b;label\nx, y;z;no\n")
    error = refused(ftcli("prepare", recipe(("train.jsonl", "train.csv"))), 3)
    assert error == (
        "error[data]: the header has no comma, and seems to be parted by `;`\n"
        " --> train.csv:1\n  |\n1 | a;b;label\n"
        'help: say so: format = { delimiter = ";" } under [data], or --delimiter of `eval` and `predict`\n'
    )


def test_a_spreadsheet_is_to_be_saved_as_csv(project: Path, ftcli: Ftcli) -> None:
    with zipfile.ZipFile("train.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
        archive.writestr("xl/styles.xml", "")
    assert refused(ftcli("prepare", recipe(("train.jsonl", "train.xlsx"))), 3) == (
        "error[data]: `train.xlsx` is a spreadsheet, which can't be read\n  --> train.xlsx\n"
        "help: save the sheet as CSV (UTF-8), and name that file\n"
    )


@pytest.mark.parametrize("label", [None, "", ["no", "yes"]])
def test_rows_without_exactly_one_label_point_to_multi_label(project: Path, ftcli: Ftcli, label: object) -> None:
    Path("train.jsonl").write_text(json.dumps({"a": "x", "b": "y", "label": label}) + "\n")
    error = refused(ftcli("prepare", "tiny.toml"), 3)
    assert "set task.multi_label = true if rows have any number of labels, also none" in error
