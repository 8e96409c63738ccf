"""The clock of all benchmarks: the one on the wall, or processor time, which others' work disturbs less.

FTCLI_CLOCK=cpu asks for the latter: of all threads, and of child processes that have ended. It makes sense with
OMP_NUM_THREADS=1, and says nothing of waiting: not for `save_blocks`.
"""

from __future__ import annotations

import os
import resource
import time

CHOICE = "FTCLI_CLOCK"


def name() -> str:
    """Which clock it is."""
    return os.environ.get(CHOICE, "wall")


def now() -> float:
    """Seconds since whenever."""
    if name() == "wall":
        return time.perf_counter()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
