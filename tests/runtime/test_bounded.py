"""A store that gives no answer is given up in time, and its heart's silence is noticed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ftcli.errors import LostContactError
from ftcli.runtime.bounded import BoundedStore
from ftcli.runtime.heartbeat import beating, wait_for


class Table:
    """A store in memory, which can be cut off: then no call returns before it is connected again."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.connected = threading.Event()
        self.connected.set()
        self.is_closed = False

    def set(self, key: str, value: str, /) -> None:
        self.connected.wait()
        self.values[key] = value

    def get(self, key: str, /) -> bytes:
        self.connected.wait()
        return self.values[key].encode()

    def check(self, keys: list[str], /) -> bool:
        self.connected.wait()
        return all(key in self.values for key in keys)

    def add(self, key: str, amount: int, /) -> int:
        self.connected.wait()
        if self.is_closed:
            raise RuntimeError("Connection reset by peer")
        self.values[key] = str(int(self.values.get(key, "0")) + amount)
        return int(self.values[key])


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    yield table
    table.connected.set()


def test_calls_and_their_answers_pass_through(table: Table) -> None:
    store = BoundedStore(table, timeout_seconds=30)
    store.set("a", "1")
    assert (store.get("a"), store.check(["a"]), store.check(["a", "b"]), store.add("a", 2)) == (b"1", True, False, 3)
    with pytest.raises(KeyError):
        store.get("nowhere")


def test_a_store_that_gives_no_answer_is_given_up_and_not_asked_again(table: Table) -> None:
    store = BoundedStore(table, timeout_seconds=0.2)
    table.connected.clear()
    with pytest.raises(LostContactError, match=r"given no answer for 0\.2 s"):
        store.check(["a"])
    table.connected.set()
    with pytest.raises(LostContactError, match="given no answer"):
        store.set("b", "1")
    assert "b" not in table.values


def test_a_connection_that_breaks_is_lost_contact(table: Table) -> None:
    table.is_closed = True
    with pytest.raises(LostContactError, match="can't be reached: Connection reset by peer"):
        BoundedStore(table, timeout_seconds=30).add("a", 1)


def test_who_waits_and_who_leads_both_notice_a_store_that_is_cut_off(table: Table) -> None:
    store = BoundedStore(table, timeout_seconds=0.2)
    with pytest.raises(LostContactError, match="given no answer"), beating(store, "work"):
        table.connected.clear()
    with pytest.raises(LostContactError, match="given no answer"):
        wait_for(BoundedStore(table, timeout_seconds=0.2), "work", name="rank 0", timeout_seconds=30)


def fail_once_it_is_cut_off(table: Table) -> None:
    table.connected.clear()
    raise ValueError("the disk is full")


def test_the_leader_s_own_error_is_not_hidden_by_the_store_s(table: Table) -> None:
    with pytest.raises(ValueError, match="the disk is full"), beating(BoundedStore(table, timeout_seconds=0.2), "work"):
        fail_once_it_is_cut_off(table)


def test_a_heart_that_stops_is_noticed(table: Table) -> None:
    table.set("work/beat", "1")
    with pytest.raises(LostContactError, match="rank 0 has given no sign of life"):
        wait_for(BoundedStore(table, timeout_seconds=30), "work", name="rank 0", timeout_seconds=0.3)
