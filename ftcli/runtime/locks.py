"""Taking turns with other processes that may do the same work at the same time: one does it, and others find it done.

A lock ends with the last process that has the locked file open, however that ends.
"""

from __future__ import annotations

import errno
import fcntl
import time
from pathlib import Path
from typing import IO, TypeVar

from ftcli.runtime.activity import Activity, Working

POLL_SECONDS = 0.1
WAITING = Activity("wait for another process, which does the same", 0, is_idle=True)
_UNKNOWN = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF}

T = TypeVar("T")


def try_lock(file: IO[bytes]) -> bool:
    """Lock an open file, unless another process has.

    True also where the file system knows no locks: work is then done twice at worst, and ends as well.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
    return True


def taking_turns(path: Path, work: Working[T], *, makes: bool = False) -> Working[T]:
    """Do some work once no other process is doing its own for the same file, which has to be there, or is made."""
    with path.open("ab" if makes else "rb") as file:
        while not try_lock(file):
            yield WAITING
            time.sleep(POLL_SECONDS)
        return (yield from work)
