"""A rendezvous store whose calls end in time.

Where the network between two machines is cut, torch waits for the store's answer for as long as TCP sends again, which
is a quarter of an hour. Here a call that takes too long is given up, and so is the store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from ftcli.errors import LostContactError
from ftcli.runtime.meeting import KeyValueStore

T = TypeVar("T")


class BoundedStore:
    """Passes calls on to a store, and waits no longer than `timeout_seconds` for an answer.

    Every call raises LostContactError where there is none, or once there was none: what still waits holds the store.
    """

    def __init__(self, store: KeyValueStore, *, timeout_seconds: float) -> None:
        self._store = store
        self._timeout_seconds = timeout_seconds
        self._is_silent = False

    def set(self, key: str, value: str, /) -> None:
        """Write a value."""
        self._ask(lambda: self._store.set(key, value))

    def get(self, key: str, /) -> bytes:
        """Read a value."""
        return self._ask(lambda: self._store.get(key))

    def check(self, keys: list[str], /) -> bool:
        """Whether all these keys have values."""
        return self._ask(lambda: self._store.check(keys))

    def add(self, key: str, amount: int, /) -> int:
        """Add to a counter; returns the sum."""
        return self._ask(lambda: self._store.add(key, amount))

    def _ask(self, question: Callable[[], T]) -> T:
        answer = Future[T]()

        def ask() -> None:
            try:
                answer.set_result(question())
            except BaseException as error:
                answer.set_exception(error)

        if not self._is_silent:
            threading.Thread(target=ask, name="ftcli-store", daemon=True).start()
        try:
            return answer.result(timeout=0 if self._is_silent else self._timeout_seconds)
        except TimeoutError:
            self._is_silent = True
            what = f"the rendezvous store has given no answer for {self._timeout_seconds:g} s"
            raise LostContactError(what) from None
        except RuntimeError as error:
            raise LostContactError(f"the rendezvous store can't be reached: {error}") from error
