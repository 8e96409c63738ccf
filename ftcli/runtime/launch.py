"""What torchrun says of a launch: which one it is, and whether its processes are started again when they end."""

from __future__ import annotations

import os
import socket


def launch_id() -> str | None:
    """What torchrun calls this launch; None without torchrun, or where it was not given a name to tell it by."""
    given = os.environ.get("TORCHELASTIC_RUN_ID")
    return None if given == "none" else given


def launch_agent() -> str | None:
    """The torchrun process that started this one; it stays the same when it restarts its workers."""
    return f"{socket.gethostname()}/{os.getppid()}" if "TORCHELASTIC_RUN_ID" in os.environ else None


def num_restarts() -> int:
    """How often torchrun has restarted this process."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def may_restart() -> bool:
    """Whether torchrun restarts a process that ends with another code than 0: it must not, when a stop was agreed."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0
