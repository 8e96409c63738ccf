"""Rows out of Parquet files."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.data.archives import open_file
from ftcli.data.readers import Row, read_rows
from ftcli.errors import DataError
from ftcli.spec.card import Format

AUTO = Format()


def parquet(rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    return file.getvalue()


def test_rows_are_counted_from_one() -> None:
    rows = [{"a": "x", "b": [1, 2]}, {"a": None, "b": []}]
    found = list(read_rows(io.BytesIO(parquet(rows)), AUTO, name="a.parquet"))
    assert found == [Row(1, rows[0]), Row(2, rows[1])]


def test_what_json_has_not_becomes_text() -> None:
    rows = [{"a": decimal.Decimal("1.50"), "b": datetime.date(2024, 1, 2), "c": b"x"}]
    (row,) = read_rows(io.BytesIO(parquet(rows)), AUTO, name="a.parquet")
    assert row == Row(1, {"a": "1.50", "b": "2024-01-02", "c": "x"})


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz"])
def test_a_file_is_read_compressed_or_not(tmp_path: Path, name: str) -> None:
    content = parquet([{"a": n} for n in range(3000)])
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with open_file(tmp_path / name) as stream:
        found = list(read_rows(stream, AUTO, name=name))
    assert found == [Row(n + 1, {"a": n}) for n in range(3000)]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"text\n", parquet([{"a": 1}])[:-3]])
def test_a_damaged_file_is_an_error(content: bytes) -> None:
    with pytest.raises(DataError, match="is no whole Parquet file"):
        list(read_rows(io.BytesIO(content), AUTO, name="a.parquet"))


def test_without_pyarrow_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="needs pyarrow") as raised:
        list(read_rows(io.BytesIO(b""), AUTO, name="a.parquet"))
    assert raised.value.problems[0].hint == "install it: pip install 'ftcli[parquet]'"


texts = st.text(st.characters(codec="utf-8"), max_size=20)
SCHEMA = pa.schema([("text", pa.string()), ("number", pa.int64()), ("list", pa.list_(pa.string()))])


@given(
    st.lists(st.tuples(texts, st.none() | st.integers(-(2**63), 2**63 - 1), st.lists(texts, max_size=3)), max_size=6)
)
@settings(deadline=None)
def test_what_is_written_as_parquet_reads_back(rows: list[tuple[str, int | None, list[str]]]) -> None:
    objects = [dict(zip(("text", "number", "list"), row, strict=True)) for row in rows]
    found = read_rows(io.BytesIO(parquet(objects, SCHEMA)), AUTO, name="a.parquet")
    assert list(found) == [Row(number, fields) for number, fields in enumerate(objects, start=1)]
