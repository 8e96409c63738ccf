from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.errors import RecipeError
from ftcli.spec.document import Key, contains, parse_document, parse_setting, read_document

TEXT = """\
# a comment
[data]
name = "afqmc"   # why
columns = { text = "q1", label = 'y' }

[ "freeze" ]
patterns = [
  '^bert\\.embeddings',  # the table
  "^bert\\\\.pooler",
]
[[freeze.stages]]
at = { epoch = 2 }
[[freeze.stages]]
unfreeze = ['x']
[freeze.stages.at]
step = 4
[optimizer]
groups.match.'odd key' = 1
"""


def place(key: Key, text: str = TEXT, *, of_key: bool = False) -> tuple[str, str]:
    """`line:column` of a key, and the characters that a caret line would underline."""
    where = parse_document(text, "a.toml").locate(key, of_key=of_key)
    assert where is not None
    assert where.text is not None
    assert where.column is not None
    start = where.column - 1
    return f"{where.line}:{where.column}", where.text[start : start + where.width]


@pytest.mark.parametrize(
    ("key", "where", "shown"),
    [
        (("data",), "2:1", "[data]"),
        (("data", "name"), "3:8", '"afqmc"'),
        (("data", "columns", "label"), "4:26", "label"),
        (("freeze",), "6:1", '[ "freeze" ]'),
        (("freeze", "patterns"), "7:12", "["),
        (("freeze", "patterns", 0), "8:3", "'^bert\\.embeddings'"),
        (("freeze", "patterns", 1), "9:3", '"^bert\\\\.pooler"'),
        (("freeze", "stages"), "11:1", "[[freeze.stages]]"),
        (("freeze", "stages", 0, "at", "epoch"), "12:8", "epoch"),
        (("freeze", "stages", 1), "13:1", "[[freeze.stages]]"),
        (("freeze", "stages", 1, "unfreeze", 0), "14:13", "'x'"),
        (("freeze", "stages", 1, "at", "step"), "16:8", "4"),
        (("optimizer", "groups", "match", "odd key"), "18:26", "1"),
    ],
)
def test_every_value_is_found_where_it_stands(key: Key, where: str, shown: str) -> None:
    assert place(key) == (where, shown)


def test_a_key_is_found_apart_from_its_value() -> None:
    assert place(("data", "name"), of_key=True) == ("3:1", "name")
    assert place(("data", "columns"), of_key=True) == ("4:1", "columns")


def test_what_is_not_written_is_placed_at_the_nearest_table() -> None:
    assert place(("data", "test")) == ("2:1", "[data]")
    assert place(("freeze", "stages", 1, "at", "epoch")) == ("15:1", "[freeze.stages.at]")
    assert parse_document(TEXT, "a.toml").locate(("model", "path")) is None


def test_lines_are_counted_as_toml_counts_them() -> None:
    text = '[run]\nname = "a\u2028b"\n[batch]\r\nsize = 4\n'
    assert place(("batch", "size"), text) == ("4:8", "4")
    assert place(("run", "name"), text) == ("2:8", '"a\u2028b"')


def test_a_text_over_several_lines_hides_what_looks_like_keys() -> None:
    text = '[run]\nname = """\n[batch]\nsize = 1\n"""\n[batch]\nsize = 2\n'
    assert place(("batch", "size"), text) == ("7:8", "2")


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z_-]{0,8}", fullmatch=True),
        st.one_of(
            st.integers(),
            st.booleans(),
            st.from_regex(r"'[^'\n\x00-\x1f\x7f]{0,12}'", fullmatch=True).map(lambda text: text),
            st.sampled_from(["[\n  1,\n  2,\n]", "'''\nx = 1\n[y]\n'''", "{ a = 1 }", '"#"']),
        ),
        max_size=6,
    ),
    st.integers(0, 3),
)
def test_every_key_is_found_on_the_line_it_was_written_on(values: dict[str, object], gap: int) -> None:
    lines, expected = ["[t]"], {}
    for key, value in values.items():
        lines += ["", "# [x]"][: gap % 3]
        expected[key] = sum(line.count("\n") + 1 for line in lines) + 1
        lines.append(f"{key} = {str(value).lower() if isinstance(value, bool) else value}")
    document = parse_document("\n".join(lines), "a.toml")
    found = {key: document.locate(("t", key)) for key in values}
    assert {key: where.line for key, where in found.items() if where} == expected


