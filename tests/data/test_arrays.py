"""Rows out of one JSON array."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcli.data.archives import open_file
from ftcli.data.readers import BadRow, Row, read_rows
from ftcli.errors import DataError
from ftcli.spec.card import Format

AUTO = Format()


def read(content: bytes, format: Format = AUTO) -> list[Row | BadRow]:
    return list(read_rows(io.BytesIO(content), format, name="a.json"))


def test_elements_are_rows_and_know_their_lines() -> None:
    content = b'\n [{"a": 1}, {"a": [1, {"b": "]"}]},\n\n {\n"a": "\\"},{"\n},\n{"a": 4}\n]\n'
    assert read(content) == [
        Row(2, {"a": 1}),
        Row(2, {"a": [1, {"b": "]"}]}),
        Row(4, {"a": '"},{'}),
        Row(7, {"a": 4}),
    ]


@pytest.mark.parametrize("content", [b"[]", b"[ \n ]\n", b"", b"\n\n"])
def test_an_empty_array_has_no_rows(content: bytes) -> None:
    assert read(content) == []


def test_a_json_file_of_lines_is_still_read_by_the_line() -> None:
    assert read(b'\n{"a": 1}\n{"a": 2}\n') == [Row(2, {"a": 1}), Row(3, {"a": 2})]


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (b'{"a": oops}', "not JSON: unexpected character"),
        (b'{\n"a": 1,\n}', "not JSON: trailing comma is not allowed (line 3)"),
        (b'"text"', "a JSON object is expected"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a":\n"\xff"}', "not valid UTF-8 (line 3)"),
        (b"", "not JSON: a comma too many"),
    ],
)
def test_a_bad_element_is_located_and_the_reading_goes_on(element: bytes, reason: str) -> None:
    first, bad, last = read(b'[{"a": 1},\n' + element + b',\n{"a": 3}]')
    assert isinstance(bad, BadRow)
    assert bad.line == 2
    assert bad.reason.startswith(reason)
    assert (first, last) == (Row(1, {"a": 1}), Row(3 + element.count(b"\n"), {"a": 3}))


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        (b'[{"a": 1},\n{"a": 2}', "ends inside its JSON array", 2),
        (b'[{"a": 1},\n{"a": [2}\n]', "ends inside its JSON array", 2),
        (b'[{"a": 1}]\n[2]', "something follows the JSON array", 2),
        (b'[{"a": 1}]\nrest', "something follows the JSON array", 2),
    ],
)
def test_an_array_that_is_not_whole_is_an_error(content: bytes, what: str, line: int) -> None:
    with pytest.raises(DataError, match=what) as raised:
        read(content)
    assert str(raised.value.problems[0].where) == f"a.json:{line}"


def test_a_file_that_is_said_to_be_an_array_must_be_one() -> None:
    with pytest.raises(DataError, match="isn't a JSON array"):
        read(b'{"a": 1}', Format(kind="json"))


def test_another_encoding_and_compression_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress('[{"a": "支\\n付"}]'.encode("gb18030")))
    with open_file(path) as lines:
        assert list(read_rows(lines, Format(encoding="gb18030"), name=path.name)) == [Row(1, {"a": "支\n付"})]


texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.recursive(
    st.one_of(texts, st.integers(-(2**53), 2**53), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(texts, values, max_size=3), max_size=5), st.sampled_from([None, 0, 2]), st.booleans())
def test_what_is_written_as_an_array_reads_back(
    objects: list[dict[str, object]], indent: int | None, escaped: bool
) -> None:
    content = json.dumps(objects, indent=indent, ensure_ascii=escaped).encode()
    rows = read(content)
    assert [row.fields for row in rows if isinstance(row, Row)] == objects
    assert len(rows) == len(objects)
    if indent is None:
        assert content == b"[]" or rows == read(orjson.dumps(objects))
