"""What torchrun says of a launch: which one it is, and whether its processes are started again when they end."""

from __future__ import annotations

import os
import socket
import sys
from typing import NoReturn

_LAUNCHED_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"


def under_torchrun() -> bool:
    """Whether torchrun started this process."""
    return _LAUNCHED_BY_TORCHRUN in os.environ


def launched_rank() -> int:
    """This process's rank as torchrun gives it; 0 without torchrun. Needs no process group."""
    return int(os.environ.get("RANK", "0"))


def launched_size() -> int:
    """The number of processes that torchrun started; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def spans_machines() -> bool:
    """Whether torchrun has started processes of this run on other machines, too."""
    return num_here() < launched_size()


def place_here() -> int:
    """This process's place, from 0, among those that torchrun has started on this machine; 0 without torchrun."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def num_here() -> int:
    """The number of processes that torchrun has started on this machine; 1 without torchrun."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", launched_size()))


def launch_id() -> str | None:
    """What torchrun calls this launch; None without torchrun, or where it was not given a name to tell it by."""
    given = os.environ.get(_LAUNCHED_BY_TORCHRUN)
    return None if given == "none" else given


def launch_agent() -> str | None:
    """The torchrun process that started this one; it stays the same when it restarts its workers."""
    return f"{socket.gethostname()}/{os.getppid()}" if under_torchrun() else None


def num_restarts() -> int:
    """How often torchrun has restarted this process."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def may_restart() -> bool:
    """Whether torchrun restarts a process that ends with another code than 0: it must not, when a stop was agreed."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0


def leave(code: int) -> NoReturn:
    """End this process at once, without the interpreter's own way out where torch has been loaded.

    Threads of torch or gloo may still be letting go of tensors when the work is done. One that needs the interpreter
    for that while it shuts down is ended by it in the middle of C++ code, and the process aborts (SIGABRT), which
    torchrun takes for a failed run: seen once in some hundred launches.
    """
    if "torch" not in sys.modules:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
