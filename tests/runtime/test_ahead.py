from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing

import pytest

from ftcli.runtime.ahead import ahead


def test_items_come_in_order() -> None:
    assert list(ahead((number for number in range(100)), depth=3)) == [*range(100)]
    assert list(ahead(number for number in ())) == []


def test_an_error_stands_where_its_item_would() -> None:
    def numbers() -> Generator[int]:
        yield 1
        yield 2
        message = "no third"
        raise ValueError(message)

    taken: list[int] = []
    with pytest.raises(ValueError, match="no third"):
        taken.extend(ahead(numbers()))
    assert taken == [1, 2]


def test_no_more_is_made_than_asked_for_and_the_thread_ends() -> None:
    made: list[int] = []
    enough, closed = threading.Event(), threading.Event()

    def numbers() -> Generator[int]:
        try:
            for number in range(1000):
                made.append(number)
                if len(made) >= 4:
                    enough.set()
                yield number
        finally:
            closed.set()

    with closing(ahead(numbers(), depth=3)) as items:
        assert next(items) == 0
        assert enough.wait(10)
    assert closed.wait(10)
    assert len(made) <= 5  # one taken, three that wait, one that was being made
