from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcli.data.archives import open_file
from ftcli.data.readers import BadRow, Row, label_text, read_rows
from ftcli.errors import DataError
from ftcli.spec.card import Format

AUTO = Format()


def read(content: bytes, name: str, format: Format = AUTO) -> list[Row | BadRow]:
    return list(read_rows(io.BytesIO(content), format, name=name))


def only_bad(content: bytes, name: str, format: Format = AUTO) -> BadRow:
    bad = [row for row in read(content, name, format) if isinstance(row, BadRow)]
    assert len(bad) == 1
    return bad[0]


def test_jsonl_skips_blank_lines_and_counts_them() -> None:
    rows = read(b'{"a": 1}\n\n  \r\n{"a": "x"}', "a.jsonl")
    assert rows == [Row(1, {"a": 1}), Row(4, {"a": "x"})]


def test_jsonl_drops_a_byte_order_mark() -> None:
    assert read(b'\xef\xbb\xbf{"a": 1}\r\n', "a.json") == [Row(1, {"a": 1})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "not JSON"),
        (b'"text"', "a JSON object is expected"),
        (b'{"a": "\xff"}', "not valid UTF-8 (byte 8 of the line)"),
        (b'{"a": "\x00"}', "not JSON"),
        (b'{"a": NaN}', "not JSON"),
    ],
)
def test_a_bad_json_line_is_located_and_the_reading_goes_on(line: bytes, reason: str) -> None:
    content = b'{"a": 1}\n' + line + b'\n{"a": 3}\n'
    bad = only_bad(content, "a.jsonl")
    assert bad.line == 2
    assert bad.reason.startswith(reason)
    assert read(content, "a.jsonl")[2] == Row(3, {"a": 3})


def test_a_json_array_is_refused_where_the_file_says_json_lines() -> None:
    with pytest.raises(DataError, match="JSON array") as raised:
        read(b'\n [{"a": 1},\n{"a": 2}]', "a.jsonl")
    problem = raised.value.problems[0]
    assert problem.hint is not None
    assert 'kind = "json"' in problem.hint
    assert str(problem.where) == "a.jsonl:2"


def test_another_encoding_is_read_by_name() -> None:
    content = '{"a": "支付"}\n'.encode("gb18030")
    assert read(content, "a.jsonl", Format(encoding="gb18030")) == [Row(1, {"a": "支付"})]


def test_csv_rows_begin_where_their_first_line_is() -> None:
    rows = read(b'a,b\r\n"two\r\nlines","say ""hi"""\r\n\r\nx,y\r\n', "a.csv")
    assert rows == [Row(2, {"a": "two\r\nlines", "b": 'say "hi"'}), Row(5, {"a": "x", "b": "y"})]


def test_quotes_are_ordinary_characters_in_tsv() -> None:
    rows = read(b'\xef\xbb\xbfQuality\t#1 String\r\n1\t"open\r\n0\ta "b" c\r\n', "msr.txt")
    assert rows == [
        Row(2, {"Quality": "1", "#1 String": '"open'}),
        Row(3, {"Quality": "0", "#1 String": 'a "b" c'}),
    ]


def test_quotes_and_delimiter_can_be_said() -> None:
    assert read(b'a;b\n"x;y";z\n', "a.dat", Format(kind="csv", delimiter=";")) == [Row(2, {"a": "x;y", "b": "z"})]
    assert read(b'a\tb\n"x\ty"\tz\n', "a.tsv", Format(quotes="standard")) == [Row(2, {"a": "x\ty", "b": "z"})]


@pytest.mark.parametrize(
    ("content", "name", "line", "reason"),
    [
        (b"a,b\n1,2\n3\n4,5\n", "a.csv", 3, "1 field where the header has 2"),
        (b"a\tb\n1\t2\n3\t4\t5\n", "a.tsv", 3, "3 fields where the header has 2"),
        (b"a,b\n1,2\n\xff,4\n", "a.csv", 3, "not valid UTF-8 (line 3)"),
        (b'a,b\n"1\n\xff\n1",2\n5,6\n', "a.csv", 2, "not valid UTF-8 (line 3)"),
        (b'a,b\n1,2\n"3,4\n5,6\n', "a.csv", 3, "a quote that opens in this row was still open at line 4"),
        (b'a,b\n"1" x,2\n3,4\n', "a.csv", 2, "not readable as a quoted row"),
        (b"a,b\n1,2\r3,4\n", "a.csv", 2, "not readable as a quoted row"),
    ],
)
def test_a_bad_table_row_is_located(content: bytes, name: str, line: int, reason: str) -> None:
    bad = only_bad(content, name)
    assert bad.line == line
    assert bad.reason.startswith(reason)