def test_contains_follows_tables_and_arrays_only() -> None:
    data = {"a": [{"b": 1}], "c": "text"}
    assert contains(data, ("a", 0, "b"))
    assert contains(data, ())
    assert not contains(data, ("a", 1))
    assert not contains(data, ("a", "b"))
    assert not contains(data, ("c", 0))


def test_text_that_is_not_toml_is_shown_at_its_line() -> None:
    with pytest.raises(RecipeError, match="not valid TOML") as raised:
        parse_document("[run]\nname = \n", "a.toml")
    where = raised.value.problems[0].where
    assert where is not None
    assert (where.file, where.line, where.text) == ("a.toml", 2, "name = ")


def test_text_that_ends_too_soon_is_shown_at_its_end() -> None:
    with pytest.raises(RecipeError, match="not valid TOML") as raised:
        parse_document("[run]\nname = [1,", "a.toml")
    where = raised.value.problems[0].where
    assert where is not None
    assert where.line == 2


def test_a_missing_file_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "b.toml").touch()
    (tmp_path / "a.toml").touch()
    with pytest.raises(RecipeError, match="no such file") as raised:
        read_document(tmp_path / "c.toml")
    assert raised.value.problems[0].hint == f"{tmp_path}/ has a.toml, b.toml"


def test_a_missing_folder_needs_no_hint(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such file") as raised:
        read_document(tmp_path / "x" / "c.toml")
    assert raised.value.problems[0].hint is None


def test_a_file_that_is_no_text_is_a_recipe_error(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="can't read"):
        read_document(tmp_path / "a.toml")
    with pytest.raises(RecipeError, match="is a folder, not a TOML file") as raised:
        read_document(tmp_path)
    assert raised.value.problems[0].hint == f"{tmp_path}/ has a.toml"


def test_a_byte_order_mark_and_crlf_are_fine(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf[run]\r\nseed = 1\r\n")
    document = read_document(tmp_path / "a.toml")
    assert document.data == {"run": {"seed": 1}}
    where = document.locate(("run", "seed"))
    assert where is not None
    assert (where.line, where.column, where.text) == (2, 8, "seed = 1")


@pytest.mark.parametrize(
    ("setting", "data"),
    [
        ("optimizer.lr=1e-4", {"optimizer": {"lr": 1e-4}}),
        ("batch.size = 8", {"batch": {"size": 8}}),
        ("run.dir=out/{name}", {"run": {"dir": "out/{name}"}}),
        ("run.dir=a=b", {"run": {"dir": "a=b"}}),
        ("run.dir=", {"run": {"dir": ""}}),
        ("run.dir='8'", {"run": {"dir": "8"}}),
        ('run.dir=C:\\x "y"', {"run": {"dir": 'C:\\x "y"'}}),
        ("evaluate.at_start=true", {"evaluate": {"at_start": True}}),
        ("evaluate.every={ epochs = 0.5 }", {"evaluate": {"every": {"epochs": 0.5}}}),
        ("freeze.patterns=['^a', 'b']", {"freeze": {"patterns": ["^a", "b"]}}),
        ("train.steps=off", {"train": {"steps": "off"}}),
    ],
)
def test_a_setting_is_toml_or_a_bare_word(setting: str, data: dict[str, object]) -> None:
    document = parse_setting(setting)
    assert document.data == data
    assert document.name == f"--set {setting}"


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("batch.size", "section.key=value"),
        ("=8", "section.key=value"),
        (" =8", "section.key=value"),
        ("batch..size=8", "`batch..size` is not a key"),
        ("batch size=8", "`batch size` is not a key"),
    ],
)
def test_a_setting_that_is_none_is_refused(setting: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says) as raised:
        parse_setting(setting)
    assert str(raised.value.problems[0].where) == f"--set {setting}"


def test_a_setting_has_a_name_but_no_line() -> None:
    document = parse_setting("batch.size=8")
    assert str(document.locate(("batch", "size"))) == "--set batch.size=8"
    assert document.locate(("batch", "window")) is None
