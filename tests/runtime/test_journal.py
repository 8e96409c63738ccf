from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcli.runtime.journal import Journal, Record


def plain(journal: Journal) -> list[Record]:
    return [{name: value for name, value in record.items() if name != "time"} for record in journal.records()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def test_records_are_appended_one_a_line_with_the_time(path: Path) -> None:
    before = time.time()
    Journal(path).write({"event": "a", "step": 1})
    Journal(path).write({"event": "支付\n", "step": 2})
    assert plain(Journal(path)) == [{"event": "a", "step": 1}, {"event": "支付\n", "step": 2}]
    assert path.read_bytes().count(b"\n") == 2
    assert all(before - 1 <= record["time"] <= time.time() + 1 for record in Journal(path).records())


def test_a_journal_that_is_not_there_is_empty(path: Path) -> None:
    assert list(Journal(path).records()) == []
    Journal(path).keep(lambda _: True)
    assert path.read_bytes() == b""


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 200))
def test_a_torn_last_line_costs_that_line_alone(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("run") / "log.jsonl"
    journal = Journal(path)
    for step in range(4):
        journal.write({"event": "step_done", "step": step})
    whole = path.read_bytes()
    torn = whole[: len(whole) - min(cut, len(whole))]
    path.write_bytes(torn)
    assert [record["step"] for record in journal.records()] == list(range(torn.count(b"\n")))
    journal.write({"event": "step_done", "step": 9})
    complete = range(torn.count(b"}"))  # a line that lacks nothing but its end gets one
    assert [record["step"] for record in journal.records()] == [*complete, 9]


def test_what_is_not_wanted_is_dropped_and_the_rest_keeps_its_time(path: Path) -> None:
    journal = Journal(path)
    for step in range(5):
        journal.write({"event": "step_done", "step": step})
    before = list(journal.records())
    with path.open("ab") as file:
        file.write(b'{"event": "st')
    journal.keep(lambda record: record["step"] <= 2)
    assert list(journal.records()) == before[:3]
    assert path.read_bytes().endswith(b"}\n")
