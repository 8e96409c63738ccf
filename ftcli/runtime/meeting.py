"""Where the processes of one launch meet in a store that earlier launches have written to.

torchrun keeps its store over restarts and over the return of a machine, and torch's own keys in it (addresses, above
all) are the same each time: a process that comes back reads where a dead one was listening, and is refused. So the
processes of a launch first agree on a name that nobody has used before, and keep to keys under it.
"""

from __future__ import annotations

import time
import uuid
from typing import Protocol

from ftcli.spec.wording import counted

_POLL_SECONDS = 0.02


class KeyValueStore(Protocol):
    """What a store of torch.distributed can do that is needed here."""

    def set(self, key: str, value: str, /) -> None:
        """Write a value."""
        ...

    def get(self, key: str, /) -> bytes:
        """Read a value."""
        ...

    def check(self, keys: list[str], /) -> bool:
        """Whether all these keys have values."""
        ...

    def add(self, key: str, amount: int, /) -> int:
        """Add to a counter; returns the sum."""
        ...


def agree_on_name(store: KeyValueStore, *, rank: int, size: int, timeout_seconds: float) -> str:
    """A name for this launch that no other has, the same on all ranks.

    Every other rank calls under a name of its own and waits for the answer to that name, so it can't take an old
    answer for its own. Rank 0 answers whoever calls until all have come: a call from a process that has died is
    answered, too, and does no harm.

    Raises:
        TimeoutError: a rank did not come.
    """
    until = time.monotonic() + timeout_seconds
    if rank == 0:
        return _answer(store, size=size, until=until)
    mine = uuid.uuid4().hex
    store.set(f"ftcli/call/{rank}", mine)
    while not store.check([f"ftcli/answer/{mine}"]):
        _wait(until, "rank 0 did not answer")
    name = store.get(f"ftcli/answer/{mine}").decode()
    store.add(f"ftcli/came/{name}", 1)
    return name


def _answer(store: KeyValueStore, *, size: int, until: float) -> str:
    name = uuid.uuid4().hex
    answered: set[str] = set()
    while store.add(f"ftcli/came/{name}", 0) < size - 1:
        for rank in range(1, size):
            if store.check([f"ftcli/call/{rank}"]):
                caller = store.get(f"ftcli/call/{rank}").decode()
                if caller not in answered:
                    answered.add(caller)
                    store.set(f"ftcli/answer/{caller}", name)
        _wait(until, f"not all of {counted(size, 'rank')} have come")
    return name


def _wait(until: float, what: str) -> None:
    if time.monotonic() > until:
        raise TimeoutError(what)
    time.sleep(_POLL_SECONDS)
