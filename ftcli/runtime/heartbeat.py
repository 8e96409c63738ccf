"""Waiting for a process that works on alone: it beats in the rendezvous store, and is not waited for once it stops."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

from ftcli.errors import LostContactError
from ftcli.runtime.meeting import KeyValueStore

_POLL_SECONDS = 0.1
_BEAT_SECONDS = 2.0


@contextmanager
def beating(store: KeyValueStore, key: str) -> Generator[None]:
    """Work in the block while others wait for `key`; they hear whether it was done or failed."""
    with _heart(store, f"{key}/beat"):
        try:
            yield
        except BaseException:
            with suppress(LostContactError):  # it is not to hide why the work failed
                store.set(key, "failed")
            raise
        store.set(key, "done")


@contextmanager
def _heart(store: KeyValueStore, key: str) -> Generator[None]:
    """Count up `key` in the store for as long as the block runs."""
    ended = threading.Event()

    def beat() -> None:
        with suppress(LostContactError):  # the block's own end says so
            for number in itertools.count(1):
                store.set(key, str(number))
                if ended.wait(_BEAT_SECONDS):
                    return

    heart = threading.Thread(target=beat, name="ftcli-heartbeat", daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()


def wait_for(store: KeyValueStore, key: str, *, name: str, timeout_seconds: float) -> None:
    """Wait until the process of that name is done with `key`.

    Raises:
        LostContactError: it has failed, or has given no sign of life for so long.
    """
    beat, heard = b"", time.monotonic()
    while not store.check([key]):
        latest = store.get(f"{key}/beat") if store.check([f"{key}/beat"]) else b""
        if latest != beat:
            beat, heard = latest, time.monotonic()
        elif time.monotonic() - heard > timeout_seconds:
            raise LostContactError(f"{name} has given no sign of life for {timeout_seconds:g} s")
        time.sleep(_POLL_SECONDS)
    if store.get(key) != b"done":
        raise LostContactError(f"{name} has failed; its error says why")
