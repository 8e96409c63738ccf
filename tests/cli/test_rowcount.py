"""How far a prediction has come of an input whose rows nobody has counted: its lines tell."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ftcli.flows.inputs import Input
from ftcli.flows.lines import so_far
from ftcli.flows.rowcount import RowCount
from ftcli.runtime.activity import Activity
from ftcli.spec.card import Format
from ftcli.train.card import read_card
from tests.conftest import make_rows

LINES = [json.dumps(row) + "\n" for row in make_rows(50, seed=1)]


def count_of(path: str, kind: str = "auto") -> RowCount:
    return RowCount(Input(path, Format.model_validate({"kind": kind})), read_card(Path("run/best")))


def about(count: RowCount, rows: int, *, line: int) -> int:
    while (found := count.about(rows, line=line)) is None:
        pass
    return found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", "".join(LINES).encode()),
        ("open.jsonl", "".join(LINES).rstrip().encode()),
        ("rows.jsonl.gz", b"".join(gzip.compress(line.encode()) for line in LINES)),
        ("rows.csv", b"a,b\n" + b"how,do\n" * 49),
    ],
)
def test_the_lines_of_a_file_tell_its_rows(trained: Path, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    count = count_of(str(tmp_path / name))
    assert about(count, 10, line=10) == 50
    assert about(count, 60, line=50) == 60
    assert about(count, 5, line=10) == 25


def test_what_has_no_lines_of_its_own_is_not_told(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(make_rows(3, seed=1)))
    assert count_of(str(tmp_path / "rows.json")).about(3, line=1) is None
    assert count_of("-", "jsonl").about(3, line=1) is None


def test_a_damaged_file_is_counted_up_to_the_damage(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress("".join(LINES).encode())[:-12])
    assert about(count_of(str(tmp_path / "rows.jsonl.gz")), 1, line=1) <= 50


def test_an_estimate_is_told_as_one() -> None:
    assert so_far(Activity("predict", 1200, 2400, is_about=True)) == "1,200/~2,400 rows"
    assert so_far(Activity("predict", 1200, 2400)) == "1,200/2,400 rows"
