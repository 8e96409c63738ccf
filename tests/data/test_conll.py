"""Sentences out of files with a word on each line."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcli.data.archives import open_file
from ftcli.data.readers import BadRow, Row, read_rows
from ftcli.errors import DataError
from ftcli.spec.card import Columns, Format

PLAIN = Format()
ENDS = Columns(text="0", label="-1")


def read(content: str | bytes, columns: Columns | None = ENDS, format: Format = PLAIN) -> list[Row | BadRow]:
    raw = content if isinstance(content, bytes) else content.encode()
    return list(read_rows(io.BytesIO(raw), format, name="a.conll", columns=columns))


def sentence(line: int, words: str, tags: str) -> Row:
    count = len(words.split())
    return Row(line, {"tokens": words.split(), "tags": tags.split()}, list(range(line, line + count)))


def test_an_empty_line_ends_a_sentence_however_many_there_are() -> None:
    found = read("\n\nEU B-ORG\r\nsays\tO\n \t\n\n\nno  O \n")
    assert found == [sentence(3, "EU says", "B-ORG O"), sentence(8, "no", "O")]


@pytest.mark.parametrize("name", ["a.bmes", "a.bio", "a.iob", "a.bioes", "a.char.bmes", "a.CONLL"])
def test_such_files_are_known_by_their_ending(name: str) -> None:
    assert list(read_rows(io.BytesIO(b"a O\n"), PLAIN, name=name)) == [sentence(1, "a", "O")]


@pytest.mark.parametrize(
    ("columns", "words", "tags"),
    [
        (ENDS, "EU says", "B-ORG O"),
        (Columns(text="0", label="1"), "EU says", "NNP VB"),
        (Columns(text="1", label="3"), "NNP VB", "B-ORG O"),
        (Columns(text="-4", label="-2"), "EU says", "B-NP B-VP"),
        (None, "EU says", "B-ORG O"),
    ],
)
def test_any_column_can_be_the_word_or_the_tag(columns: Columns | None, words: str, tags: str) -> None:
    content = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nsays VB B-VP O\n"
    assert read(content, columns) == [sentence(3, words, tags)]


def test_columns_that_have_names_give_them_to_the_fields() -> None:
    assert read("a O\n", Columns(text="words", label="ner")) == [Row(1, {"words": ["a"], "ner": ["O"]}, [1])]


def test_comments_are_skipped_only_where_there_are_any() -> None:
    content = "# text\na O\n# more\nb O\n"
    assert read(content, format=Format(comments=True)) == [Row(2, {"tokens": ["a", "b"], "tags": ["O", "O"]}, [2, 4])]
    assert read("# O\na O\n") == [sentence(1, "# a", "O O")]


def test_a_delimiter_of_its_own_keeps_spaces() -> None:
    found = read("New York\tB-LOC\n\u3000\tO\n", format=Format(delimiter="\t"))
    assert found == [Row(1, {"tokens": ["New York", "\u3000"], "tags": ["B-LOC", "O"]}, [1, 2])]


def test_a_file_of_words_alone_has_no_tags() -> None:
    assert read("a\nb\n\nc\n") == [Row(1, {"tokens": ["a", "b"]}, [1, 2]), Row(4, {"tokens": ["c"]}, [4])]


DEFECTS = [
    ("a O\nb X O\n", 2, "3 columns where other lines have 2"),
    ("a O\nalone\n", 2, "the token `alone` stands alone, where other lines have 2 columns"),
    ("a O\n O\n", 2, "the token is empty (column 0)"),
]


@pytest.mark.parametrize(("content", "line", "reason"), DEFECTS)
def test_a_bad_line_makes_its_sentence_bad_and_no_other(content: str, line: int, reason: str) -> None:
    rows = read("x O\ny O\n\n" + content + "\nz O\n")
    assert rows[0] == sentence(1, "x y", "O O")
    assert rows[1] == BadRow(line + 3, reason, content.splitlines()[line - 1])
    assert isinstance(rows[2], Row)
    assert len(rows) == 3


def test_undecodable_bytes_are_located() -> None:
    assert read(b"a O\nb\xff O\nc O\n\nd O\n") == [
        BadRow(2, "not valid UTF-8 (byte 2 of the line)", "b\\xff O"),
        sentence(5, "d", "O"),
    ]


def test_an_empty_tag_is_located() -> None:
    (bad,) = read("a\tO\nb\t\n", format=Format(delimiter="\t"))
    assert bad == BadRow(2, "the token `b` has no tag (column 1 is empty)", "b\t")


def test_a_bad_first_line_does_not_make_all_others_bad() -> None:
    rows = read("alone\n\na O\nb O\n")
    assert [row.line for row in rows if isinstance(row, BadRow)] == [1]
    assert rows[1] == sentence(3, "a b", "O O")


@pytest.mark.parametrize("columns", [Columns(text="2", label="1"), Columns(text="0", label="-3")])
def test_a_column_that_is_not_there_is_an_error(columns: Columns) -> None:
    with pytest.raises(DataError, match="there is no column") as raised:
        read("a O\n", columns)
    assert raised.value.problems[0].hint == "its lines have 2 columns, the first of which is 0 and the last -1"


def test_another_encoding_and_compression_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.bmes.gz"
    path.write_bytes(gzip.compress("高 B-NAME\n勇 E-NAME\n".encode("gb18030")))
    with open_file(path) as lines:
        rows = list(read_rows(lines, Format(encoding="gb18030"), name=path.name))
    assert rows == [sentence(1, "高 勇", "B-NAME E-NAME")]


def cells(excluded: str) -> st.SearchStrategy[str]:
    found = st.text(st.characters(codec="utf-8", exclude_characters=f"\r\n{excluded}"), min_size=1, max_size=6)
    return found.filter(lambda cell: cell.strip(" \t") != "" and not cell.startswith("-DOCSTART-"))


@given(st.data(), st.sampled_from(["\n", "\r\n"]), st.sampled_from([None, "\t", "|"]))
def test_what_is_written_in_columns_reads_back(data: st.DataObject, newline: str, delimiter: str | None) -> None:
    cell = cells(" \t\ufeff" if delimiter is None else f"{delimiter}\ufeff")
    sentences = data.draw(st.lists(st.lists(st.tuples(cell, cell), min_size=1, max_size=4), max_size=4))
    lines = [[(delimiter or " ").join(row) + newline for row in rows] for rows in sentences]
    content = newline.join("".join(rows) for rows in lines)
    found = read(content, format=Format(delimiter=delimiter))
    assert [row.fields for row in found if isinstance(row, Row)] == [
        {"tokens": [word for word, _ in rows], "tags": [tag for _, tag in rows]} for rows in sentences
    ]
    assert len(found) == len(sentences)


def test_reading_is_streamed() -> None:
    def endless() -> object:
        while True:
            yield b"a O\n"
            yield b"\n"

    rows = read_rows(endless(), PLAIN, name="a.bio")  # pyright: ignore[reportArgumentType]
    assert [next(rows).line for _ in range(3)] == [1, 3, 5]
