"""Work that is done before it is asked for: the next items of an iterator, made in a thread while this one is used."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class _Belt(Generic[T]):
    """At most `depth` items that were made and not taken yet, and how the making ended."""

    def __init__(self, items: Generator[T], depth: int) -> None:
        self._items = items
        self._depth = depth
        self._made: deque[T] = deque()
        self._changed = threading.Condition()
        self._is_left = False
        self._ended: StopIteration | BaseException | None = None
        threading.Thread(target=self._make, name="ftcli-ahead", daemon=True).start()

    def _make(self) -> None:
        try:
            with closing(self._items):
                for item in self._items:
                    if not self._put(item):
                        return
            self._end(StopIteration())
        except BaseException as error:
            self._end(error)

    def _put(self, item: T) -> bool:
        """Lay an item down and wait for room; False where nobody takes any more."""
        with self._changed:
            self._made.append(item)
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._made) < self._depth or self._is_left)
            return not self._is_left

    def _end(self, how: BaseException) -> None:
        with self._changed:
            self._ended = how
            self._changed.notify_all()

    def take(self) -> T:
        """The next item; StopIteration behind the last, or the error that stands in its place."""
        with self._changed:
            self._changed.wait_for(lambda: self._made or self._ended is not None)
            if self._made:
                item = self._made.popleft()
                self._changed.notify_all()
                return item
            assert self._ended is not None
            raise self._ended

    def take_lot(self, most: int, *, within_seconds: float) -> list[T]:
        """The next item and those that follow it in no more than that time, `most` in all; ends as `take` does."""
        with self._changed:
            self._changed.wait_for(lambda: self._made or self._ended is not None)
            self._changed.wait_for(lambda: len(self._made) >= most or self._ended is not None, within_seconds)
            if self._made:
                lot = [self._made.popleft() for _ in range(min(most, len(self._made)))]
                self._changed.notify_all()
                return lot
            assert self._ended is not None
            raise self._ended

    def leave(self) -> None:
        """Make no more. The item that is being made is not waited for: it may wait for somebody's typing."""
        with self._changed:
            self._is_left = True
            self._changed.notify_all()


def ahead(items: Generator[T], *, depth: int = 2) -> Generator[T]:
    """The same items in the same order, made in a thread of their own.

    It pays where the making leaves the interpreter free for others: reading, tokenising, computing. An error of it is
    raised where its item would stand. Close the generator to end the thread.

    Args:
        items: What is to be had; from here on only the thread touches it, and closes it in the end.
        depth: How many items are made before they are asked for, which bounds the memory that they take.
    """
    belt = _Belt(items, depth)
    yield from _taken(belt, belt.take)


def in_lots(items: Generator[T], *, most: int, within_seconds: float) -> Generator[list[T]]:
    """The same items in the same order, in lots that wait for none that is still to come.

    Args:
        items: What is to be had, perhaps slowly: it is made in a thread, as `ahead` does.
        most: How many items a lot has at most.
        within_seconds: How long after its first item others may still join a lot.
    """
    belt = _Belt(items, most)
    yield from _taken(belt, lambda: belt.take_lot(most, within_seconds=within_seconds))


def _taken(belt: _Belt[T], take: Callable[[], U]) -> Generator[U]:
    try:
        while True:
            try:
                taken = take()
            except StopIteration:
                return
            yield taken
    finally:
        belt.leave()
