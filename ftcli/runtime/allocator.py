"""How this process's memory is had from the system."""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_MOST = 2**31 - 1
_BY_THE_USER = ("MALLOC_", "GLIBC_TUNABLES")


def keep_freed_memory() -> None:
    """Let this process use memory again that it has freed, where its C library is glibc; elsewhere nothing changes.

    As it comes, glibc gives blocks above 32 MB back at once, and the next ones come from the system page by page, each
    of them cleared: for a training step, which takes the gradient of a large vocabulary over and over, some 5 % of its
    time. What is freed is kept until the process ends, so blocks that grow and leave holes behind may raise the peak;
    whoever says by glibc's own variables how memory is to be had has it so.
    """
    if sys.platform != "linux" or any(name.startswith(_BY_THE_USER) for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _MOST)