def test_the_rows_after_a_bad_one_are_read() -> None:
    rows = read(b'a,b\n"1\n\xff\n1",2\n5,6\n', "a.csv")
    assert rows[1:] == [Row(5, {"a": "5", "b": "6"})]


def test_nul_bytes_are_kept() -> None:
    assert read(b"a,b\nx\x00,y\n", "a.csv") == [Row(2, {"a": "x\x00", "b": "y"})]
    assert read(b"a\tb\nx\x00\ty\n", "a.tsv") == [Row(2, {"a": "x\x00", "b": "y"})]


@pytest.mark.parametrize(
    ("content", "name", "format", "what"),
    [
        (b"a,b,a\n1,2,3\n", "a.csv", AUTO, "two columns are called `a`"),
        (b"\xffa,b\n", "a.csv", AUTO, "header"),
        (b"x", "a.xlsx", AUTO, "is a spreadsheet"),
        (b"x", "a.csv", Format(encoding="utf-99"), "unknown encoding"),
        (b"x", "a.csv", Format(encoding="utf-16"), "line by line"),
        ("a,b\n".encode("utf-16"), "a.csv", AUTO, "UTF-16"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_an_error(content: bytes, name: str, format: Format, what: str) -> None:
    with pytest.raises(DataError, match=what):
        read(content, name, format)


def test_an_empty_file_has_no_rows() -> None:
    assert [read(b"", name) for name in ("a.jsonl", "a.csv", "a.tsv")] == [[], [], []]


def test_a_gzipped_file_is_read_by_the_name_inside(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a\n1\n"))
    with open_file(path) as lines:
        assert list(read_rows(lines, AUTO, name=path.name)) == [Row(2, {"a": "1"})]


def test_reading_is_streamed() -> None:
    def endless() -> object:
        number = 0
        while True:
            number += 1
            yield b'{"n": %d}\n' % number

    rows = read_rows(endless(), AUTO, name="a.jsonl")  # pyright: ignore[reportArgumentType]
    assert [next(rows).line for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" yes ", "yes"),
        (1, "1"),
        (True, "true"),
        (False, "false"),
        (1.0, "1.0"),
        (None, None),
        ("", None),
        ("  ", None),
        (0, "0"),
    ],
)
def test_labels_are_compared_as_text(value: object, text: str | None) -> None:
    assert label_text(value) == text


texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.one_of(texts, st.integers(-(2**53), 2**53), st.booleans(), st.none())


@given(st.lists(st.dictionaries(texts, values, max_size=3), max_size=5), st.sampled_from([b"\n", b"\r\n", b"\n\n"]))
def test_what_is_written_as_jsonl_reads_back(objects: list[dict[str, object]], newline: bytes) -> None:
    content = newline.join(orjson.dumps(fields) for fields in objects)
    rows = read(content, "a.jsonl")
    assert [row.fields for row in rows if isinstance(row, Row)] == objects
    assert len(rows) == len(objects)


@given(
    st.lists(st.tuples(texts, texts), max_size=5), st.sampled_from(["\n", "\r\n"]), st.sampled_from([",", ";", "\t"])
)
def test_what_is_written_as_csv_reads_back(cells: list[tuple[str, str]], newline: str, delimiter: str) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=newline, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b"), *cells])
    rows = read(file.getvalue().encode(), "a.csv", Format(delimiter=delimiter))
    assert [row.fields for row in rows if isinstance(row, Row)] == [{"a": a, "b": b} for a, b in cells]
    assert len(rows) == len(cells)
    for row in rows:
        assert file.getvalue().encode().split(b"\n")[row.line - 1].startswith(b'"')


plain = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n"), max_size=20)


@given(st.lists(st.tuples(plain, plain), max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_as_tsv_reads_back(cells: list[tuple[str, str]], newline: str) -> None:
    content = newline.join("\t".join(row) for row in [("a", "b"), *cells])
    rows = read(content.encode(), "a.tsv")
    assert rows == [Row(number, {"a": a, "b": b}) for number, (a, b) in enumerate(cells, start=2)]
